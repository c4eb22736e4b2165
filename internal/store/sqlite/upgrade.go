package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/smtp-sync/smtp-sync/migrations"
)

var (
	systemSchema = newSchema(migrations.SQLiteSystem())
	userSchema   = newSchema(migrations.SQLiteUser())
)

// upgrade brings a database to this release. The usual case, that there is
// nothing to do, costs one read of user_version: users' databases are opened
// often, and asking goose takes longer than opening does.
func (s schema) upgrade(ctx context.Context, db *sql.DB, path string) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case version == s.latest:
		return nil
	case version > s.latest:
		return s.newer(path, version)
	}
	// A step is given to SQLite as it stands: there are none backwards in it, and
	// goose's own reading of SQL takes 4 MB for each file.
	p, err := goose.NewProvider(goose.DialectSQLite3, db, nil, goose.WithLogger(goose.NopLogger()), goose.WithGoMigrations(s.migrations()...))
	if err != nil {
		return err
	}
	if _, err = p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	return nil
}

func (s schema) migrations() (all []*goose.Migration) {
	for i, step := range s.steps {
		run := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, step)
			return err
		}
		all = append(all, goose.NewGoMigration(int64(i+1), &goose.GoFunc{RunTx: run}, nil))
	}
	return all
}
