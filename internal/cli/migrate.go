package cli

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres"
	"github.com/smtp-sync/smtp-sync/internal/vault/pgshelf"
)

type migrateCmd struct{}

// Run brings the store to this release, one line a step, and the key store where
// that is a database of its own.
func (migrateCmd) Run(a *app) error {
	cfg, err := a.config("migrate")
	if err != nil {
		return err
	}
	place, err := cfg.Keystore()
	if err != nil {
		return err
	}
	if place.Dir == "" && !place.Inside {
		if err := pgshelf.Migrate(a.ctx, place.Database); err != nil {
			return err
		}
		a.printf("the key store's database is of this release\n")
		if !cfg.Postgres() {
			return nil // serve and sync bring a directory to their release, with the keys that they are given
		}
	}
	if !cfg.Postgres() {
		return a.migrateDirectory(cfg)
	}
	done, err := postgres.Migrate(a.ctx, cfg.DatabaseAdminURL, cfg.DatabaseURL)
	for _, step := range done {
		a.printf("%s: done in %v\n", step.Name, step.Took.Round(time.Millisecond))
	}
	if err == nil {
		a.printf("the database is of this release\n")
	}
	return err
}

// migrateDirectory opens the store, which brings it to this release; users'
// databases follow when they are next opened.
func (a *app) migrateDirectory(cfg *config.Config) error {
	p := &parts{cfg: cfg}
	if err := p.openStore(a, exclusive); err != nil {
		return err
	}
	if err := p.store.Close(); err != nil {
		return err
	}
	a.printf("the data directory is of this release\n")
	return nil
}
