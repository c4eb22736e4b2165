package postgres

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Shelf is the key store inside the database (vault.Shelf). What is destroyed on
// it stays in the database's own history, its WAL and its backups, for as long as
// these are kept: whoever wants a wipe to be immediate keeps the keys elsewhere.
type Shelf struct{ s *Store }

func keyFault(name string, err error) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, fs.ErrNotExist):
		return &mail.Fault{Class: mail.Setup, Code: "key_missing", Text: "the key record " + name + " is missing",
			Help: "restore it from a copy of the key store", Err: fs.ErrNotExist}
	case errors.Is(err, fs.ErrExist):
		return &mail.Fault{Class: mail.Setup, Code: "storage", Text: "the key record " + name + " is already there", Err: fs.ErrExist}
	}
	return err
}

// Get implements vault.Shelf.
func (h *Shelf) Get(ctx context.Context, name string) (record []byte, err error) {
	err = h.s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		record, err = q.GetRecord(ctx, name)
		return keyFault(name, err)
	})
	return record, err
}

// Create implements vault.Shelf.
func (h *Shelf) Create(ctx context.Context, name string, record []byte) error {
	return h.s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		n, err := q.CreateRecord(ctx, systemdb.CreateRecordParams{Name: name, Record: record})
		if err == nil && n == 0 {
			err = keyFault(name, fs.ErrExist)
		}
		return err
	})
}

// Swap implements vault.Shelf.
func (h *Shelf) Swap(ctx context.Context, name string, old, next []byte) error {
	return h.s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		n, err := q.SwapRecord(ctx, systemdb.SwapRecordParams{Name: name, Old: old, Next: next})
		if err == nil && n == 0 {
			err = keyFault(name, fs.ErrNotExist)
		}
		return err
	})
}

// Destroy implements vault.Shelf.
func (h *Shelf) Destroy(ctx context.Context, name string) error {
	return h.s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error { return q.DestroyRecords(ctx, name) })
}

// List implements vault.Shelf.
func (h *Shelf) List(ctx context.Context) iter.Seq2[vault.Record, error] {
	return func(yield func(vault.Record, error) bool) {
		for last, n := "", chunk; n == chunk; {
			var names []string
			err := h.s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
				names, err = q.RecordNames(ctx, systemdb.RecordNamesParams{Last: last, Most: chunk})
				return err
			})
			if err != nil {
				yield(vault.Record{}, err)
				return
			}
			for _, last = range names {
				octets, err := h.Get(ctx, last)
				if errors.Is(err, fs.ErrNotExist) {
					continue // destroyed meanwhile
				}
				if !yield(vault.Record{Name: last, Octets: octets}, err) || err != nil {
					return
				}
			}
			n = len(names)
		}
	}
}

// chunk is how many rows of a long list are asked for at once.
const chunk = 1000
