// Package plugins is the home of rules, and the only one that may import
// wazero. There are none yet: every message is imported. What a rule will be is
// fixed by the port it has to satisfy, bridge.Filter: it sees a header section,
// never a body, and its verdict is stored with the claim.
package plugins
