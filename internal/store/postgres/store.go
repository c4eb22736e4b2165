package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Options of a store. The zero value works.
type Options struct {
	// Limit is how long a transaction may take, zero: 10 s. It stays under the
	// lease by which nodes own their users.
	Limit time.Duration
	// Observe, if any, is told of each shared transaction how long it took and of
	// how many writes it was. It must not block.
	Observe func(took time.Duration, writes int)
	// Written, if any, is told of each audit line that a ledger has committed.
	// It must not block.
	Written func(user id.User, line audit.Entry)
}

// Store is a Postgres database, with a pool of connections as the service's
// role. It may be used by many goroutines at once.
type Store struct {
	pool       *pgxpool.Pool
	openingSQL string
	limit      time.Duration
	keys       *vault.Store
	index      *vault.SystemKeys
	people     people
	flusher    flusher
	marking    marking
	months     months
	due        chan struct{}
	step       func(string) error // a test's: see at

	observe func(time.Duration, int)
	written func(id.User, audit.Entry)
}

// Open opens the database at a URL as the service, with the keys in keys, of
// which nil are those inside the database (Shelf) under these master keys. It
// refuses a role that could see more than a user's door shows, and a database of
// another release.
func Open(ctx context.Context, at vault.Secret, keys func(*Shelf) *vault.Store, o Options) (_ *Store, err error) {
	s := &Store{limit: o.Limit, openingSQL: openingSQL, observe: o.Observe, written: o.Written, due: make(chan struct{}, 1)}
	if s.limit == 0 {
		s.limit = 10 * time.Second
	}
	if s.pool, err = connect(at, "SMTPSYNC_DATABASE_URL"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	s.people.init()
	s.flusher.init(s)
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	s.keys = keys(&Shelf{s})
	if s.index, err = s.keys.EnsureSystem(ctx); err != nil {
		return nil, err
	}
	return s, s.keepMonths(ctx)
}

// Close waits for what is under way and ends the connections. Handles on ledgers
// made from this store are of no use afterwards.
func (s *Store) Close() error {
	s.flusher.close()
	if s.pool != nil {
		s.pool.Close()
	}
	return nil
}

// Ping asks the database whether it answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		_, err := q.Ping(ctx)
		return err
	})
}

// Key gives a key of 32 octets for what names it, derived under the index key:
// it is the same on all nodes, and after a rotation of the master key.
func (s *Store) Key(what string) vault.Secret {
	k := s.index.Index("key", what)
	return vault.NewSecret(k[:])
}

// Months of the audit log that are kept ready: lines of now alone are written,
// and a service that runs for long looks again each day (Sweep).
const (
	monthsBehind = 31 * 24 * time.Hour
	monthsAhead  = 62 * 24 * time.Hour
)

// keepMonths makes the partitions of the audit log that will be needed.
func (s *Store) keepMonths(ctx context.Context) error { return s.turnMonths(ctx, time.Time{}) }

// turnMonths does so, and drops the months that were over before a time.
func (s *Store) turnMonths(ctx context.Context, before time.Time) error {
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		now := time.Now()
		_, err := q.KeepAudit(ctx, systemdb.KeepAuditParams{Since: now.Add(-monthsBehind), Until: now.Add(monthsAhead), Forget: before})
		return err
	})
}
