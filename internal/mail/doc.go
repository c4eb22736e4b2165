// Package mail holds the words everybody shares: what a message is called at
// its source (Ref), its header section (Header), the sender's domain, what
// may go wrong (Fault) and what became of it (Status).
//
// It is pure: no I/O, no clock that decides, nothing but the standard library
// and IDNA tables. A whole message never exists here, only its header section.
package mail
