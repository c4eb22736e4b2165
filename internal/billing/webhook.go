package billing

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Events are what the webhook is for; what else Stripe sends is taken and
// forgotten.
var Events = []string{
	"checkout.session.completed",
	"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted", "customer.subscription.paused",
	"customer.subscription.resumed", "customer.subscription.trial_will_end",
	"invoice.paid", "invoice.payment_failed", "invoice.payment_action_required",
	"customer.deleted",
}

// remember is how long an event is known: Stripe sends it again for 3 days.
const remember = 7 * 24 * time.Hour

// Deliver takes a delivery of the webhook: its body as it came, octet for octet,
// and the Stripe-Signature. status is what to answer, err why for the log.
func (d *Desk) Deliver(ctx context.Context, body []byte, signature string) (status int, err error) {
	if err := d.verify(body, signature); err != nil {
		return http.StatusBadRequest, err
	}
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			Object struct {
				ID       string          `json:"id"`
				Object   string          `json:"object"`
				Customer json.RawMessage `json:"customer"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" {
		return http.StatusBadRequest, &mail.Fault{Class: mail.Refused, Code: "stripe_event", Text: "what is signed is no event"}
	}
	customer := customerOf(e.Data.Object.Customer)
	if e.Data.Object.Object == "customer" {
		customer = e.Data.Object.ID
	}
	if customer == "" || !slices.Contains(Events, e.Type) {
		return http.StatusOK, nil
	}
	if _, err := d.o.Store.TakeEvent(ctx, e.ID, customer, time.Now().Add(remember)); err != nil {
		return http.StatusServiceUnavailable, err // it comes again
	}
	return http.StatusOK, nil
}

// verify accepts the signature of any of the secrets: there are two while one is
// exchanged.
func (d *Desk) verify(body []byte, signature string) (err error) {
	err = webhook.ErrNoValidSignature
	for _, secret := range d.o.Hooks {
		if err = webhook.ValidatePayload(body, signature, secret.RevealString()); err == nil {
			return nil
		}
	}
	return &mail.Fault{Class: mail.Refused, Code: "stripe_signature", Text: "a delivery to the webhook is not Stripe's, or too old",
		Help: "check SMTPSYNC_STRIPE_WEBHOOK_SECRET and the clock", Err: err}
}

// customerOf reads a reference, or what it refers to.
func customerOf(raw json.RawMessage) (id string) {
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var c struct{ ID string }
	_ = json.Unmarshal(raw, &c)
	return c.ID
}
