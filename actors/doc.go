// Package actors decides who works when: supervision and schedule, and nothing
// about mail.
//
//	node                   one a process
//	 ├─ clock              the wheel: every registered mailbox and when it is due
//	 ├─ governor           the permits: sessions, users, mail servers
//	 └─ shard              4,096, each while one of its users has work
//	     └─ user           the account, shared by the user's mailboxes; 30 s longer than they
//	         └─ mailbox    while a pass runs, or a connection waits for push
//	             └─ worker a goroutine: account, job, bridge.Sync, state, park
//
// A mailbox that nobody works on is an entry in the wheel and no actor. One
// round of it:
//
//	clock --want--> governor --offer--> clock --work--> node, shard, user, mailbox
//	mailbox starts a worker --began, freed--> governor
//	                        --ended-------> clock, which arms it again
//
// The worker reports by itself, from a deferred call: whatever happens to the
// actors above it, its permit comes back and its mailbox is armed again. What
// can still be lost is an offer on its way to an actor that crashes; the
// governor takes back what nobody has begun to use within half a minute. The
// tracker knows every goroutine at work, and so is what keeps two passes over
// one mailbox apart and what Forget, StopUser and Drain wait for.
//
// # Failures
//
// An expected failure (wrong password, host down, out of budget) is a value in
// the worker's result: schedule.Policy says what comes next, Registry.Save keeps
// it when that is worth a write, and memory while it cannot. A panic is a bug: whoever panicked is restarted
// with back-off by its parent, and what it had under way is asked for again,
// since the ledger makes that safe. After six panics in ten minutes a mailbox is
// given up: phase failing, code internal_error, kept durably, tried again a day
// later. Clock and governor restart from the registry and the tracker; when they
// cannot, the engine ends (Failed) and the process should.
//
// # Push
//
// A mailbox whose job can park keeps its connection after a pass, with one small
// goroutine in Parked.Wait. Its end is either news, and the next pass takes the
// connection over, or the death of the connection, and the mailbox is polled
// soon, later each time it dies young and never before its provider's floor.
// News that turn out to be nothing, again and again, are followed once a minute.
// The wheel stays armed below it.
//
// # Time
//
// Due times in memory count from the start of the engine on the monotonic
// clock. A wall clock matters where a stored time is read, and what comes of it
// is bounded: a mailbox is looked at within 25 hours, whatever was stored.
//
// # Order of a drain
//
// Nothing new is begun; passes without an upload under way are cancelled, the
// others may end theirs (Marker) until the deadline; marks are taken away; the
// actors stop. Nothing blocks in Receive, and no message holds a secret or mail.
package actors
