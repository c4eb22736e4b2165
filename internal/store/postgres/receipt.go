package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

func newReceipt(of string) account.Receipt {
	return account.Receipt{ID: account.NewReceiptID(), Of: of, At: time.Now(), Rows: map[string]int64{}}
}

// keepReceipt ends a wipe: what it takes away at last, its intent and the receipt
// are one transaction.
func (s *Store) keepReceipt(ctx context.Context, w *wipe, last func(context.Context, *userdb.Queries, *systemdb.Queries) error) (account.Receipt, error) {
	err := s.inBoth(ctx, w.user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
		if last != nil {
			if err := last(ctx, q, sys); err != nil {
				return err
			}
		}
		counts, err := json.Marshal(w.Rows)
		if err != nil {
			return err
		}
		if err := sys.EndWipe(ctx, w.ID); err != nil {
			return err
		}
		return sys.InsertReceipt(ctx, systemdb.InsertReceiptParams{ID: w.ID, Of: w.Of, At: nanos(w.At), Counts: string(counts), KeyDestroyed: w.KeyDestroyed})
	})
	if err != nil {
		return account.Receipt{}, err
	}
	return s.Receipt(ctx, w.ID)
}

// Receipt gives a receipt, or account.ErrNone.
func (s *Store) Receipt(ctx context.Context, receipt string) (r account.Receipt, err error) {
	err = s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		row, err := q.GetReceipt(ctx, receipt)
		if err != nil {
			return none(err)
		}
		r = account.Receipt{ID: row.ID, Of: row.Of, At: instant(row.At), KeyDestroyed: row.KeyDestroyed, Outside: map[string]string{}}
		if err := json.Unmarshal([]byte(row.Counts), &r.Rows); err != nil {
			return fmt.Errorf("receipt: %w", err)
		}
		errands, err := q.ErrandStates(ctx, receipt)
		for _, e := range errands {
			r.Outside[e.What] = e.State
		}
		return err
	})
	return r, err
}
