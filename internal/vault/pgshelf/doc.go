// Package pgshelf is a vault.Shelf in a Postgres database of its own: for an
// installation of several machines, and for one whose store is a Postgres as
// well, whose history is not to bring back what a wipe has destroyed. The same
// table may lie inside the store's database; then that history does.
//
// One table, keystore: names and wrapped records, about 200 octets a user and
// mailbox. It is made by Migrate; Open refuses a database that has another
// version than this release. Nothing here belongs to a role or a tenant: whoever
// may connect reads wrapped keys, which are worth nothing without a master key.
//
// Every call is one round trip on a small pool, works behind PgBouncer in
// transaction mode, and ends within ten seconds. The connection is encrypted and
// the server's certificate checked, unless it is a socket or the loopback.
//
// Postgres overwrites nothing in place. A destroyed record is gone from every
// query, dump and copy that is taken from now on; octets of it stay for a while
// on free parts of the table's file and in the write-ahead log, and as long in
// the database's history as that goes back. They are wrapped, so they end for
// good when the master key that they lie under is rotated and thrown away.
//
// Failures are *mail.Fault: of class Transient while the database cannot be
// reached, so that whoever needs a key waits and comes back, and Setup where
// somebody has to set something right.
package pgshelf
