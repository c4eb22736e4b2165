// Package imap reads one IMAP mailbox (RFC 3501, RFC 9051): it lists its
// folders, streams messages, and removes or flags exactly those it is told.
//
// A session is built in two halves. The first is ours: connect through
// internal/dial, TLS or STARTTLS, greeting, capabilities, login; a few lines
// under limits of our own, so that nothing is sent in clear text and nothing
// that arrived before TLS is believed. The second is go-imap's client, which
// parses what follows; it is handed a connection that begins with a synthetic
// "* PREAUTH" line and the few capabilities we use.
//
//	Dialer.Open -> preamble -> lease -> go-imap -> Source
//	                             |
//	                             +-- dial.Conn, the guard: no raw octet of a
//	                                 user-named host reaches go-imap
//
// Digest stands for a listing without making one: most passes are a login, a
// SELECT and a good-bye.
//
// With Config.Keep a closed Source leaves its connection to the Dialer, where
// it waits for mail (IDLE, RFC 2177) at a tenth of what go-imap would need:
//
//	Close -> Dialer.Park: SELECT, IDLE -> Parked.Wait: EXISTS, DONE -+
//	  ^                                                              |
//	  +---- Source <- Open: go-imap borrows it <- Dialer.Resume <----+
//
// A connection that waits is a tls.Conn, a buffer of 256 octets and one blocked
// goroutine: about 12 KB resident. It holds no credential. Whatever came
// between the listing and IDLE is found by comparing UIDNEXT, so no mail falls
// between the two.
//
// Bodies are whole BODY.PEEK[] literals of ranged UID FETCHes, two commands in
// flight; a message is complete only when all announced octets of its literal
// were read. ENVELOPE, BODYSTRUCTURE, RFC822, partial ranges, plain EXPUNGE,
// CLOSE and MOVE are never sent.
//
// No call blocks for ever: go-imap has no time limits of its own, so each
// exchange runs under a watch that closes the connection when its context ends
// or the server lets it wait too long. After that, and after every error that
// is not about one message, the Source is finished.
//
// All errors are *mail.Fault.
package imap
