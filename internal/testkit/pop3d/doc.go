// Package pop3d is a POP3 server for tests, the demo and the benches: small
// enough to read, complete enough for a real client, and able to misbehave in
// every way we have met or fear.
//
// It speaks RFC 1939 with UIDL and TOP, CAPA, PIPELINING and response codes
// (RFC 2449, 3206), STLS (RFC 2595) and AUTH PLAIN and XOAUTH2 (RFC 5034).
// A login locks the maildrop and takes a snapshot of it: mail that arrives
// later shows at the next login. Deletions happen at QUIT and only there.
//
// Mail comes from a Maildrop; Memory is one that tests fill. Message octets
// are sent as they are, dot-stuffed after CRLF and closed with a CRLF where
// the last one is missing; nothing else is changed.
//
//	srv := pop3d.New(pop3d.Options{TLS: cfg})
//	srv.AddUser("ann", "secret", pop3d.NewMemory(raw...))
//	addr, err := srv.ListenTLS()
//	srv.Misbehave(pop3d.Faults{CutRetr: 100})
//
// It listens on 127.0.0.1 only; Serve takes any other listener. A session does
// not read while it writes, as most servers do not: between the ends of a
// net.Pipe, which holds no octet, a client that pipelines can block for ever.
package pop3d
