package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
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
func (s *Store) WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (r account.Receipt, err error) {
	r = newReceipt(account.OfMailbox)
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
		u.boxes.forget(box)
		r.At, r.KeyDestroyed = time.Now(), true
		err = u.write(ctx, func() error {
			return u.alone(func() error { return u.wipeRows(n, r.Rows) })
		})
		if err == nil {
			err = u.scrub(ctx)
		}
		return err
	})
	if err != nil {
		return account.Receipt{}, err
	}
	// The wheel's row comes last: as long as it is there, what a crash leaves is
	// found by Load.
	s.marks.forget(box)
	return s.keepReceipt(ctx, r, func(r *account.Receipt) (err error) {
		r.Rows["wheel"], err = s.q.Unregister(context.Background(), systemdb.UnregisterParams{UserID: user[:], MailboxID: box[:]})
		return err
	})
}

func (u *userDB) wipeRows(n int64, rows map[string]int64) error {
	for _, step := range []struct {
		table string
		wipe  func(context.Context, int64) (int64, error)
	}{
		{"claims", u.q.WipeClaims}, {"entries", u.q.WipeEntries}, {"audit", u.q.WipeAudit}, {"schedule", u.q.WipeSchedule},
		{"totals", u.q.WipeTotals}, {"mailboxes", u.q.WipeMailbox},
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
// return, then files and rows. The intent is durable before, with what is to be
// told to others, so that what a crash interrupts is finished at the next start;
// it may be repeated. From that moment on nobody is signed in as this user.
func (s *Store) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	r := newReceipt(account.OfAccount)
	if err := s.markWiping(ctx, user, &r); err != nil {
		return account.Receipt{}, err
	}
	r.Rows = s.countRows(ctx, user)
	forget, closeErr := s.users.retire(user)
	defer forget()
	// A file that did not close well is unlinked all the same.
	if err := s.keys.DestroyUser(ctx, user); err != nil {
		return account.Receipt{}, errors.Join(err, closeErr)
	}
	r.At, r.KeyDestroyed = time.Now(), true
	if err := remove(s.userFile(user)); err != nil {
		return account.Receipt{}, fault(s.userFile(user), err)
	}
	return s.keepReceipt(ctx, r, func(r *account.Receipt) error {
		for _, step := range []struct {
			table string
			wipe  func(context.Context, []byte) (int64, error)
		}{
			{"sessions", s.q.DeleteUserSessions}, {"tokens", s.q.DeleteUserTokens},
			{"quota_user_day", s.q.DeleteUserQuota}, {"wheel", s.q.UnregisterUser}, {"users", s.q.DeleteUser},
		} {
			gone, err := step.wipe(context.Background(), user[:])
			if err == nil && step.table == "users" && gone == 0 {
				err = account.ErrNone // somebody else has wiped it meanwhile
			}
			if err != nil {
				return err
			}
			r.Rows[step.table] = gone
		}
		return nil
	})
}

// markWiping makes the intent of a wipe durable. If it was so already, it goes
// on under the first one's receipt.
func (s *Store) markWiping(ctx context.Context, user id.User, r *account.Receipt) error {
	g, grantErr := s.Grant(ctx, user) // what cannot be read any more cannot be told
	fresh := r.ID
	return s.system.write(ctx, func() error {
		return s.system.alone(func() (err error) {
			if grantErr == nil {
				err = s.sendErrand(fresh, user, g.RefreshToken)
			}
			if err != nil && !errors.Is(err, account.ErrNone) {
				return err
			}
			known, err := s.q.MarkWiping(context.Background(), systemdb.MarkWipingParams{Receipt: fresh, ID: user[:]})
			if err := noneOf(known, err); err != nil {
				return err
			}
			r.ID, err = s.q.WipingOn(context.Background(), user[:])
			return err
		})
	})
}

// countRows counts for the receipt; what cannot be read any more counts as nothing.
func (s *Store) countRows(ctx context.Context, user id.User) map[string]int64 {
	rows := map[string]int64{}
	_ = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			n, err := u.q.CountRows(ctx)
			rows["mailboxes"], rows["schedule"], rows["entries"], rows["totals"] = n.Mailboxes, n.Schedule, n.Entries, n.Totals
			rows["claims"], rows["audit"], rows["grants"] = n.Claims, n.Audit, n.Grants
			rows["person"], rows["profile"], rows["requests"] = n.Person, n.Profile, n.Requests
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
