// Package imapd holds IMAP servers for tests, the demo and the benches.
//
// Server is a well-behaved one on go-imap's imapserver: TLS and STARTTLS,
// LOGIN, AUTHENTICATE PLAIN and XOAUTH2, several users and folders, UIDPLUS,
// ESEARCH, and IDLE that tells of every change, to many thousand connections
// if need be. Messages are kept and sent octet for octet, whatever is in them.
// A folder can be renumbered, and messages can come and go while sessions are
// open.
//
//	srv := imapd.New(imapd.Options{TLS: cfg})
//	ann := srv.AddUser("ann", "secret")
//	ann.Deliver("INBOX", raw)
//	addr, err := srv.ListenTLS()
//
// Script is one that speaks only as much IMAP as a test needs and lets the
// test take over at any command: for what no server library would send. It has
// CONDSTORE, which imapserver lacks, and an IDLE in which it can say anything.
//
// Both listen on 127.0.0.1 only; Serve takes any other listener.
package imapd
