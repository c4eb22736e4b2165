package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
)

// refusal tells what concerns one write alone from what makes a transaction
// not to be trusted.
func refusal(err error) bool {
	_, isFault := mail.AsFault(err)
	return isFault || slices.ContainsFunc(refusals, func(r error) bool { return errors.Is(err, r) })
}

var refusals = []error{ledger.ErrTaken, ledger.ErrFenced, account.ErrNone, account.ErrClosed, account.ErrIdentity, session.ErrNone, session.ErrMismatch, session.ErrInFlight}

// SQLSTATEs that are decided by.
const (
	foreignKey = "23503"
	unique     = "23505"
	lockWait   = "55P03"
	deadlock   = "40P01"
	serialize  = "40001"
	noTable    = "42P01"
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// fault says in one line what is wrong with the database, and what to do.
// Refusals and faults pass as they are, and so does the caller's own end.
func fault(err error) error {
	if err == nil || refusal(err) || errors.Is(err, context.Canceled) {
		return err
	}
	f := &mail.Fault{Class: mail.Transient, Err: err}
	code := sqlState(err)
	switch class := code[:min(2, len(code))]; {
	case class == "28": // authorization
		f.Class, f.Code, f.Text = mail.Setup, "database_login", "the database refuses this role or its password"
		f.Help = "check SMTPSYNC_DATABASE_URL"
	case code == "3D000":
		f.Class, f.Code, f.Text = mail.Setup, "database_missing", "there is no database of this name on the server"
		f.Help = "create it, then run smtp-sync migrate"
	case code == "42501":
		f.Class, f.Code, f.Text = mail.Setup, "database_rights", "the role of the service lacks a right in the database"
		f.Help = "run smtp-sync migrate, which gives it what it needs"
	case class == "42": // syntax, names
		f.Class, f.Code, f.Text = mail.Setup, "schema_older", fmt.Sprintf("the database does not fit this release (%s)", code)
		f.Help = "run smtp-sync migrate"
	case code == "53100":
		f.Code, f.Text, f.Help = "disk_full", "the database server's disk is full", "free some space there"
	case class == "53", errors.Is(err, errNoConnection):
		f.Code, f.Text, f.Help = "database_busy", "the database has no connection free", "it is tried again; give it more connections if this lasts"
	case class == "25" || class == "40" || code == lockWait || code == "57014" || errors.Is(err, context.DeadlineExceeded):
		f.Code, f.Text, f.Help = "database_slow", "the database did not do in time what it was asked", "it is tried again"
		if code == "25006" {
			f.Code, f.Text = "database_read_only", "the database takes no writes"
		}
	case code == "" || class == "08" || class == "57":
		f.Code, f.Text, f.Help = "database_gone", "the database does not answer", "it is tried again; check the server and SMTPSYNC_DATABASE_URL"
	default:
		f.Code, f.Text, f.Help = "database_fault", fmt.Sprintf("the database failed (%s)", code), "look into the database server's log"
	}
	return f
}

// none turns the absence of a row into account.ErrNone.
func none(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return account.ErrNone
	}
	return err
}

// unlessNone passes over the absence of a row.
func unlessNone(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// noneOf does so for a statement that has changed n rows.
func noneOf(n int64, err error) error {
	if err == nil && n == 0 {
		err = account.ErrNone
	}
	return err
}

// noReferent does so where a row would refer to one that is gone.
func noReferent(err error) error {
	if sqlState(err) == foreignKey {
		return account.ErrNone
	}
	return err
}

var errNoConnection = errors.New("postgres: no connection is free")
