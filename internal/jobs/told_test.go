package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// startWith starts a queue that tells and bills.
func (w *world) startWith(t *testing.T, notices func(context.Context) error, billing Billing) {
	t.Helper()
	db, err := w.store.Jobs(t.Context())
	ok(t, err)
	q, err := Start(t.Context(), Options{DB: db, Store: w.store, Keys: w.keys, Google: w.google, Users: w.users, Log: nobody, Keep: 90 * day, Notices: notices, Billing: billing})
	ok(t, err)
	t.Cleanup(func() { ok(t, q.Stop(context.Background())) })
}

// TestWhatComesWhileAJobRunsIsNotLeftForLater: who is to be looked at after the
// job that runs has looked gets another one.
func TestWhatComesWhileAJobRunsIsNotLeftForLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.granted(t, "ann")
	runs, looked, goOn := atomic.Int32{}, make(chan struct{}, 10), make(chan struct{})
	w.startWith(t, func(ctx context.Context) error {
		due, err := w.store.Watched(ctx, time.Now(), 10)
		if err != nil {
			return err
		}
		for _, d := range due {
			if err := w.store.Rewatch(ctx, d, time.Time{}); err != nil {
				return err
			}
			runs.Add(1)
		}
		looked <- struct{}{}
		<-goOn
		return nil
	}, nil)
	<-looked
	before := runs.Load()
	ok(t, w.store.Watch(t.Context(), u)) // while it runs
	time.Sleep(100 * time.Millisecond)   // the queue has heard of it
	close(goOn)
	within(t, 20*time.Second, "another look", func() bool { return runs.Load() > before })
}

// fakeBilling is down for so many calls.
type fakeBilling struct {
	down      atomic.Int32
	cancelled atomic.Pointer[string]
	runs      atomic.Int32
}

func (b *fakeBilling) Run(context.Context) error { b.runs.Add(1); return nil }

func (b *fakeBilling) Cancel(_ context.Context, customer vault.Secret) error {
	if b.down.Add(-1) >= 0 {
		return errAway
	}
	c := customer.RevealString()
	b.cancelled.Store(&c)
	return nil
}

// TestStripeIsToldOfADeletion, however often it is away, and the receipt says so.
func TestStripeIsToldOfADeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.granted(t, "ann")
	ok(t, w.store.LinkCustomer(t.Context(), u, "cus_1"))
	r, err := w.store.WipeUser(t.Context(), u)
	ok(t, err)
	b := &fakeBilling{}
	b.down.Store(2)
	w.startWith(t, nil, b)
	within(t, 20*time.Second, "telling Stripe", func() bool {
		r, err := w.store.Receipt(t.Context(), r.ID)
		ok(t, err)
		return r.Outside[account.StripeCancel] == account.Done
	})
	if c := b.cancelled.Load(); c == nil || *c != "cus_1" {
		t.Errorf("cancelled %v", c)
	}
	within(t, 20*time.Second, "asking about everybody", func() bool { return b.runs.Load() > 0 })
}

// TestACancellationIsKeptWhileBillingIsOff: somebody would go on paying.
func TestACancellationIsKeptWhileBillingIsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.granted(t, "ann")
	ok(t, w.store.LinkCustomer(t.Context(), u, "cus_1"))
	r, err := w.store.WipeUser(t.Context(), u)
	ok(t, err)
	if err := w.work.cancel(t.Context(), r.ID, account.StripeCancel); !errors.Is(err, errNoBilling) {
		t.Errorf("cancel = %v, want %v", err, errNoBilling)
	}
	b := &fakeBilling{}
	w.work.billing = b
	ok(t, w.work.cancel(t.Context(), r.ID, account.StripeCancel))
	ok(t, w.work.cancel(t.Context(), r.ID, account.StripeCancel)) // done
}
