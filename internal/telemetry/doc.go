// Package telemetry makes the operator's log and metrics.
//
// A log line is a constant message in the past tense and attributes from a
// closed set of keys:
//
//	user mailbox ref node   who and where, as opaque ids
//	status code             what became of it, in glossary words
//	err                     an error or its text
//	dur_ms size             how long and how many octets
//	addr version signal     about our own process
//
// The handler drops every other key, every group and every value that is not
// plain, so that a careless attribute cannot carry mail or a secret into the
// log: forgetting is the default. What remains is stripped of line breaks,
// terminal control sequences and bidirectional overrides, because parts of it
// were chosen by strangers.
//
// At level debug an error is followed by the errors it wraps, which a
// mail.Fault keeps from its own text; at other levels it is not, because they
// may quote a server.
//
// Metrics are the same idea in numbers: typed methods, and labels from closed
// sets. A value outside its set is counted as "other", so that no id, address,
// host or domain can become a label, and the number of series is fixed from the
// start. A nil *Metrics counts nothing, so nobody needs to ask whether there
// is one. docs/grafana/smtp-sync.json shows them; a test compares the two.
package telemetry
