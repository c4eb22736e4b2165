package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Options of a store. The zero value is for a look beside the process that works.
type Options struct {
	Exclusive bool // take the data directory: serve, sync, demo, migrate
	Handles   int  // users' databases kept open, 0: 1,024; about 0.35 MB each
}

// Store is a data directory. It may be used by many goroutines at once.
type Store struct {
	dir    string
	keys   *vault.Store
	lock   *os.File // nil unless exclusive
	system *database
	q      *systemdb.Queries
	index  *vault.SystemKeys
	users  handles
}

// Open opens the data directory dir, which is made if need be, with the keys
// in keys. With Exclusive, wipes that a crash interrupted are finished first.
func Open(ctx context.Context, dir string, keys *vault.Store, o Options) (_ *Store, err error) {
	s := &Store{dir: dir, keys: keys}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := os.MkdirAll(filepath.Join(dir, "users"), 0o700); err != nil {
		return nil, fault(filepath.Join(dir, "users"), err)
	}
	if o.Exclusive {
		if s.lock, err = lock(dir); err != nil {
			return nil, err
		}
	}
	s.users.init(s, o.Handles)
	path := filepath.Join(dir, "system.db")
	if _, statErr := os.Stat(path); errors.Is(statErr, os.ErrNotExist) {
		s.index, err = keys.EnsureSystem(ctx)
	} else {
		s.index, err = keys.System(ctx) // fresh keys would not open it
	}
	if err != nil {
		return nil, err
	}
	if s.system, err = openDatabase(ctx, path, s.index.PageKey(), systemSchema, true); err != nil {
		return nil, err
	}
	s.q = systemdb.New(s.system.cold)
	if o.Exclusive {
		err = s.finishWipes(ctx)
	}
	return s, err
}

// Close waits for what is under way and gives the directory back. Handles on
// ledgers made from this store are of no use afterwards.
func (s *Store) Close() error {
	errs := []error{s.users.close()}
	if s.system != nil {
		errs = append(errs, s.system.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

func (s *Store) userFile(user id.User) string {
	return filepath.Join(s.dir, "users", user.String()+".db")
}

// Keys gives the hashes of one mailbox (bridge.Keys).
func (s *Store) Keys(ctx context.Context, user id.User, box id.Mailbox) (*vault.MailboxKeys, error) {
	k, err := s.keys.User(ctx, user)
	if err != nil {
		return nil, err
	}
	salt, err := s.keys.Salt(ctx, k, box)
	if err != nil {
		return nil, err
	}
	return k.MailboxKeys(salt), nil
}
