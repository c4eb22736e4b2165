// Package hosts is the mail servers of a bench run, in a process of their own:
// fleets of mailboxes behind POP3S and IMAPS on ports of the loopback
// interface, good ones and hostile ones, and the generator that delivers mail
// into them by the clock.
//
//	bench ── HTTP, control ──> hosts ──> pop3d, imapd, hostile listeners
//	product ── POP3S, IMAPS ──────────────┘
//
// A fleet is some mailboxes of one kind; a few of them share an address, as
// they would share a provider, because the product spaces out logins to an
// address. Every message that was delivered is known by its SHA-256 and its
// intended time: that is what the Gmail double is asked for in the end, so that
// lost and doubled messages are counted and not guessed.
//
// Polls of POP3 mailboxes are noted (a login lists the maildrop), connections
// are counted where they are accepted.
package hosts
