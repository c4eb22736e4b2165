package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// WipeUser destroys everything about a user: the key, which is the point of no
// return, then files and rows. The intent is durable before, with what is to be
// told to others, so that what a crash interrupts is finished at the next start;
// it may be repeated. From that moment on nobody is signed in as this user.
func (s *Store) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	w := &wipe{Receipt: newReceipt(account.OfAccount), user: user}
	w.Rows = s.countRows(ctx, user)
	if err := s.begin(ctx, w); err != nil {
		return account.Receipt{}, err
	}
	return s.wipeUser(context.WithoutCancel(ctx), w)
}

func (s *Store) wipeUser(ctx context.Context, w *wipe) (account.Receipt, error) {
	g, err := s.Grant(ctx, w.user)
	if err = unreadable(err); err == nil && !g.RefreshToken.Empty() {
		err = s.leaveErrand(ctx, w, account.GoogleRevoke, g.RefreshToken)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	b, err := s.Billing(ctx, w.user)
	if err = unreadable(err); err == nil && b.Customer != "" {
		err = s.leaveErrand(ctx, w, account.StripeCancel, vault.NewSecret(b.Customer))
	}
	if err != nil {
		return account.Receipt{}, err
	}
	forget, closeErr := s.users.retire(w.user)
	defer forget()
	// A file that did not close well is unlinked all the same.
	if err := s.keys.DestroyUser(ctx, w.user); err != nil {
		return account.Receipt{}, errors.Join(err, closeErr)
	}
	w.At, w.KeyDestroyed = time.Now(), true
	if err := s.at(stepKey); err != nil {
		return account.Receipt{}, err
	}
	if err := remove(s.userFile(w.user)); err != nil {
		return account.Receipt{}, fault(s.userFile(w.user), err)
	}
	if err := s.at(stepRows); err != nil {
		return account.Receipt{}, err
	}
	return s.keepReceipt(ctx, w, func() error { return s.wipeSystemRows(w) })
}

// unreadable passes over that there is nothing, and that what there is cannot be
// read any more: it cannot be told.
func unreadable(err error) error {
	if f, ok := mail.AsFault(err); ok && f.Class == mail.Transient {
		return err
	}
	return nil
}

// wipeSystemRows takes a user out of the system database. It is part of a
// transaction.
func (s *Store) wipeSystemRows(w *wipe) error {
	if err := s.q.EndWipesOfUser(context.Background(), w.user[:]); err != nil {
		return err
	}
	for _, step := range []struct {
		table string
		wipe  func(context.Context, []byte) (int64, error)
	}{
		{"sessions", s.q.DeleteUserSessions}, {"tokens", s.q.DeleteUserTokens},
		{"grant_marks", s.q.DeleteUserMarks}, {"signals", s.q.DeleteUserSignals},
		{"quota_user_day", s.q.DeleteUserQuota}, {"watch", s.q.DeleteUserWatch},
		{"customers", s.q.DeleteUserCustomers}, {"wheel", s.q.UnregisterUser}, {"users", s.q.DeleteUser},
	} {
		gone, err := step.wipe(context.Background(), w.user[:])
		if err == nil && step.table == "users" && gone == 0 {
			err = account.ErrNone // somebody else has wiped it meanwhile
		}
		if err != nil {
			return err
		}
		w.gone(step.table, gone)
	}
	return nil
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
			rows["modules"], rows["rules"], rows["rule_mailboxes"], rows["consents"] = n.Modules, n.Rules, n.RuleMailboxes, n.Consents
			rows["told"], rows["incidents"], rows["notices"], rows["notice_mailboxes"] = n.Told, n.Incidents, n.Notices, n.NoticeMailboxes
			rows["billing"] = n.Billing
			return err
		})
	})
	return rows
}
