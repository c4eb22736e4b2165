package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
)

// A wipe has a row from before its first step to its receipt, so that a start
// finishes what a crash interrupted. Its steps can all be done again:
//
//	begun      who, what, and how many rows; of a user: nobody is signed in any more
//	errand     what others are still to be told, under a key of its own
//	key        the user's key or the mailbox's salt: the point of no return
//	rows       those of which there may be many
//	receipt    all other rows, that of the wipe, and the receipt
type wipe struct {
	account.Receipt
	user id.User
	box  id.Mailbox
}

// steps of a wipe, as a test that stops the world sees them.
const (
	stepBegun  = "begun"
	stepErrand = "errand"
	stepKey    = "key"
	stepRows   = "rows"
)

// at tells a test, if there is one, that a step is done.
func (s *Store) at(step string) error {
	if s.step == nil {
		return nil
	}
	return s.step(step)
}

// begin makes the intent of a wipe durable. If it was so already, it goes on
// under the first one's receipt. account.ErrNone: there is no such user.
func (s *Store) begin(ctx context.Context, w *wipe) error {
	counts, err := json.Marshal(w.Rows)
	if err != nil {
		return err
	}
	box := w.box[:]
	if w.Of != account.OfMailbox {
		box = []byte{}
	}
	var row systemdb.WipeBegunRow
	err = noReferent(s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		if _, err := q.SubjectOfAnyUser(ctx, w.user[:]); err != nil {
			return none(err)
		}
		err = q.BeginWipe(ctx, systemdb.BeginWipeParams{Receipt: w.ID, Of: w.Of, UserID: w.user[:], MailboxID: box, Counts: string(counts)})
		if err != nil {
			return err
		}
		row, err = q.WipeBegun(ctx, systemdb.WipeBegunParams{UserID: w.user[:], Of: w.Of, MailboxID: box})
		if err == nil && w.Of == account.OfAccount {
			err = noneOf(q.MarkWiping(ctx, systemdb.MarkWipingParams{Receipt: row.Receipt, ID: w.user[:]}))
		}
		return err
	}))
	if err != nil {
		return err
	}
	if err := w.resume(row.Receipt, row.Counts); err != nil {
		return err
	}
	return s.at(stepBegun)
}

// resume takes the receipt over that a wipe was begun with.
func (w *wipe) resume(receipt, counts string) error {
	w.ID, w.Rows = receipt, map[string]int64{}
	if err := json.Unmarshal([]byte(counts), &w.Rows); err != nil {
		return fmt.Errorf("wipe: %w", err)
	}
	return nil
}

// gone counts rows that were destroyed: they may have been counted before.
func (w *wipe) gone(table string, n int64) { w.Rows[table] = max(w.Rows[table], n) }

// FinishWipes finishes the wipes that a crash interrupted, and the ends of errands:
// when a process starts to work, and now and then, for those of other nodes. One
// that is under way elsewhere may be done twice.
func (s *Store) FinishWipes(ctx context.Context) error {
	var begun []systemdb.Wipe
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		begun, err = q.WipesBegun(ctx)
		return err
	})
	for _, b := range begun {
		if err != nil {
			return err
		}
		w := &wipe{Receipt: newReceipt(b.Of), user: id.User(b.UserID)}
		if err := w.resume(b.Receipt, b.Counts); err != nil {
			return err
		}
		switch b.Of {
		case account.OfMailbox:
			w.box = id.Mailbox(b.MailboxID)
			_, err = s.wipeMailbox(ctx, w)
		case account.OfGrant:
			_, err = s.wipeGrant(ctx, w)
		case account.OfAccount:
			_, err = s.wipeUser(ctx, w)
		}
		if errors.Is(err, account.ErrNone) {
			err = nil // its user is being wiped, and it with him
		}
	}
	if err == nil {
		err = s.forgetErrands(ctx)
	}
	return err
}
