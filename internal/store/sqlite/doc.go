// Package sqlite is the embedded store: everything in one directory, for one
// machine and one process that works.
//
//	<data>/lock            held by the process that works (serve, sync, demo, migrate)
//	<data>/system.db       who there is and who is signed in (by keyed hash), when each mailbox is due,
//	                       what the day has cost, receipts of wipes and what others are still to be told
//	<data>/jobs.db         the queue of jobs, made anew from rows of the system database if it is lost
//	<data>/users/<id>.db   one user: profile, grant, mailboxes with their state, ledger, audit log
//	<data>/keys            the keys of all these (package vault)
//
// A file is the boundary between users. Its pages are encrypted under a key of
// its own (package pages), and secrets in it are sealed once more, bound to
// their row: a mailbox's password and upload sessions under a key that its salt
// is part of, the grant and the person under the user's. To wipe a user is to
// destroy that key, then to unlink the file; to wipe a mailbox is to destroy its
// salt, then its rows. The receipt of a wipe is one transaction with the last of
// the rows; that others are to be told (errands) is durable before the key goes.
//
// The system database holds nothing about a person: what is looked up is a hash
// under the index key, and what has a name (of a browser, of a token) is sealed
// under its user's key.
//
// # Writing
//
// A database has one connection and one writer at a time. Writes queue, and
// whoever finds nobody at it takes all that waits, does it in one transaction
// with one fsync, answers everybody, and passes the lead to the first that came
// meanwhile. So a commit is shared by as many as there are at work. Under load a
// batch waits as long as the last one took, at most 5 ms, to be shared by more;
// a lone write waits for nobody. A write that cannot be done (taken, fenced) fails
// alone; if SQLite itself fails, each write of the batch is tried by itself.
//
// Each transaction begins by locking out other writers and reading the epoch of
// the fence. A write whose owner is of an older epoch changes nothing. Who takes
// the store makes a new epoch, durable before the owner can do anything.
//
// # The wheel
//
// A start must know when a million mailboxes are due without opening a million
// databases, so the system database has a row for each: ids, a keyed hash of
// the mail server, and the part of the mailbox's state that says when. The truth
// is in the user's database, and two files share no commit. What keeps a crash
// between two commits harmless is their order:
//
//	make a mailbox   salt, row in the wheel, mailbox
//	wipe a mailbox   intent, salt, mailbox, row in the wheel with the receipt
//	save a state     first where the mailbox is woken sooner, then the other
//
// So the wheel knows every mailbox and is never late. What it knows too much, a
// row without a mailbox, is taken away when Load is asked for it; what it says
// too early costs one pass.
//
// # SQL
//
// Statements are in queries/, the schema in migrations/sqlite; sqlc makes Go of
// both (sqlc generate, in this folder). The ledger's few statements that every
// message needs, and the wheel's, are bound on the connection itself. Everything
// else uses the generated methods on that same connection. Measured: Record
// bound there 9 µs and 1 allocation, through database/sql 46 µs and 11 (5,000
// in one transaction, 2 busy cores). All are prepared when first needed and
// kept: a database that is opened for a poll needs few of them.
package sqlite
