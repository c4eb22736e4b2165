package pgshelf

import (
	"context"
	_ "embed"
	"errors"
	"io/fs"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// The statements are six, and the conformance suite runs each.
var (
	//go:embed queries/get.sql
	sqlGet string
	//go:embed queries/create.sql
	sqlCreate string
	//go:embed queries/swap.sql
	sqlSwap string
	//go:embed queries/destroy.sql
	sqlDestroy string
	//go:embed queries/list.sql
	sqlList string
	//go:embed queries/durable.sql
	sqlDurable string
)

// patience is how long one call may take: whoever looks after a mailbox comes
// back later rather than wait for a database that hangs.
const patience = 10 * time.Second

// Shelf is a key store in Postgres. It may be used by many goroutines at once.
type Shelf struct{ pool *pgxpool.Pool }

var _ vault.Shelf = (*Shelf)(nil)

// Close ends the connections.
func (s *Shelf) Close() { s.pool.Close() }

// Get implements vault.Shelf.
func (s *Shelf) Get(ctx context.Context, name string) (record []byte, err error) {
	vault.CheckName(name)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = s.pool.QueryRow(ctx, sqlGet, name).Scan(&record)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return record, fault(name, err)
}

// Create implements vault.Shelf.
func (s *Shelf) Create(ctx context.Context, name string, record []byte) error {
	n, err := s.write(ctx, sqlCreate, name, record)
	if err == nil && n == 0 {
		err = fs.ErrExist
	}
	return fault(name, err)
}

// Swap implements vault.Shelf.
func (s *Shelf) Swap(ctx context.Context, name string, old, next []byte) error {
	n, err := s.write(ctx, sqlSwap, name, old, next)
	if err == nil && n == 0 {
		err = fs.ErrNotExist
	}
	return fault(name, err)
}

// Destroy implements vault.Shelf.
func (s *Shelf) Destroy(ctx context.Context, name string) error {
	_, err := s.write(ctx, sqlDestroy, name)
	return fault(name, err)
}

// write runs a statement and waits until its rows are durable. Both statements
// go in one round trip, and so are one transaction.
func (s *Shelf) write(ctx context.Context, sql, name string, args ...any) (rows int64, err error) {
	vault.CheckName(name)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(sqlDurable)
	b.Queue(sql, append([]any{name}, args...)...)
	answers := s.pool.SendBatch(ctx, b)
	_, err = answers.Exec()
	if err == nil {
		tag, done := answers.Exec()
		rows, err = tag.RowsAffected(), done
	}
	return rows, errors.Join(err, answers.Close())
}

// List implements vault.Shelf.
func (s *Shelf) List(ctx context.Context) iter.Seq2[vault.Record, error] {
	return func(yield func(vault.Record, error) bool) {
		for after := ""; ; {
			page, err := s.page(ctx, after)
			if err != nil {
				yield(vault.Record{}, fault("", err))
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
				after = r.Name
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

func (s *Shelf) page(ctx context.Context, after string) ([]vault.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.pool.Query(ctx, sqlList, after)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[vault.Record])
}
