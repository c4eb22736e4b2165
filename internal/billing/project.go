package billing

import (
	"context"
	"errors"
	"time"

	"github.com/stripe/stripe-go/v85"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/plan"
)

const some = 100

// Run fetches every customer that is due. It stops at the first that Stripe does
// not answer for: the others would fare no better, and all stay due.
func (d *Desk) Run(ctx context.Context) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	for until := time.Now(); ; {
		due, err := d.o.Store.DueCustomers(ctx, until, some)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, one := range due {
			next, err := d.refresh(ctx, one.User)
			if err != nil && !errors.Is(err, account.ErrNone) {
				return err
			}
			if !next.IsZero() && !next.After(until) {
				next = until.Add(time.Second)
			}
			if err := d.o.Store.CustomerSeen(ctx, one, next); err != nil {
				return err
			}
		}
	}
}

// refresh brings what is kept of a user up to what Stripe has. next is when that
// changes by itself.
func (d *Desk) refresh(ctx context.Context, user id.User) (next time.Time, err error) {
	is, err := d.o.Store.Billing(ctx, user)
	if err != nil {
		return next, err
	}
	all, err := d.fetch(ctx, is.Customer)
	if err != nil {
		return next, err
	}
	now := time.Now()
	s := project(all, d.o.Prices, now)
	if s != is.Subscription {
		if err := d.o.Store.SaveSubscription(ctx, user, s); err != nil {
			return next, err
		}
		d.o.Log.Info("a subscription has changed", "user", user, "status", s.Status, "code", string(s.Plan))
	}
	// Also where nothing has changed: a grace may be over, or a crash came between.
	return plan.Entitle(s, now).Until, d.o.Apply(ctx, user)
}

// fetch gives all subscriptions of a customer, ended ones too; none where Stripe
// does not know him.
func (d *Desk) fetch(ctx context.Context, customer string) (out []*stripe.Subscription, err error) {
	params := &stripe.SubscriptionListParams{Customer: stripe.String(customer), Status: stripe.String("all")}
	params.Limit = stripe.Int64(100)
	params.AddExpand("data.latest_invoice")
	for s, err := range d.client.V1Subscriptions.List(ctx, params).All(ctx) {
		if gone(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fault(err)
		}
		out = append(out, s)
	}
	return out, nil
}

// project makes of all subscriptions of a customer the one that counts. It asks
// nothing but Stripe's state: neither what was known before nor when it came.
func project(all []*stripe.Subscription, prices map[plan.Plan]string, now time.Time) (best plan.Subscription) {
	for _, s := range all {
		one := plan.Subscription{ID: s.ID, Status: string(s.Status), Cancels: s.CancelAtPeriodEnd || s.CancelAt > 0}
		if s.Items != nil {
			for _, item := range s.Items.Data {
				if p := planOf(item, prices); p != "" {
					one.Plan, one.PeriodEnd = p, unix(item.CurrentPeriodEnd)
				}
			}
		}
		if s.Status == stripe.SubscriptionStatusPastDue || s.Status == stripe.SubscriptionStatusUnpaid {
			one.Unpaid = unpaidSince(s)
		}
		if one.Plan != "" && (best.ID == "" || one.Better(best, now)) {
			best = one
		}
	}
	return best
}

func planOf(item *stripe.SubscriptionItem, prices map[plan.Plan]string) plan.Plan {
	for _, p := range plan.Paid {
		if item.Price != nil && prices[p] != "" && item.Price.ID == prices[p] {
			return p
		}
	}
	return ""
}

// unpaidSince is when the invoice was made that is open.
func unpaidSince(s *stripe.Subscription) time.Time {
	if s.LatestInvoice != nil && s.LatestInvoice.Created > 0 {
		return unix(s.LatestInvoice.Created)
	}
	if s.Items != nil && len(s.Items.Data) > 0 && s.Items.Data[0].CurrentPeriodStart > 0 {
		return unix(s.Items.Data[0].CurrentPeriodStart)
	}
	return unix(s.Created)
}

func unix(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
