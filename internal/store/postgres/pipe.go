package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pipe is what generated methods run on. The first statement is sent together
// with what opens the door, in one pipeline: row-level security costs no round
// trip.
//
// A pipeline without BEGIN is one transaction as well, and ends with itself; that
// is how a single statement is sent.
type pipe struct {
	conn    *pgxpool.Conn
	opening statement
	single  bool
	begun   bool
}

var errSingle = errors.New("postgres: a second statement where one was announced")

// batch sends a statement with what is before it, whose results are read.
func (p *pipe) batch(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	b := new(pgx.Batch)
	if !p.single {
		b.Queue("BEGIN")
	}
	b.Queue(p.opening.sql, p.opening.args...)
	b.Queue(sql, args...)
	p.begun = true
	results := p.conn.SendBatch(ctx, b)
	for range b.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			return nil, errors.Join(err, results.Close())
		}
	}
	return results, nil
}

func (p *pipe) direct() (bool, error) {
	if p.begun && p.single {
		return false, errSingle
	}
	return p.begun, nil
}

// Exec implements userdb.DBTX.
func (p *pipe) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	direct, err := p.direct()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	if direct {
		return p.conn.Exec(ctx, sql, args...)
	}
	results, err := p.batch(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, errors.Join(err, results.Close())
}

// Query implements userdb.DBTX.
func (p *pipe) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	direct, err := p.direct()
	if err != nil {
		return nil, err
	}
	if direct {
		return p.conn.Query(ctx, sql, args...)
	}
	results, err := p.batch(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, results.Close())
	}
	return &pipedRows{Rows: rows, results: results}, nil
}

// QueryRow implements userdb.DBTX.
func (p *pipe) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	direct, err := p.direct()
	if err != nil {
		return noRow{err}
	}
	if direct {
		return p.conn.QueryRow(ctx, sql, args...)
	}
	results, err := p.batch(ctx, sql, args)
	if err != nil {
		return noRow{err}
	}
	return pipedRow{results.QueryRow(), results}
}

// pipedRows ends its pipeline with the last row.
type pipedRows struct {
	pgx.Rows
	results pgx.BatchResults
	err     error
}

func (r *pipedRows) Next() bool {
	more := r.Rows.Next()
	if !more {
		r.Close()
	}
	return more
}

func (r *pipedRows) Close() {
	r.Rows.Close()
	if err := r.results.Close(); r.err == nil {
		r.err = err
	}
}

func (r *pipedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

type pipedRow struct {
	pgx.Row
	results pgx.BatchResults
}

func (r pipedRow) Scan(dest ...any) error {
	err := r.Row.Scan(dest...)
	if closed := r.results.Close(); err == nil {
		err = closed
	}
	return err
}

type noRow struct{ err error }

func (r noRow) Scan(...any) error { return r.err }
