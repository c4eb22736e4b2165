// Package vault keeps secrets. A Secret is cleartext that nothing can print;
// what must be stored is sealed, and the keys for that form a chain whose every
// link can be cut:
//
//	master keys        environment or <data>/master.key; newest first
//	   | wraps (AES-256-GCM)
//	system keys, one key per user        small records on a Shelf, <data>/keys
//	   | derives (HKDF-SHA-256)
//	sealing key | page key of the database | fingerprint key
//	   | wraps salts, seals secrets            | with a mailbox's salt
//	                                        Keys: id, content, occurrence, stream
//
// Rotation puts a new master key in front: everything new is wrapped by it,
// everything old still opens, and Store.Rewrap moves the rest, record by
// record, without touching a sealed value or a database page.
//
// Destruction is the reverse: Store.DestroyUser overwrites and removes one
// record, and with it all that was ever sealed, hashed or written for that
// user is noise, in every copy and backup that does not hold the record too.
// The same goes for one mailbox and its salt.
//
// A sealed value opens only at the Place it was sealed for: table, column, row
// and user are authenticated with it, so that whoever can write to the database
// still cannot move one user's password into another's row.
//
// Key records are files of mode 0600 in directories of mode 0700, written
// beside and renamed, so that a crash leaves the old one or the new one. All
// failures are *mail.Fault of class Setup: a wrong master key is told apart
// from a damaged record, and both from a full or read-only disk.
//
// Every label below that goes into a derivation or a seal has a version in it
// and never changes.
package vault
