// Package pages is the SQLite VFS under which a database, its WAL and its
// journals are encrypted: AES-256 in XTS mode over sectors of 512 octets, in
// the file format of the vfs/xts package of github.com/ncruces/go-sqlite3.
//
// It exists beside that package for three reasons. A key comes through Key
// and never through a URI or a PRAGMA, where SQLite would keep it. A page is
// read and written by one system call instead of one per sector. And what
// SQLite appends to the WAL, a header of 24 octets and a page for each frame,
// is gathered until the last frame of a commit: a commit is one write and one
// fsync. That is safe, and done, only on a connection that has said
// PRAGMA cache_spill = OFF.
//
// Encryption hides content from whoever finds the file. It does not notice
// when somebody puts back an old page: XTS keeps the length and has no room
// for a checksum.
package pages
