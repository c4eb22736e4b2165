package pgshelf

import (
	"context"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const setting = "SMTPSYNC_KEYSTORE_URL"

// fault says in one line what went wrong with a record, or with all of them, and
// what to do. The database's own words stay in the chain, for the log.
func fault(name string, err error) error {
	if err == nil {
		return nil
	}
	f := &mail.Fault{Class: mail.Setup, Code: "key_store", Err: cause{err}}
	var pg *pgconn.PgError
	switch {
	case err == fs.ErrNotExist: // itself: a socket that is not there wraps it as well
		f.Err, f.Code, f.Text, f.Help = err, "key_missing", "the key record "+name+" is missing", "restore it from a copy of the key store"
	case err == fs.ErrExist:
		f.Err, f.Text = err, "the key record "+name+" is already there"
	case errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000"): // undefined_table, invalid_schema_name
		return unmigrated(err)
	case errors.As(err, &pg) && pg.Code == "42501": // insufficient_privilege
		f.Text, f.Help = "the key store's database refuses its role the table keystore", "GRANT SELECT, INSERT, UPDATE, DELETE ON keystore to it, or run smtp-sync migrate as its owner"
	case errors.As(err, &pg) && pg.Code == "25006": // read_only_sql_transaction
		f.Class, f.Text, f.Help = mail.Transient, "the key store's database takes no writes now", "let "+setting+" name the primary, not a replica"
	case errors.As(err, &pg) && (pg.Code[:2] == "28" || pg.Code == "3D000"): // invalid authorization, no such database
		f.Text, f.Help = "the key store's database refuses the connection", "check user, password and name of the database in "+setting
	case errors.Is(err, context.Canceled):
		f.Err, f.Class, f.Text = context.Canceled, mail.Transient, "the key store was not asked to the end"
	default:
		f.Class, f.Text, f.Help = mail.Transient, "the key store's database cannot be reached", "start it, or check "+setting
	}
	return f
}

// cause is for the log and for nobody's decision: a connection's own "no such
// file" must not pass for a key that does not exist.
type cause struct{ err error }

func (c cause) Error() string { return c.err.Error() }

func unmigrated(err error) error {
	return &mail.Fault{Class: mail.Setup, Code: "key_store", Text: "the key store's database was not brought to this release", Help: "run smtp-sync migrate", Err: err}
}
