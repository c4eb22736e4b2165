// Package plan says what a user may use of an installation that is paid for: one
// pure function from the state of a subscription to entitlements. It is a leaf
// and knows nothing of who bills.
//
//	Subscription + time  --Entitle-->  Entitlements  --Runs-->  which mailboxes run
//
// Nothing is deleted by a plan. Mailboxes beyond it are paused and keep their
// ledger, so that what comes meanwhile is imported once when they go on.
package plan

import (
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Plan is what somebody has subscribed to.
type Plan string

// The plans.
const (
	Free Plan = "free"
	Plus Plan = "plus"
	Pro  Plan = "pro"
)

// Paid are the plans that have a price, the smaller first.
var Paid = []Plan{Plus, Pro}

// Subscription is the state of a subscription, as it was when the one who bills
// was asked. The zero Subscription is none.
type Subscription struct {
	ID        string    `json:"id,omitempty"`
	Plan      Plan      `json:"plan,omitempty"`
	Status    string    `json:"status,omitempty"` // in Stripe's words
	PeriodEnd time.Time `json:"period_end,omitzero"`
	Cancels   bool      `json:"cancels,omitzero"` // at the end of the period
	// Unpaid is since when an invoice is open that should have been paid; zero:
	// none is.
	Unpaid time.Time `json:"unpaid_since,omitzero"`
}

// Grace is how long everything goes on when a payment has failed.
const Grace = 7 * 24 * time.Hour

// Entitlements are what a user may use. The zero Entitlements are everything,
// which is what an installation without billing gives.
type Entitlements struct {
	Plan      Plan          `json:"plan,omitempty"`
	Mailboxes int           `json:"mailboxes"`      // that are synced; 0: as many as there are
	Every     time.Duration `json:"-"`              // between two polls at least; 0: as the mailbox wants it
	Push      bool          `json:"push"`           // a server may tell of new mail; with Plan "" always
	Stopped   bool          `json:"stopped"`        // nothing is synced until it is paid
	Until     time.Time     `json:"until,omitzero"` // when this ends by itself; zero: never
}

// granted is what each plan gives. Plus has the five addresses that Gmail's own
// fetching had.
var granted = map[Plan]Entitlements{
	Free: {Plan: Free, Mailboxes: 1, Every: 30 * time.Minute},
	Plus: {Plan: Plus, Mailboxes: 5, Every: 5 * time.Minute, Push: true},
	Pro:  {Plan: Pro, Mailboxes: 25, Every: time.Minute, Push: true},
}

// Of gives what a plan includes.
func Of(p Plan) Entitlements { return granted[p] }

// Entitle gives what a subscription entitles to now.
//
//	trialing, active                    the plan
//	past_due                            the plan for Grace, then nothing runs
//	unpaid                              nothing runs
//	canceled, paused, incomplete, none  the free plan
func Entitle(s Subscription, now time.Time) Entitlements {
	paid, known := granted[s.Plan]
	if !known {
		paid = granted[Free]
	}
	switch s.Status {
	case "active", "trialing":
		return paid
	case "past_due":
		if end := s.Unpaid.Add(Grace); now.Before(end) {
			paid.Until = end
			return paid
		}
		paid.Stopped = true
		return paid
	case "unpaid":
		paid.Stopped = true
		return paid
	}
	return granted[Free]
}

// Better reports whether a subscription is the one to go by, where somebody has
// two: what entitles to more now.
func (s Subscription) Better(o Subscription, now time.Time) bool {
	rank := func(s Subscription) int {
		e := Entitle(s, now)
		n := 2 * e.Mailboxes
		if e.Stopped { // to be paid, but not the way back to the free plan
			n = 3
		}
		return n
	}
	if a, b := rank(s), rank(o); a != b {
		return a > b
	}
	return s.ID > o.ID
}

// Box is a mailbox that wants to run: its user has not paused it.
type Box struct {
	ID      id.Mailbox
	Created time.Time
}

// Runs gives the mailboxes that are synced: the oldest of those that want to,
// as many as there may be. Who wants another one pauses one of these.
func (e Entitlements) Runs(boxes []Box) map[id.Mailbox]bool {
	out := map[id.Mailbox]bool{}
	if e.Stopped {
		return out
	}
	boxes = slices.SortedFunc(slices.Values(boxes), func(a, b Box) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	for i, b := range boxes {
		if e.Mailboxes == 0 || i < e.Mailboxes {
			out[b.ID] = true
		}
	}
	return out
}

// Poll gives the pause between two polls of a mailbox that wants it to be this
// long (0: it adapts), where the installation's is def.
func (e Entitlements) Poll(wants, def time.Duration) time.Duration {
	switch {
	case e.Every == 0:
		return wants
	case wants > 0:
		return max(wants, e.Every)
	case def*2/5 >= e.Every: // it adapts down to this
		return 0
	}
	return max(def, e.Every)
}

// Account is how a user stands with the one who bills.
type Account struct {
	Customer string `json:"customer"` // his name there; it is about a person
	Subscription
}

// Due is a user whose state is to be fetched from the one who bills, and since
// when.
type Due struct {
	User id.User
	At   time.Time
}
