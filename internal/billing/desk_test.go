package billing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/billing/stripetest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestWhatIsNotStripesIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.enrolled()
	w.stripe.Subscribe(customer, "price_pro", "active", time.Now())
	e := w.stripe.Events()[1]
	now := time.Now()
	forged := bytes.Replace(e.Body, []byte(customer), []byte("cus_other"), 1)
	for name, c := range map[string]struct {
		body      []byte
		signature string
		want      int
	}{
		"signed":                      {e.Body, stripetest.Sign(e.Body, newSecret, now), 200},
		"with the secret of before":   {e.Body, stripetest.Sign(e.Body, oldSecret, now), 200},
		"again":                       {e.Body, stripetest.Sign(e.Body, newSecret, now.Add(time.Second)), 200},
		"with another secret":         {e.Body, stripetest.Sign(e.Body, "whsec_other", now), 400},
		"changed":                     {forged, stripetest.Sign(e.Body, newSecret, now), 400},
		"with a blank more":           {append(slices.Clone(e.Body), ' '), stripetest.Sign(e.Body, newSecret, now), 400},
		"replayed":                    {e.Body, stripetest.Sign(e.Body, newSecret, now.Add(-6*time.Minute)), 400},
		"not signed":                  {e.Body, "", 400},
		"signed in an older scheme":   {e.Body, strings.Replace(stripetest.Sign(e.Body, newSecret, now), "v1=", "v0=", 1), 400},
		"nonsense":                    {e.Body, "t=x,v1=y", 400},
		"signed, but no event":        {[]byte("[]"), stripetest.Sign([]byte("[]"), newSecret, now), 400},
		"signed, of another kind":     {[]byte(`{"id":"evt_x","type":"charge.refunded","data":{"object":{"customer":"` + customer + `"}}}`), "", 200},
		"signed, about nobody here":   {[]byte(`{"id":"evt_y","type":"invoice.paid","data":{"object":{"customer":"cus_stranger"}}}`), "", 200},
		"signed, with a whole object": {[]byte(`{"id":"evt_z","type":"invoice.paid","data":{"object":{"customer":{"id":"` + customer + `"}}}}`), "", 200},
	} {
		signature := c.signature
		if strings.HasPrefix(name, "signed,") && signature == "" {
			signature = stripetest.Sign(c.body, newSecret, now)
		}
		status, err := w.desk.Deliver(t.Context(), c.body, signature)
		if status != c.want || (status != 200) != (err != nil) {
			t.Errorf("%s: %d, %v, want %d", name, status, err, c.want)
		}
	}
	ok(t, w.desk.Run(t.Context()))
	if e := w.entitled(); e.Plan != plan.Pro {
		t.Errorf("entitled: %+v", e)
	}
}

func TestOnlyAForgedEventComesAndNothingHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stripe.Subscribe(w.enrolled(), "price_pro", "active", time.Now())
	e := w.stripe.Events()[1]
	before := len(w.stripe.Requests)
	if status, _ := w.desk.Deliver(t.Context(), e.Body, stripetest.Sign(e.Body, "whsec_other", time.Now())); status != 400 {
		t.Errorf("status = %d", status)
	}
	ok(t, w.desk.Run(t.Context()))
	if len(w.stripe.Requests) != before || w.entitled().Plan != plan.Free {
		t.Error("somebody's word was taken for Stripe's")
	}
}

func TestARepeatedEventIsFetchedForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stripe.Subscribe(w.enrolled(), "price_plus", "active", time.Now())
	before := len(w.stripe.Requests)
	for range 5 {
		w.deliver(w.stripe.Events()[1])
		ok(t, w.desk.Run(t.Context()))
	}
	if n := len(w.stripe.Requests) - before; n != 1 {
		t.Errorf("requests = %d, want 1", n)
	}
}

func TestStripeIsDownForADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stripe.Subscribe(w.enrolled(), "price_plus", "active", time.Now())
	w.deliver(w.stripe.Events()[1])
	w.stripe.Down(100)
	for range 3 {
		if err := w.desk.Run(t.Context()); mail.ClassOf(err) != mail.Transient || err == nil {
			t.Errorf("run = %v, want it tried again", err)
		}
	}
	if _, err := w.desk.Checkout(t.Context(), w.user, plan.Pro); mail.ClassOf(err) != mail.Transient || err == nil {
		t.Errorf("checkout = %v, want words for its user", err)
	}
	w.stripe.Down(0)
	ok(t, w.desk.Run(t.Context()))
	if e := w.entitled(); e.Plan != plan.Plus {
		t.Errorf("entitled: %+v", e)
	}
}

func TestTheEndOfAGraceNeedsNoEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.enrolled()
	sub := w.stripe.Subscribe(customer, "price_plus", "active", time.Now())
	late(plan.Grace-2*time.Second)(w, customer, sub)
	w.deliver(w.stripe.Events()[1])
	ok(t, w.desk.Run(t.Context()))
	if e := w.entitled(); e.Stopped {
		t.Fatalf("entitled: %+v, want the grace", e)
	}
	applied := w.applied
	for deadline := time.Now().Add(30 * time.Second); w.applied == applied; time.Sleep(100 * time.Millisecond) {
		ok(t, w.desk.Run(t.Context()))
		if time.Now().After(deadline) {
			t.Fatal("nothing happens when the grace is over")
		}
	}
	if e := w.entitled(); !e.Stopped {
		t.Errorf("entitled: %+v, want it stopped", e)
	}
}

func TestCheckoutAndPortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.desk.Portal(t.Context(), w.user); !errors.Is(err, account.ErrNone) {
		t.Errorf("portal of nobody's customer = %v", err)
	}
	for range 2 { // pressed twice
		address, err := w.desk.Checkout(t.Context(), w.user, plan.Pro)
		if ok(t, err); address != "https://checkout.stripe.com/c/pay/cs_1" {
			t.Errorf("checkout = %q", address)
		}
	}
	if c := w.stripe.Customers(); len(c) != 1 {
		t.Errorf("customers = %v, want one", c)
	}
	address, err := w.desk.Portal(t.Context(), w.user)
	if ok(t, err); address != "https://billing.stripe.com/p/session/1" {
		t.Errorf("portal = %q", address)
	}
	w.stripe.Subscribe(w.stripe.Customers()[0], "price_pro", "active", time.Now())
	w.deliver(w.stripe.Events()[1])
	ok(t, w.desk.Run(t.Context()))
	for _, p := range []plan.Plan{plan.Pro, plan.Free, "gold"} {
		if _, err := w.desk.Checkout(t.Context(), w.user, p); mail.ClassOf(err) != mail.Setup {
			t.Errorf("checkout of %s = %v, want a refusal", p, err)
		}
	}
	o := w.options(w.stripe.URL)
	o.Key = vault.NewSecret("sk_test_wrong")
	if _, err := New(o).Portal(t.Context(), w.user); mail.ClassOf(err) != mail.Setup || strings.Contains(fmt.Sprint(err), "sk_test") {
		t.Errorf("with a wrong key: %v", err)
	}
}

// TestAWipedUserIsCancelledAtStripe: by an errand that outlives him, and whose
// receipt says so.
func TestAWipedUserIsCancelledAtStripe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.stripe.Subscribe(w.enrolled(), "price_pro", "active", time.Now())
	r, err := w.store.WipeUser(t.Context(), w.user)
	ok(t, err)
	if r.Outside[account.StripeCancel] != account.Pending {
		t.Errorf("receipt: %v", r.Outside)
	}
	errands, err := w.store.Errands(t.Context())
	ok(t, err)
	if len(errands) != 1 || errands[0].What != account.StripeCancel {
		t.Fatalf("errands = %+v", errands)
	}
	w.stripe.Down(100)
	if err := w.desk.Cancel(t.Context(), errands[0].Secret); err == nil {
		t.Error("it was told although Stripe is down")
	}
	w.stripe.Down(0)
	for range 2 { // a crash came before it was noted
		ok(t, w.desk.Cancel(t.Context(), errands[0].Secret))
	}
	cancelled := slices.ContainsFunc(w.stripe.Events(), func(e stripetest.Event) bool {
		return e.Type == "customer.subscription.deleted" && bytes.Contains(e.Body, []byte(sub))
	})
	if !cancelled || len(w.stripe.Customers()) != 0 {
		t.Errorf("cancelled: %v, customers left: %v", cancelled, w.stripe.Customers())
	}
	for _, e := range w.stripe.Events() { // what Stripe tells of it later is about nobody
		w.deliver(e)
	}
	ok(t, w.desk.Run(t.Context()))
}

// Of several subscriptions the one counts that entitles to most now, in whatever
// order Stripe lists them.
func TestTheBestSubscriptionIsProjected(t *testing.T) {
	t.Parallel()
	now := time.Now()
	one := func(id, price string, status stripe.SubscriptionStatus, invoiced time.Time) *stripe.Subscription {
		return &stripe.Subscription{ID: id, Status: status, LatestInvoice: &stripe.Invoice{Created: invoiced.Unix()},
			Items: &stripe.SubscriptionItemList{Data: []*stripe.SubscriptionItem{{Price: &stripe.Price{ID: price}}}}}
	}
	all := []*stripe.Subscription{
		one("sub_1", "price_pro", "canceled", now), one("sub_2", "price_plus", "active", now), one("sub_3", "price_pro", "incomplete", now),
		one("sub_4", "price_other", "active", now), one("sub_5", "price_pro", "past_due", now.Add(-8*24*time.Hour)),
	}
	for i := range all {
		order := slices.Concat(all[i:], all[:i])
		if got := project(order, prices, now); got.ID != "sub_2" || got.Plan != plan.Plus {
			t.Errorf("from %s on: %+v", order[0].ID, got)
		}
	}
	all[4] = one("sub_5", "price_pro", "past_due", now.Add(-time.Hour)) // within its grace
	if got := project(all, prices, now); got.ID != "sub_5" {
		t.Errorf("within the grace: %+v", got)
	}
	if got := project(nil, prices, now); got != (plan.Subscription{}) {
		t.Errorf("of none: %+v", got)
	}
}
