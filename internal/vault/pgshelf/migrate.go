package pgshelf

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/migrations"
)

const versions = "keystore_version" // goose's table

// Migrate brings a key store's database to this release. Two at once wait for
// each other, and one that was killed half-way is gone on with. It needs a
// connection of its own, so no PgBouncer in transaction mode.
func Migrate(ctx context.Context, url vault.Secret) error {
	pool, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := pool.Ping(ctx); err != nil {
		return fault("", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	alone, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Keystore(),
		goose.WithTableName(versions), goose.WithSessionLocker(alone), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	is, err := p.GetDBVersion(ctx)
	if err == nil && is > latest() {
		return newer(is)
	}
	if err == nil {
		_, err = p.Up(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate the key store: %w", err)
	}
	return nil
}

// latest is the number of steps.
func latest() int64 {
	steps, err := fs.Glob(migrations.Keystore(), "*.sql")
	if err != nil {
		panic("pgshelf: " + err.Error())
	}
	return int64(len(steps))
}

func (s *Shelf) checkVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var is int64
	err := s.pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions).Scan(&is)
	switch {
	case err != nil:
		return fault("", err)
	case is > latest():
		return newer(is)
	case is < latest():
		return unmigrated(nil)
	}
	return nil
}

func newer(is int64) error {
	return &mail.Fault{Class: mail.Setup, Code: "schema_newer",
		Text: fmt.Sprintf("the key store's database is at version %d, and this release knows %d", is, latest()), Help: "run the newer release that has been here"}
}
