package postgres

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// WipeMailbox destroys a mailbox with its credential, its ledger and its audit
// lines. Its salt goes first: without it all that was ever written about it is
// noise. Then the rows. Whoever holds its ledger is fenced by the mailbox's absence.
func (s *Store) WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Receipt, error) {
	w := &wipe{Receipt: newReceipt(account.OfMailbox), user: user, box: box}
	err := s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		n, err := q.MailboxNumber(ctx, box[:])
		if err != nil {
			return none(err)
		}
		c, err := q.CountMailboxRows(ctx, n)
		w.Rows = map[string]int64{"mailboxes": 1, "schedule": c.Schedule, "entries": c.Entries, "totals": c.Totals,
			"claims": c.Claims, "words": c.Words, "audit": c.Audit, "rule_mailboxes": c.RuleMailboxes}
		return err
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
	if err := s.keys.DestroySalt(ctx, w.user, w.box); err != nil {
		return account.Receipt{}, err
	}
	s.people.forget(w.user)
	w.At, w.KeyDestroyed = time.Now(), true
	if err := s.at(stepKey); err != nil {
		return account.Receipt{}, err
	}
	n := int32(0) // of a mailbox that is gone already
	err := s.once(ctx, w.user, func(ctx context.Context, q *userdb.Queries) (err error) {
		n, err = q.MailboxNumber(ctx, w.box[:])
		return unlessNone(err)
	})
	if err == nil {
		err = s.wipeLong(ctx, w, n)
	}
	if err == nil {
		err = s.at(stepRows)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	return s.keepReceipt(ctx, w, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
		// What refers to it is not made any more from here on.
		if _, err := q.LockMailbox(ctx, w.box[:]); unlessNone(err) != nil {
			return err
		}
		if err := w.mailboxRows(ctx, q, n); err != nil {
			return err
		}
		gone, err := sys.Unregister(ctx, systemdb.UnregisterParams{UserID: w.user[:], MailboxID: w.box[:]})
		w.gone("wheel", gone)
		return err
	})
}

// wipeLong empties what may be long of a mailbox, in short transactions.
func (s *Store) wipeLong(ctx context.Context, w *wipe, n int32) error {
	for _, of := range []struct {
		table string
		some  func(context.Context, *userdb.Queries) (int64, error)
	}{
		{"entries", func(ctx context.Context, q *userdb.Queries) (int64, error) {
			return q.WipeEntries(ctx, userdb.WipeEntriesParams{N: n, Most: most})
		}},
		{"audit", func(ctx context.Context, q *userdb.Queries) (int64, error) {
			return q.WipeAudit(ctx, userdb.WipeAuditParams{N: n, Most: most})
		}},
	} {
		for gone := int64(most); gone == most; {
			err := s.once(ctx, w.user, func(ctx context.Context, q *userdb.Queries) (err error) {
				gone, err = of.some(ctx, q)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// mailboxRows takes away all that is left of a mailbox. It is part of a transaction.
func (w *wipe) mailboxRows(ctx context.Context, q *userdb.Queries, n int32) error {
	for _, step := range []step{
		{"claims", ofBox(n, q.WipeClaims)}, {"words", ofBox(n, q.WipeWords)}, {"schedule", ofBox(n, q.WipeSchedule)},
		{"entries", func(ctx context.Context) (int64, error) {
			return q.WipeEntries(ctx, userdb.WipeEntriesParams{N: n, Most: all})
		}},
		{"audit", func(ctx context.Context) (int64, error) {
			return q.WipeAudit(ctx, userdb.WipeAuditParams{N: n, Most: all})
		}},
		{"totals", ofBox(n, q.WipeTotals)}, {"rule_mailboxes", ofBox(n, q.WipeRuleMailboxes)}, {"mailboxes", ofBox(n, q.WipeMailbox)},
	} {
		if err := w.take(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// all is more rows than there are left.
const all = 1 << 30
