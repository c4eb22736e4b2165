package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/vault/pgshelf"
)

// keystore is the keys of the installation, as a command has opened them.
type keystore struct {
	*vault.Store
	place config.Keystore
	file  string // that holds the master keys; "": the configuration does
	close func()
}

// openKeys opens the master keys and the key store. With make, what a new
// installation on SQLite has not yet is made.
func (a *app) openKeys(ctx context.Context, cfg *config.Config, make bool) (*keystore, error) {
	place, err := cfg.Keystore()
	if err != nil {
		return nil, err
	}
	k := &keystore{place: place, close: func() {}}
	masters := cfg.MasterKey
	// A list in the environment stays as it is for as long as the process runs;
	// one in a file may have changed.
	load := func() (*vault.MasterKeys, error) {
		again, err := config.Load(a.env, a.file)
		if err != nil || again.MasterKey == nil {
			return masters, err
		}
		return again.MasterKey, nil
	}
	if masters == nil {
		dir, err := cfg.Store()
		if err != nil {
			return nil, err
		}
		k.file = filepath.Join(dir, "master.key")
		load = func() (*vault.MasterKeys, error) { return vault.LoadFile(k.file) }
		if make {
			masters, err = vault.LoadOrCreateFile(k.file)
		} else if masters, err = load(); errors.Is(err, fs.ErrNotExist) {
			err = usageError{fmt.Errorf("%s is missing: nothing was ever kept here, or SMTPSYNC_DATABASE_URL names another directory", k.file)}
		}
		if err != nil {
			return nil, err
		}
	}
	var shelf vault.Shelf
	if place.Dir != "" {
		shelf, err = vault.OpenDir(place.Dir)
	} else {
		var s *pgshelf.Shelf
		if s, err = pgshelf.Open(ctx, place.Database, pgshelf.Options{Inside: place.Inside}); err == nil {
			shelf, k.close = s, s.Close
		}
	}
	if err != nil {
		return nil, err
	}
	k.Store = vault.NewStore(shelf, masters)
	k.Follow(load)
	return k, nil
}

// mastersAt says where the operator finds the master keys.
func (k *keystore) mastersAt() string {
	if k.file != "" {
		return k.file
	}
	return "SMTPSYNC_MASTER_KEY"
}

// at says where the keys live.
func (k *keystore) at() string {
	switch {
	case k.place.Dir != "":
		return "in the directory " + k.place.Dir
	case k.place.Inside:
		return "inside the store's database"
	}
	return "in the database of SMTPSYNC_KEYSTORE_URL"
}

// standing says how many keys lie under each master key, newest first, and
// which of the older ones has served its time. tell is given each line and
// whether somebody has to do something.
func (k *keystore) standing(count map[string]int, tell func(line string, todo bool)) {
	for i, master := range k.MasterIDs() {
		switch n := count[master]; {
		case i == 0:
			tell(fmt.Sprintf("%d keys lie under the newest master key, %s", n, master), false)
		case n > 0:
			tell(fmt.Sprintf("%d keys lie under master key %s: keep it, and run smtp-sync keys rotate", n, master), true)
		default:
			tell(fmt.Sprintf("nothing lies under master key %s any more: it may be taken out of %s, and kept only for backups of the keys from before", master, k.mastersAt()), true)
		}
		delete(count, master)
	}
	for master, n := range count {
		tell(fmt.Sprintf("%d keys lie under master key %s, which is not among those given: add it to the end of %s", n, master, k.mastersAt()), true)
	}
}

// history says how long a key that a wipe has destroyed can be brought back.
func (k *keystore) history() (verdict, line string) {
	const outside = "what is wiped cannot be read in any copy of the data, from whenever it is"
	switch {
	case k.place.History > 0 && k.place.Shared:
		return "note", fmt.Sprintf("the history that brings the store back brings its keys back as well: a wiped user can be read again for %s. "+
			"Set SMTPSYNC_KEYSTORE_URL to a database with a history of its own, or SMTPSYNC_KEYSTORE_HISTORY to how far back this one goes; receipts name the day", days(k.place.History))
	case k.place.History > 0:
		return "note", fmt.Sprintf("a destroyed key can be brought back for %s where the keys live, and receipts name the day", days(k.place.History))
	case k.place.Shared:
		return "note", outside + ", except one that has " + k.place.Dir + " from before the wipe in it: keep that directory out of snapshots and backups, or set SMTPSYNC_KEYSTORE_HISTORY to how long they are kept"
	}
	return "ok", outside + ". Copies of the key store are not among these: keep none, or set SMTPSYNC_KEYSTORE_HISTORY to how long"
}

func days(d time.Duration) string {
	if d >= 24*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
