package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// scrub empties the WAL, so that what secure_delete has overwritten in the
// database is not left there either.
func (d *database) scrub(ctx context.Context) error {
	return d.read(ctx, func(context.Context) error {
		_, _, err := d.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
		return err
	})
}

// WipeMailbox destroys a mailbox with its credential, its ledger and its audit
// lines. Its salt goes first: without it the ledger's keys mean nothing.
// Whoever holds its ledger is fenced.
func (s *Store) WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (w account.Wiped, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		var n int64
		err := u.read(ctx, func(ctx context.Context) (err error) {
			n, err = u.q.MailboxNumber(ctx, box[:])
			return none(err)
		})
		if err != nil {
			return err
		}
		if err := s.keys.DestroySalt(ctx, user, box); err != nil {
			return err
		}
		w = account.Wiped{At: time.Now(), KeyDestroyed: true, Rows: map[string]int64{}}
		err = u.write(ctx, func() error {
			return u.alone(func() error { return u.wipeRows(n, w.Rows) })
		})
		if err == nil {
			err = u.scrub(ctx)
		}
		if err != nil {
			return err
		}
		// The wheel's row comes last: as long as it is there, what a crash leaves is
		// found by Load.
		w.Rows["wheel"], err = s.unregister(ctx, user, box)
		if err == nil {
			err = s.system.scrub(ctx)
		}
		return err
	})
	return w, err
}

func (u *userDB) wipeRows(n int64, rows map[string]int64) error {
	for _, step := range []struct {
		table string
		wipe  func(context.Context, int64) (int64, error)
	}{
		{"claims", u.q.WipeClaims}, {"entries", u.q.WipeEntries}, {"audit", u.q.WipeAudit}, {"schedule", u.q.WipeSchedule},
		{"mailboxes", u.q.WipeMailbox},
	} {
		gone, err := step.wipe(context.Background(), n)
		if err != nil {
			return err
		}
		rows[step.table] = gone
	}
	return nil
}

// WipeUser destroys everything about a user: the key, which is the point of no
// return, then files and rows. The intent is durable before, so that what a
// crash interrupts is finished at the next start; it may be repeated.
func (s *Store) WipeUser(ctx context.Context, user id.User) (w account.Wiped, err error) {
	var known int64
	err = s.system.write(ctx, func() (err error) {
		known, err = s.q.MarkWiping(context.Background(), user[:])
		return err
	})
	if err == nil && known == 0 {
		err = account.ErrNone
	}
	if err != nil {
		return w, err
	}
	w.Rows = s.countRows(ctx, user)
	forget, closeErr := s.users.retire(user)
	defer forget()
	// A file that did not close well is unlinked all the same.
	if err := s.keys.DestroyUser(ctx, user); err != nil {
		return w, errors.Join(err, closeErr)
	}
	w.At, w.KeyDestroyed = time.Now(), true
	if err := remove(s.userFile(user)); err != nil {
		return w, fault(s.userFile(user), err)
	}
	err = s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			for _, step := range []struct {
				table string
				wipe  func(context.Context, []byte) (int64, error)
			}{
				{"quota_user_day", s.q.DeleteUserQuota}, {"wheel", s.q.UnregisterUser}, {"users", s.q.DeleteUser},
			} {
				gone, err := step.wipe(context.Background(), user[:])
				if err != nil {
					return err
				}
				w.Rows[step.table] = gone
			}
			return nil
		})
	})
	if err == nil {
		err = s.system.scrub(ctx)
	}
	return w, err
}

// countRows counts for the receipt; what cannot be read any more counts as nothing.
func (s *Store) countRows(ctx context.Context, user id.User) map[string]int64 {
	rows := map[string]int64{}
	_ = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			n, err := u.q.CountRows(ctx)
			rows["mailboxes"], rows["schedule"], rows["entries"] = n.Mailboxes, n.Schedule, n.Entries
			rows["claims"], rows["audit"], rows["grants"] = n.Claims, n.Audit, n.Grants
			return err
		})
	})
	return rows
}

// finishWipes finishes the wipes that a crash interrupted.
func (s *Store) finishWipes(ctx context.Context) error {
	var users [][]byte
	err := s.system.read(ctx, func(ctx context.Context) (err error) {
		users, err = s.q.Wiping(ctx)
		return err
	})
	for _, u := range users {
		if err == nil {
			_, err = s.WipeUser(ctx, id.User(u))
		}
	}
	return err
}
