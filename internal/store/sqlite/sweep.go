package sqlite

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// Dropping what has expired means opening a user's database, and there may be a
// million. So the system database knows when each was swept last: who sweeps
// asks for those of whom that is longest ago, marks them, and goes on there
// whenever it is asked again, after a crash too.

// CountUsers tells how many there are.
func (s *Store) CountUsers(ctx context.Context) (n int64, err error) {
	err = s.system.read(ctx, func(ctx context.Context) (err error) {
		n, err = s.q.CountUsers(ctx)
		return err
	})
	return n, err
}

// ToSweep gives up to most users who were not swept since a time, who has waited
// longest first.
func (s *Store) ToSweep(ctx context.Context, since time.Time, most int) (users []id.User, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		rows, err := s.q.UsersToSweep(ctx, systemdb.UsersToSweepParams{Before: since.Unix(), Most: int64(most)})
		for _, r := range rows {
			users = append(users, id.User(r))
		}
		return err
	})
	return users, err
}

// Swept marks users as swept now.
func (s *Store) Swept(ctx context.Context, users []id.User) error {
	at := time.Now().Unix()
	return s.system.write(ctx, func() error {
		for _, u := range users {
			if err := s.q.MarkSwept(context.Background(), systemdb.MarkSweptParams{At: at, ID: u[:]}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sweep drops what has expired of a user: audit lines from before some time, and
// requests from a day ago. It may be repeated.
func (s *Store) Sweep(ctx context.Context, user id.User, before time.Time) error {
	return noUser(s.users.aside(ctx, user, func(u *userDB) error {
		if _, err := u.dropAudit(ctx, before); err != nil {
			return err
		}
		return u.write(ctx, func() error {
			_, err := u.q.DropRequests(context.Background(), time.Now().Add(-session.KeepRequests).UnixNano())
			return err
		})
	}))
}

// DropAudit forgets the lines of a user's log from before some time. What they
// held is gone from the file and its WAL when this returns.
func (s *Store) DropAudit(ctx context.Context, user id.User, before time.Time) (dropped int64, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		dropped, err = u.dropAudit(ctx, before)
		return err
	})
	return dropped, err
}

// dropLines is how many lines are dropped in one transaction.
const dropLines = 2000

func (u *userDB) dropAudit(ctx context.Context, before time.Time) (dropped int64, err error) {
	low := audit.First(before)
	for n := int64(dropLines); n == dropLines; dropped += n {
		err := u.write(ctx, func() (err error) {
			n, err = u.q.DropAudit(context.Background(), userdb.DropAuditParams{Before: low[:], Most: dropLines})
			return err
		})
		if err != nil {
			return dropped, err
		}
	}
	if dropped == 0 {
		return 0, nil
	}
	return dropped, u.scrub(ctx)
}
