package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// prepared is a connection for generated methods (userdb.DBTX) that keeps the
// statements it has been asked for: to compile one takes longer than to run it.
// There are as many as there are generated methods. It is used under the lock
// of its database.
type prepared struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// PrepareContext gives a statement that is not to be closed.
func (p *prepared) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := p.stmts[query]; st != nil {
		return st, nil
	}
	st, err := p.conn.PrepareContext(ctx, query)
	if err == nil {
		p.stmts[query] = st
	}
	return st, err
}

// ExecContext runs a statement without a result.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// QueryContext runs a statement with rows.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// QueryRowContext runs a statement with one row.
func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := p.PrepareContext(ctx, query)
	if err != nil {
		return p.conn.QueryRowContext(ctx, query, args...) // a Row cannot be made of an error: it fails again
	}
	return st.QueryRowContext(ctx, args...)
}

func (p *prepared) close() error {
	var errs []error
	for _, st := range p.stmts {
		errs = append(errs, st.Close())
	}
	clear(p.stmts)
	return errors.Join(append(errs, p.conn.Close())...)
}
