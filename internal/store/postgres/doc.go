// Package postgres is the store of many nodes: the same ports as package sqlite,
// over one Postgres, with the users kept apart by the database itself.
//
// # Doors
//
// A transaction goes through one of two doors. inUser names a user, and
// row-level security, forced on every table behind it, shows it that user's rows
// and lets it write no others; so no statement there says whose rows it means, and
// a column user_id fills itself. inSystem reaches the tables that belong to nobody:
// keyed hashes, ids, due times, counts, what wipes left. once and system are the
// same for a single statement.
//
// What opens the door travels with the first statement, in one pipeline. It holds
// until the transaction ends and nothing else of a session is used: no SET, no
// prepared statement with a name, no lock outside a transaction, no LISTEN. So
// PgBouncer in transaction mode may stand in between. The role that comes with
// SMTPSYNC_DATABASE_URL owns nothing, and Open refuses one for which the policies
// would be no boundary.
//
// # What is sealed
//
// All that tells something about a person or a mailbox: under the mailbox's key,
// of which its salt is part, or under the user's. In the clear are ids, keyed
// hashes, times, sizes, counts and codes of ours. The audit log is too long for
// that: its sender domains and reasons are words, each sealed once for a mailbox,
// and a line names them by a hash. So a wipe is the end of a key, and no copy of the
// database from before tells anything after it.
//
// # Where what is
//
//	connect, role, migrate, fault   the way in: TLS, refusals, schema, errors
//	door, pipe                      the doors
//	people, shelf                   keys, opened for a while; the key store in the database
//	flush, ledger, listing          what becomes of messages: one shared transaction for many
//	audit, stats, decide            the log, its figures, what a user decides about a line
//	user, person, grant, account    who there is, who they are, what Google gave
//	mailbox, schedule, wheel        mailboxes, what is remembered of them, when they are due
//	session, token, request         who is signed in, what is not done twice
//	rules, modules                  what users want done by the header
//	quota, signal                   what the day has cost, news from Google
//	wipe, receipt, errand, export   the end of things, and what is told of it
//	sweep                           what has expired
//
// # SQL
//
// Statements are in queries/, the schema in migrations/postgres; sqlc makes Go of
// both (make generate). What must be asked before there are tables is in sql/.
package postgres
