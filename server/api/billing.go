package api

import "time"

// Billing is how a user stands with the one who bills.
type Billing struct {
	Plan       string    `json:"plan" enum:"free,plus,pro"`
	Status     string    `json:"status,omitempty" doc:"Of the subscription, in Stripe's words."`
	Mailboxes  int       `json:"mailboxes" doc:"That are synced at most. The others are paused, and nothing of them is deleted."`
	Every      Duration  `json:"every" doc:"Between two looks at a mailbox at least."`
	Push       bool      `json:"push" doc:"A server may tell of new mail (IMAP IDLE)."`
	Stopped    bool      `json:"stopped" doc:"Nothing is synced until a missing payment is made."`
	GraceUntil time.Time `json:"grace_until,omitzero" doc:"A payment has failed: until then everything goes on."`
	PeriodEnd  time.Time `json:"period_end,omitzero"`
	Cancels    bool      `json:"cancels,omitzero" doc:"At the end of the period."`
	Customer   bool      `json:"customer" doc:"There is something to manage in the portal."`
	Offers     []Offer   `json:"offers"`
}

// Offer is what a plan includes.
type Offer struct {
	Plan      string   `json:"plan" enum:"free,plus,pro"`
	Mailboxes int      `json:"mailboxes"`
	Every     Duration `json:"every"`
	Push      bool     `json:"push"`
}

// Checkout asks for a plan.
type Checkout struct {
	Plan string `json:"plan" enum:"plus,pro"`
}

// Away is an address elsewhere, where it goes on.
type Away struct {
	URL string `json:"url"`
}
