package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

func newReceipt(of string) account.Receipt {
	return account.Receipt{ID: account.NewReceiptID(), Of: of, At: time.Now(), Rows: map[string]int64{}}
}

// keepReceipt ends a wipe: what it takes away in the system database, its intent
// and the receipt are one transaction. What was taken away is out of the file
// and its WAL when this returns.
func (s *Store) keepReceipt(ctx context.Context, w *wipe, last func() error) (account.Receipt, error) {
	err := s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			if err := last(); err != nil {
				return err
			}
			counts, err := json.Marshal(w.Rows)
			if err != nil {
				return err
			}
			if err := s.q.EndWipe(context.Background(), w.ID); err != nil {
				return err
			}
			return s.q.InsertReceipt(context.Background(), systemdb.InsertReceiptParams{
				ID: w.ID, Of: w.Of, At: nanos(w.At), Counts: string(counts), KeyDestroyed: number(w.KeyDestroyed),
			})
		})
	})
	if err == nil {
		err = s.system.scrub(ctx)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	return s.Receipt(ctx, w.ID)
}

// Receipt gives a receipt, or account.ErrNone.
func (s *Store) Receipt(ctx context.Context, receipt string) (r account.Receipt, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		row, err := s.q.GetReceipt(ctx, receipt)
		if err != nil {
			return none(err)
		}
		r = account.Receipt{ID: row.ID, Of: row.Of, At: instant(row.At), KeyDestroyed: row.KeyDestroyed != 0, Outside: map[string]string{}}
		if err := json.Unmarshal([]byte(row.Counts), &r.Rows); err != nil {
			return fmt.Errorf("receipt: %w", err)
		}
		errands, err := s.q.ErrandStates(ctx, receipt)
		for _, e := range errands {
			r.Outside[e.What] = e.State
		}
		return err
	})
	return r, err
}
