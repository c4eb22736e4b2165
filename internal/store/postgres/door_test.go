package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// setting asks the session outside of any door.
func (s *Store) setting(t *testing.T, name string) (value string) {
	t.Helper()
	ok(t, s.connected(t.Context(), func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, "SELECT coalesce(current_setting($1, true), '')", name).Scan(&value)
	}))
	return value
}

func TestADoorLeavesNothingInTheSession(t *testing.T) {
	t.Parallel()
	s := newInstallation(t).openWith(t, "pool_max_conns=1")
	user := id.New[id.User]()
	failure := errors.New("on purpose")
	for name, through := range map[string]func() error{
		"inUser": func() error {
			return s.inUser(t.Context(), user, func(ctx context.Context, q *userdb.Queries) error {
				_, err := q.MailboxNumbers(ctx)
				return err
			})
		},
		"inUser, failed": func() error {
			err := s.inUser(t.Context(), user, func(ctx context.Context, q *userdb.Queries) error {
				_, err := q.MailboxNumbers(ctx)
				return errors.Join(err, failure)
			})
			if errors.Is(err, failure) {
				err = nil
			}
			return err
		},
		"once": func() error {
			return s.once(t.Context(), user, func(ctx context.Context, q *userdb.Queries) error {
				_, err := q.MailboxNumbers(ctx)
				return err
			})
		},
	} {
		ok(t, through())
		for setting, want := range map[string]string{"app.user_id": "", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"} {
			if got := s.setting(t, setting); got != want {
				t.Errorf("after %s %s = %q, want %q", name, setting, got, want)
			}
		}
		var names int
		ok(t, s.connected(t.Context(), func(ctx context.Context, c *pgxpool.Conn) error {
			return c.QueryRow(ctx, "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''").Scan(&names)
		}))
		if names != 0 {
			t.Errorf("after %s %d prepared statements have names", name, names)
		}
	}
}

func TestOnceIsForOneStatement(t *testing.T) {
	t.Parallel()
	s := newInstallation(t).open(t, Options{})
	err := s.system(t.Context(), func(ctx context.Context, q *systemdb.Queries) error {
		if _, err := q.Ping(ctx); err != nil {
			return err
		}
		_, err := q.Ping(ctx)
		return err
	})
	if !errors.Is(err, errSingle) {
		t.Errorf("error = %v, want %v", err, errSingle)
	}
}

func TestATransactionThatTakesTooLongEndsByItself(t *testing.T) {
	t.Parallel()
	s := newInstallation(t).open(t, Options{})
	s.limit = 300 * time.Millisecond
	// The server's own limit, which counts where this process is stopped.
	var state string
	err := s.transaction(t.Context(), s.opening(id.User{}), func(_ context.Context, p *pipe) error {
		_, err := p.Exec(t.Context(), "SELECT pg_sleep(30)")
		state = sqlState(err)
		return err
	})
	if err == nil || state != "57014" {
		t.Errorf("a statement without end = %v (%s), want that the server ended it", err, state)
	}
	if f, is := mail.AsFault(err); !is || f.Class != mail.Transient {
		t.Errorf("error = %v, want a transient fault", err)
	}
	s.limit = time.Minute
	ok(t, s.Ping(t.Context()))
}

func TestAPoolWithoutAConnectionLeftSaysSo(t *testing.T) {
	t.Parallel()
	s := newInstallation(t).openWith(t, "pool_max_conns=1")
	s.limit = 300 * time.Millisecond
	held, err := s.pool.Acquire(t.Context())
	ok(t, err)
	err = s.Ping(t.Context())
	held.Release()
	s.limit = time.Minute
	if f, is := mail.AsFault(err); !is || f.Code != "database_busy" || f.Class != mail.Transient {
		t.Errorf("error = %v, want database_busy", err)
	}
	ok(t, s.Ping(t.Context()))
}
