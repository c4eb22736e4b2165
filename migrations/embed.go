// Package migrations holds the schema of every store, as the steps that led to
// it: forward only, small, numbered. A step that has been released is never
// edited, and one of Postgres lets the release before it go on working. Each
// step of SQLite ends by setting user_version to its number: that is how a store
// sees at every opening, for the price of one read, that there is nothing to do.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite postgres keystore
var files embed.FS

// Postgres gives the steps of a Postgres database.
func Postgres() fs.FS { return sub("postgres") }

// SQLiteSystem gives the steps of the system database.
func SQLiteSystem() fs.FS { return sub("sqlite/system") }

// SQLiteUser gives the steps of a user's database.
func SQLiteUser() fs.FS { return sub("sqlite/user") }

// Keystore gives the steps of a key store that has a Postgres database of its own.
func Keystore() fs.FS { return sub("keystore") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic("migrations: " + err.Error())
	}
	return f
}
