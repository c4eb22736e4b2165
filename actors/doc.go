// Package actors decides who works when: supervision, and nothing about mail.
//
//	node                 one a process; drains in two steps
//	 └─ user             one for each user with work; starts its mailboxes
//	     └─ mailbox      one for each mailbox being synced
//	         └─ worker   a goroutine owned by its mailbox: runs bridge.Sync
//
// An expected failure (wrong password, host down, out of budget) is a value in
// the worker's result. A panic is a bug: the mailbox is restarted with back-off
// by its user and runs again, since the ledger makes that safe; after a few it
// is stopped and its pass ends with ErrGaveUp. What a crash at any place may
// lose is nothing: the actors keep no state that matters.
//
// No actor type leaves the package, no message holds a secret or mail, and
// nothing blocks in Receive. The messages:
//
//	node     syncUser, drain, actor.Terminated
//	user     syncUser, drain, actor.Terminated
//	mailbox  kit.Done, drain
package actors
