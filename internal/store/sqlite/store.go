package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Options of a store. The zero value is for a look beside the process that works.
type Options struct {
	Exclusive bool // take the data directory: serve, sync, demo, migrate
	Handles   int  // users' databases kept open, 0: 1,024; about 0.35 MB each
	// Observe, if any, is told of each transaction how long it took and of how
	// many writes it was. It must not block.
	Observe func(took time.Duration, writes int)
	// Written, if any, is told of each audit line that a ledger has committed.
	// It must not block.
	Written func(user id.User, line audit.Entry)
}

// Store is a data directory. It may be used by many goroutines at once.
type Store struct {
	dir    string
	keys   *vault.Store
	lock   *os.File // nil unless exclusive
	system *database
	// callers is the system's database again: who calls is looked up while a
	// transaction is made durable, which takes as long as the disk does.
	callers *database
	q       *systemdb.Queries
	index   *vault.SystemKeys
	users   handles

	jobs jobsFile
	due  chan struct{}

	observe func(time.Duration, int)
	step    func(string) error // a test's: see at
	written func(id.User, audit.Entry)

	making keyed // a mailbox while it is made: its row in the wheel comes first
	saving keyed // its state
	marks  marks
}

// Open opens the data directory dir, which is made if need be, with the keys
// in keys. With Exclusive, wipes that a crash interrupted are finished first.
func Open(ctx context.Context, dir string, keys *vault.Store, o Options) (_ *Store, err error) {
	s := &Store{dir: dir, keys: keys, observe: o.Observe, written: o.Written, due: make(chan struct{}, 1)}
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
	if s.callers, err = openDatabase(ctx, path, s.index.PageKey(), systemSchema, false); err != nil {
		return nil, err
	}
	s.system.observe = s.observe
	s.q = systemdb.New(s.system.cold)
	if o.Exclusive {
		err = s.finishWipes(ctx)
	}
	return s, err
}

// Close waits for what is under way and gives the directory back. Handles on
// ledgers made from this store are of no use afterwards.
func (s *Store) Close() error {
	errs := []error{s.jobs.close(), s.users.close()}
	if s.callers != nil {
		errs = append(errs, s.callers.close())
	}
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

// Key gives a key of 32 octets for what names it, derived under the index key:
// it is the same on all nodes, and after a rotation of the master key.
func (s *Store) Key(what string) vault.Secret {
	k := s.index.Index("key", what)
	return vault.NewSecret(k[:])
}

// Keys gives the hashes of one mailbox (bridge.Keys).
func (s *Store) Keys(ctx context.Context, user id.User, box id.Mailbox) (k *vault.MailboxKeys, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		keys, err := u.keysOf(ctx, box)
		if err == nil {
			k = keys.Hashes
		}
		return err
	})
	return k, err
}

// Rest drops what memory keeps of a mailbox for the next pass over it, which may
// be far away.
func (s *Store) Rest(ctx context.Context, user id.User, box id.Mailbox) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		u.boxes.forget(box)
		return nil
	})
}
