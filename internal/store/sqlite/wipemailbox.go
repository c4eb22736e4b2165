package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

// WipeMailbox destroys a mailbox with its credential, its ledger and its audit
// lines. Its salt goes first: without it the ledger's keys mean nothing. Then
// the rows, and with the page key of its user's database what a copy of that
// would tell. Whoever holds its ledger is fenced.
func (s *Store) WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Receipt, error) {
	w := &wipe{Receipt: newReceipt(account.OfMailbox), user: user, box: box}
	err := s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			n, err := u.q.MailboxNumber(ctx, box[:])
			if err != nil {
				return none(err)
			}
			c, err := u.q.CountMailboxRows(ctx, n)
			w.Rows = map[string]int64{"mailboxes": c.Mailboxes, "schedule": c.Schedule, "entries": c.Entries,
				"totals": c.Totals, "claims": c.Claims, "audit": c.Audit, "rule_mailboxes": c.RuleMailboxes,
				"consents": c.Consents, "incidents": c.Incidents, "notice_mailboxes": c.NoticeMailboxes}
			return err
		})
	})
	if err == nil {
		err = s.begin(ctx, w)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	return s.wipeMailbox(context.WithoutCancel(ctx), w)
}

func (s *Store) wipeMailbox(ctx context.Context, w *wipe) (account.Receipt, error) {
	err := s.inUser(ctx, w.user, func(u *userDB) error {
		if err := s.keys.DestroySalt(ctx, w.user, w.box); err != nil {
			return err
		}
		u.boxes.forget(w.box)
		w.At, w.KeyDestroyed = time.Now(), true
		if err := s.at(stepKey); err != nil {
			return err
		}
		err := u.write(ctx, func() error {
			return u.alone(func() error { return u.wipeRows(w) })
		})
		if err == nil {
			err = u.scrub(ctx)
		}
		if err == nil {
			err = s.at(stepRows)
		}
		if err == nil {
			err = s.turn(ctx, w.user, u)
		}
		return err
	})
	if err != nil {
		return account.Receipt{}, err
	}
	// The wheel's row comes last: as long as it is there, what a crash leaves is
	// found by Load.
	s.marks.forget(w.box)
	return s.keepReceipt(ctx, w, func() error {
		n, err := s.q.Unregister(context.Background(), systemdb.UnregisterParams{UserID: w.user[:], MailboxID: w.box[:]})
		w.gone("wheel", n)
		return err
	})
}

// wipeRows takes the rows of a mailbox away; there may be none any more.
func (u *userDB) wipeRows(w *wipe) error {
	n, err := u.q.MailboxNumber(context.Background(), w.box[:])
	if err = none(err); errors.Is(err, account.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, step := range []struct {
		table string
		wipe  func(context.Context, int64) (int64, error)
	}{
		{"claims", u.q.WipeClaims}, {"entries", u.q.WipeEntries}, {"audit", u.q.WipeAudit}, {"schedule", u.q.WipeSchedule},
		{"totals", u.q.WipeTotals}, {"rule_mailboxes", u.q.WipeRuleMailboxes}, {"consents", u.q.WipeConsents},
		{"incidents", u.q.WipeIncidents}, {"notice_mailboxes", u.q.WipeNoticeMailboxes}, {"mailboxes", u.q.WipeMailbox},
	} {
		gone, err := step.wipe(context.Background(), n)
		if err != nil {
			return err
		}
		w.gone(step.table, gone)
	}
	return nil
}
