package cli

import (
	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/vault/pgshelf"
)

type migrateCmd struct{}

// Run brings what lies in Postgres to this release. A SQLite store needs no
// command: serve and sync do that themselves.
func (migrateCmd) Run(a *app) error {
	cfg, err := config.Load(a.env, a.file)
	if err != nil {
		return err
	}
	if _, err := cfg.Store(); err != nil {
		return err
	}
	place, err := cfg.Keystore()
	if err != nil {
		return err
	}
	if place.Dir != "" {
		a.printf("nothing to do: serve and sync bring a SQLite store to their release by themselves\n")
		return nil
	}
	if err := pgshelf.Migrate(a.ctx, place.Database); err != nil {
		return err
	}
	a.printf("the key store's database is at this release\n")
	return nil
}
