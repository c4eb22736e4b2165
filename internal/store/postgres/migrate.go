package postgres

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/migrations"
)

//go:embed sql/grants.sql
var grantsSQL string

// latest is the schema of this release.
var latest = func() int {
	names, err := fs.Glob(migrations.Postgres(), "*.sql")
	if err != nil || len(names) == 0 {
		panic("postgres: no migrations")
	}
	return len(names)
}()

// Step is one migration that was done.
type Step struct {
	Name string
	Took time.Duration
}

// Migrate brings the database at admin to this release, as the role that owns the
// tables or will, and lets the role of the service's URL use them. Each step is one
// transaction with the note that it was done: whatever ends it half-way, it may be
// run again. Two at once wait for each other.
func Migrate(ctx context.Context, admin, service vault.Secret) (done []Step, err error) {
	to, err := poolConfig(service, "SMTPSYNC_DATABASE_URL")
	if err != nil {
		return nil, err
	}
	from, err := poolConfig(admin, "SMTPSYNC_DATABASE_ADMIN_URL")
	if err != nil {
		return nil, err
	}
	a, b := from.ConnConfig, to.ConnConfig
	if a.User == b.User {
		return nil, &mail.Fault{Class: mail.Setup, Code: "database_role", Text: "SMTPSYNC_DATABASE_URL and SMTPSYNC_DATABASE_ADMIN_URL name one role, so nothing would keep users apart",
			Help: "make a role for the service (CREATE ROLE … LOGIN) and name it in SMTPSYNC_DATABASE_URL"}
	}
	pool, err := pgxpool.NewWithConfig(ctx, from)
	if err != nil {
		return nil, fault(err)
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	if done, err = up(ctx, db); err != nil {
		return done, err
	}
	return done, grant(ctx, db, b.User)
}

func up(ctx context.Context, db *sql.DB) (done []Step, err error) {
	if err := db.PingContext(ctx); err != nil {
		return nil, fault(err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Postgres(), goose.WithLogger(goose.NopLogger()), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, err
	}
	if at, err := p.GetDBVersion(ctx); err != nil {
		return nil, fault(err)
	} else if at > int64(latest) {
		return nil, newer(at)
	}
	results, err := p.Up(ctx)
	for _, r := range results {
		done = append(done, Step{Name: strings.TrimSuffix(r.Source.Path, ".sql"), Took: r.Duration})
	}
	if err != nil {
		step := ""
		if partial, is := errors.AsType[*goose.PartialError](err); is {
			for _, r := range partial.Applied {
				done = append(done, Step{Name: strings.TrimSuffix(r.Source.Path, ".sql"), Took: r.Duration})
			}
			step = " at " + partial.Failed.Source.Path
		}
		if _, known := mail.AsFault(err); known || errors.Is(err, context.Canceled) {
			return done, err
		}
		return done, &mail.Fault{Class: mail.Setup, Code: "migration", Text: fmt.Sprintf("the migration stopped%s (%s)", step, reason(err)),
			Help: "nothing of that step was done; run smtp-sync migrate again when its cause is gone", Err: err}
	}
	return done, nil
}

// reason is an SQLSTATE, or that there was none.
func reason(err error) string {
	if code := sqlState(err); code != "" {
		return code
	}
	return "the connection ended"
}

// grant gives the service's role what it needs.
func grant(ctx context.Context, db *sql.DB, service string) error {
	var exists bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)", service).Scan(&exists); err != nil {
		return fault(err)
	}
	if !exists {
		return &mail.Fault{Class: mail.Setup, Code: "database_role", Text: "the role of SMTPSYNC_DATABASE_URL, " + service + ", does not exist",
			Help: "make it with CREATE ROLE … LOGIN PASSWORD '…', then run smtp-sync migrate again"}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fault(err)
	}
	_, err = tx.ExecContext(ctx, "SELECT set_config('app.service', $1, true)", service)
	if err == nil {
		_, err = tx.ExecContext(ctx, grantsSQL)
	}
	if err == nil {
		return fault(tx.Commit())
	}
	return fault(errors.Join(err, tx.Rollback()))
}
