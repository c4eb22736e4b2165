package server

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// Billing sells plans (billing.Desk).
type Billing interface {
	// Standing tells how a user stands with the one who bills, and what he may
	// use.
	Standing(ctx context.Context, user id.User) (plan.Account, plan.Entitlements, error)
	// Checkout and Portal give addresses at Stripe: where a user subscribes, and
	// where he manages that. account.ErrNone: he has never subscribed.
	Checkout(ctx context.Context, user id.User, p plan.Plan) (string, error)
	Portal(ctx context.Context, user id.User) (string, error)
	// Deliver takes a delivery of Stripe's webhook, octet for octet: what to
	// answer, and why for the log.
	Deliver(ctx context.Context, body []byte, signature string) (status int, err error)
}

// stripeHosts are where Stripe's pages are, for the policy of forms.
const stripeHosts = " https://checkout.stripe.com https://billing.stripe.com"

// billingRoutes are there when somebody bills.
func (s *Service) billingRoutes() []*route {
	if s.o.Billing == nil {
		return nil
	}
	return []*route{
		{method: "GET", path: v1 + "/billing", id: "getBilling", tag: "billing", summary: "My plan, and what it includes", access: personal, rate: reads,
			answers: []openapi.Answer{answer[api.Billing](200, "How it stands.")}, do: plain(s.getBilling)},
		{method: "POST", path: v1 + "/billing/checkout", id: "checkout", tag: "billing", summary: "Subscribe to a plan", access: personal, scope: "account:write", rate: probes,
			answers: []openapi.Answer{answer[api.Away](200, "Where it goes on, at Stripe.")}, do: reading(s.checkout)},
		{method: "POST", path: v1 + "/billing/portal", id: "portal", tag: "billing", summary: "Manage my subscription", access: personal, scope: "account:write", rate: probes,
			doc:     "Change or cancel the plan, payment, invoices.",
			answers: []openapi.Answer{answer[api.Away](200, "Where it goes on, at Stripe.")}, do: plain(s.portal)},
	}
}

func (s *Service) getBilling(c *call) error {
	b, err := s.billing(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, b)
}

func (s *Service) billing(ctx context.Context, user id.User) (api.Billing, error) {
	a, e, err := s.o.Billing.Standing(ctx, user)
	if err != nil {
		return api.Billing{}, err
	}
	b := api.Billing{Plan: string(e.Plan), Status: a.Status, Mailboxes: e.Mailboxes, Every: api.Duration(e.Every), Push: e.Push,
		Stopped: e.Stopped, GraceUntil: e.Until, Cancels: a.Cancels && e.Plan != plan.Free, Customer: a.Customer != "", Offers: []api.Offer{}}
	if e.Plan != plan.Free {
		b.PeriodEnd = a.PeriodEnd
	}
	for _, p := range append([]plan.Plan{plan.Free}, plan.Paid...) {
		o := plan.Of(p)
		b.Offers = append(b.Offers, api.Offer{Plan: string(p), Mailboxes: o.Mailboxes, Every: api.Duration(o.Every), Push: o.Push})
	}
	return b, nil
}

func (s *Service) checkout(c *call, in api.Checkout) error {
	address, err := s.o.Billing.Checkout(c.ctx, c.who.user, plan.Plan(in.Plan))
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Away{URL: address})
}

func (s *Service) portal(c *call) error {
	address, err := s.o.Billing.Portal(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Away{URL: address})
}

func (s *Service) checkoutForm(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	address, err := s.o.Billing.Checkout(c.ctx, c.who.user, plan.Plan(f.Get("plan")))
	if err != nil {
		return err
	}
	return seeOther(c, address)
}

func (s *Service) portalForm(c *call) error {
	address, err := s.o.Billing.Portal(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return seeOther(c, address)
}

func (s *Service) stripe(c *call) error {
	began := time.Now()
	status, err := s.o.Billing.Deliver(c.ctx, c.Body(), c.Get("Stripe-Signature"))
	if err != nil {
		s.o.Log.Warn("an event of Stripe's was not taken", "ref", c.Locals(localRequest), "status", status, "dur_ms", time.Since(began), "err", err)
	}
	return c.SendStatus(status)
}

// planOf is what a user has, in one word.
func (s *Service) planOf(ctx context.Context, user id.User) (string, error) {
	if s.o.Billing == nil {
		return string(plan.Free), nil
	}
	_, e, err := s.o.Billing.Standing(ctx, user)
	return string(e.Plan), err
}
