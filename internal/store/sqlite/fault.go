package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/ncruces/go-sqlite3"

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

var refusals = []error{ledger.ErrTaken, ledger.ErrFenced, account.ErrNone, session.ErrNone, session.ErrMismatch, session.ErrInFlight}

// fault says in one line what is wrong with the file at path, and what to do.
// Refusals and faults pass as they are.
func fault(path string, err error) error {
	if err == nil || refusal(err) || errors.Is(err, errGone) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	dir := filepath.Dir(path)
	f := &mail.Fault{Class: mail.Setup, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, sqlite3.FULL):
		// It ends when there is space again, without anybody's telling us.
		f.Class, f.Code = mail.Transient, "disk_full"
		f.Text, f.Help = fmt.Sprintf("cannot write %s: the disk is full", path), "free some space"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission),
		errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.PERM):
		f.Code, f.Text = "data_read_only", fmt.Sprintf("cannot write %s", path)
		f.Help = fmt.Sprintf("make %s writable for the user that runs this", dir)
	case errors.Is(err, sqlite3.NOTADB), errors.Is(err, sqlite3.CORRUPT):
		f.Code, f.Text = "data_corrupt", fmt.Sprintf("%s is damaged or was encrypted under another key", path)
		f.Help = "restore the data directory and its keys from the same backup"
	case errors.Is(err, fs.ErrNotExist):
		f.Code, f.Text = "data_missing", fmt.Sprintf("%s is missing", path)
		f.Help = "restore the data directory from a backup"
	case errors.Is(err, sqlite3.BUSY), errors.Is(err, sqlite3.LOCKED):
		f.Class, f.Code = mail.Transient, "data_busy"
		f.Text, f.Help = fmt.Sprintf("%s is held by another process", path), "end that process"
	default:
		f.Class, f.Code = mail.Transient, "data_io"
		f.Text, f.Help = fmt.Sprintf("cannot use %s (%s)", path, code(err)), "check the disk and its free space"
	}
	return f
}

// code names SQLite's own code, and nothing that a statement held.
func code(err error) string {
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		return e.ExtendedCode().Error()
	}
	return "system error"
}

// errGone: the database was closed, or its user wiped, since.
var errGone = errors.New("sqlite: gone")
