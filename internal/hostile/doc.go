// Package hostile puts mail servers that misbehave in front of the whole engine
// over the wire, in fake time.
//
// Real are the actors, the bridge, both sources with their libraries, TLS and
// the guards beneath them; the ledger, the registry and Gmail are their twins
// in memory. Connections are pipes, so that a bubble of testing/synctest lets a
// day of polling pass in a moment.
//
// Each row of the tables is one server. It is known by what its user gets: a
// phase, a code, words and a back-off. Beside each a healthy mailbox of the
// same user goes on getting its mail in time, and once the server is mended its
// mailbox recovers by itself. docs/bad-input.md is the table of contents.
//
// The package is tests and nothing else.
package hostile
