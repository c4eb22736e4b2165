package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// inUser is the door to a user's rows: f runs in one transaction that sees them
// and nobody else's. It is committed if f returns nil. f must use the context
// that it is given, which ends before the server would.
//
// A user who is not there has no rows. Nothing else of the session is changed,
// so that the connection may be anybody's afterwards.
func (s *Store) inUser(ctx context.Context, user id.User, f func(context.Context, *userdb.Queries) error) error {
	return s.transaction(ctx, s.opening(user), func(ctx context.Context, p *pipe) error { return f(ctx, userdb.New(p)) })
}

// once is inUser for a single statement, in one round trip instead of two. What f
// asks beyond the first fails.
func (s *Store) once(ctx context.Context, user id.User, f func(context.Context, *userdb.Queries) error) error {
	return s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return f(ctx, userdb.New(&pipe{conn: c, opening: s.opening(user), single: true}))
	})
}

// inSystem is the door to the tables that belong to no user.
func (s *Store) inSystem(ctx context.Context, f func(context.Context, *systemdb.Queries) error) error {
	return s.transaction(ctx, s.opening(id.User{}), func(ctx context.Context, p *pipe) error { return f(ctx, systemdb.New(p)) })
}

// inBoth is a transaction through both doors: what is a user's and what belongs to
// nobody change together. account.ErrNone if a row would refer to one that is
// gone: the user, or a mailbox.
func (s *Store) inBoth(ctx context.Context, user id.User, f func(context.Context, *userdb.Queries, *systemdb.Queries) error) error {
	return noReferent(s.transaction(ctx, s.opening(user), func(ctx context.Context, p *pipe) error {
		return f(ctx, userdb.New(p), systemdb.New(p))
	}))
}

// system is inSystem for a single statement.
func (s *Store) system(ctx context.Context, f func(context.Context, *systemdb.Queries) error) error {
	return s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return f(ctx, systemdb.New(&pipe{conn: c, opening: s.opening(id.User{}), single: true}))
	})
}

// statement is one to be sent.
type statement struct {
	sql  string
	args []any
}

// opening is what every transaction begins with: whose it is, and how long the
// server lets a statement run and the transaction rest. They end with it
// (set_config(..., true)).
func (s *Store) opening(user id.User) statement {
	name := ""
	if user != (id.User{}) {
		name = user.String()
	}
	return statement{s.openingSQL, []any{name, strconv.FormatInt(s.limit.Milliseconds(), 10)}}
}

const (
	openingSQL   = "SELECT set_config('app.user_id', $1, true), set_config('statement_timeout', $2, true), set_config('idle_in_transaction_session_timeout', $2, true)"
	openingSQL17 = openingSQL + ", set_config('transaction_timeout', $2, true)"
)

// transaction runs f in one. Its beginning travels with f's first statement.
func (s *Store) transaction(ctx context.Context, opening statement, f func(context.Context, *pipe) error) error {
	return s.connected(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		p := &pipe{conn: c, opening: opening}
		err := f(ctx, p)
		if !p.begun {
			return err
		}
		if err != nil {
			p.end("ROLLBACK")
			return err
		}
		return p.end("COMMIT")
	})
}

// connected runs f with a connection of the pool and within the time limit.
func (s *Store) connected(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	c, err := s.pool.Acquire(limited)
	if err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			err = errNoConnection
		}
		return fault(orOwn(ctx, err))
	}
	// One that is still in a transaction, whatever happened, is closed here.
	defer c.Release()
	return fault(orOwn(ctx, f(limited, c)))
}

// orOwn gives the end of the caller's own context, if that is why err came.
func orOwn(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !refusal(err) {
		return ctx.Err()
	}
	return err
}

// end ends a transaction whatever the caller's context says: whether it was
// committed should be known.
func (p *pipe) end(how string) error {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	tag, err := p.conn.Exec(ctx, how)
	if err == nil && tag.String() != how {
		err = errRolledBack // COMMIT after a statement that failed
	}
	return err
}

const endWithin = 5 * time.Second

var errRolledBack = pgx.ErrTxCommitRollback
