package server

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// Notices is what tells users (notify.Office).
type Notices interface {
	// Blocked tells why no mail is sent to a user; "": it is. Unblock sends it
	// again.
	Blocked(ctx context.Context, user id.User) (why string, err error)
	Unblock(ctx context.Context, user id.User) error
	// EndDigest ends the digest of whoever was sent this token; account.ErrNone.
	EndDigest(ctx context.Context, token string) error
}

// MailEvents takes what the sender of mails tells of them: what to answer, and
// why for the log. An unknown secret is 404.
type MailEvents func(ctx context.Context, secret string, body []byte) (status int, err error)

// hookRoutes are called by others, where there is something for them to tell.
func (s *Service) hookRoutes() (all []*route) {
	if s.o.Billing != nil {
		all = append(all, &route{method: "POST", path: "/webhooks/stripe", id: "stripe", tag: "service", summary: "Events of Stripe", access: anybody, rate: strange,
			doc:     "Signed in Stripe-Signature. What an event says is fetched, not believed.",
			answers: []openapi.Answer{bare(200, "Taken."), bare(400, "Not Stripe's, or too old.")}, do: plain(s.stripe)})
	}
	if s.o.MailEvents != nil {
		all = append(all, &route{method: "POST", path: "/webhooks/mailjet/{secret}", id: "mailjet", tag: "service", summary: "What became of the mails we sent", access: anybody, rate: strange,
			doc:     "Events of Mailjet: bounces and complaints end the mails to an address.",
			answers: []openapi.Answer{bare(200, "Taken.")}, do: plain(s.mailEvent)})
	}
	if s.o.Notices != nil {
		all = append(all, &route{method: "POST", path: "/notices/digest/{token}", id: "endDigest", tag: "service", summary: "No digest any more", access: anybody, rate: strange,
			doc:     "The one click of a mail program (RFC 8058); the address is in each digest.",
			answers: []openapi.Answer{bare(204, "It has ended.")}, do: plain(s.endDigest)})
	}
	return all
}

// awayRoutes lead from a page or a mail to somewhere else.
func (s *Service) awayRoutes() (all []*route) {
	if s.o.Billing != nil {
		all = append(all, formAt("/settings/billing/checkout", "checkoutForm", "Subscribe to a plan", s.checkoutForm),
			formAt("/settings/billing/portal", "portalForm", "Manage my subscription", s.portalForm))
	}
	if s.o.Notices != nil {
		all = append(all, &route{method: "GET", path: "/notices/digest/{token}", id: "digestLink", tag: "pages", summary: "Where the digest is turned off", access: anybody, rate: strange, page: true,
			answers: []openapi.Answer{bare(303, "To the settings.", "Location")}, do: plain(func(c *call) error { return seeOther(c, s.to("/settings")) })})
	}
	return all
}

func (s *Service) mailEvent(c *call) error {
	status, err := s.o.MailEvents(c.ctx, c.Params("secret"), c.Body())
	if err != nil {
		s.o.Log.Warn("events of mails not taken", "ref", c.Locals(localRequest), "status", status, "err", err)
	}
	return c.SendStatus(status)
}

func (s *Service) endDigest(c *call) error {
	if err := s.o.Notices.EndDigest(c.ctx, c.Params("token")); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// blocked tells why a user gets no mail from us.
func (s *Service) blocked(ctx context.Context, user id.User) (string, error) {
	if s.o.Notices == nil {
		return "", nil
	}
	return s.o.Notices.Blocked(ctx, user)
}
