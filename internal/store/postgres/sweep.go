package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// CountUsers tells how many there are.
func (s *Store) CountUsers(ctx context.Context) (n int64, err error) {
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		n, err = q.CountUsers(ctx)
		return err
	})
	return n, err
}

// ToSweep gives up to most users who were not swept since a time, who has waited
// longest first.
func (s *Store) ToSweep(ctx context.Context, since time.Time, most int) (users []id.User, err error) {
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		rows, err := q.UsersToSweep(ctx, systemdb.UsersToSweepParams{Before: since.Unix(), Most: int32(most)})
		for _, r := range rows {
			users = append(users, id.User(r))
		}
		return err
	})
	return users, err
}

// Swept marks users as swept now.
func (s *Store) Swept(ctx context.Context, users []id.User) error {
	ids := make([][]byte, len(users))
	for i, u := range users {
		ids[i] = u[:]
	}
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		return q.MarkSwept(ctx, systemdb.MarkSweptParams{At: time.Now().Unix(), Ids: ids})
	})
}

// Sweep drops what has expired of a user: audit lines from before some time, and
// requests from a day ago. It may be repeated. Once a day it also drops the months
// of the log that were over before, and makes those that will be needed.
func (s *Store) Sweep(ctx context.Context, user id.User, before time.Time) error {
	if s.months.due() {
		if err := s.turnMonths(ctx, before); err != nil {
			return err
		}
		s.months.done()
	}
	if _, err := s.DropAudit(ctx, user, before); err != nil {
		return err
	}
	return s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		return q.DropRequests(ctx, time.Now().Add(-session.KeepRequests).UnixNano())
	})
}

// months remembers when they were turned last.
type months struct {
	mu   sync.Mutex
	last time.Time
}

func (m *months) due() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.last) >= 24*time.Hour
}

func (m *months) done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = time.Now()
}
