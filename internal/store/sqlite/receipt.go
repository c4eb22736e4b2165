package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func newReceipt(of string) account.Receipt {
	return account.Receipt{ID: account.NewReceiptID(), Of: of, At: time.Now(), Rows: map[string]int64{}}
}

// keepReceipt ends a wipe: what it takes away in the system database and the
// receipt are one transaction. What was taken away is out of the file and its
// WAL when this returns.
func (s *Store) keepReceipt(ctx context.Context, r account.Receipt, last func(*account.Receipt) error) (account.Receipt, error) {
	err := s.system.write(context.WithoutCancel(ctx), func() error { // what is destroyed is destroyed
		return s.system.alone(func() error {
			if err := last(&r); err != nil {
				return err
			}
			counts, err := json.Marshal(r.Rows)
			if err != nil {
				return err
			}
			return s.q.InsertReceipt(context.Background(), systemdb.InsertReceiptParams{
				ID: r.ID, Of: r.Of, At: nanos(r.At), Counts: string(counts), KeyDestroyed: number(r.KeyDestroyed),
			})
		})
	})
	if err == nil {
		err = s.system.scrub(context.WithoutCancel(ctx))
	}
	if err != nil {
		return account.Receipt{}, err
	}
	return s.Receipt(context.WithoutCancel(ctx), r.ID)
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

func errandPlace(receipt, what string) vault.Place {
	return vault.Place{Table: "errands", Column: "secret", Row: receipt + " " + what}
}

// Errands gives what others are still to be told.
func (s *Store) Errands(ctx context.Context) (out []account.Errand, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		rows, err := s.q.PendingErrands(ctx)
		for _, r := range rows {
			e := account.Errand{Receipt: r.Receipt, What: r.What}
			if e.Secret, err = s.sealer.Open(errandPlace(r.Receipt, r.What), r.Secret); err != nil {
				return err
			}
			out = append(out, e)
		}
		return err
	})
	return out, err
}

// ErrandDone notes that somebody was told; account.ErrNone if that is not
// pending. The secret is gone from the file and its WAL when this returns.
func (s *Store) ErrandDone(ctx context.Context, receipt, what string) error {
	err := s.system.write(ctx, func() error {
		n, err := s.q.EndErrand(context.Background(), systemdb.EndErrandParams{Receipt: receipt, What: what})
		return noneOf(n, err)
	})
	if err == nil {
		err = s.system.scrub(ctx)
	}
	return err
}
