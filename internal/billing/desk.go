package billing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v85"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Store is where it is kept how users stand. Who is not there (any more) is
// account.ErrNone.
type Store interface {
	// TakeEvent notes, in one transaction, that an event has come and that its
	// customer is due. first is false if it was known; a customer of nobody here
	// is passed over.
	TakeEvent(ctx context.Context, event, customer string, until time.Time) (first bool, err error)
	// DueCustomers gives up to most users whose customer is due, who has waited
	// longest first.
	DueCustomers(ctx context.Context, now time.Time, most int) ([]plan.Due, error)
	// CustomerSeen sets the time of a customer anew, unless it was set meanwhile;
	// zero: when something happens.
	CustomerSeen(ctx context.Context, d plan.Due, next time.Time) error
	AllCustomersDue(ctx context.Context) error

	// Billing gives how a user stands; account.ErrNone: he is nobody's customer.
	Billing(ctx context.Context, user id.User) (plan.Account, error)
	LinkCustomer(ctx context.Context, user id.User, customer string) error
	SaveSubscription(ctx context.Context, user id.User, s plan.Subscription) error

	Person(ctx context.Context, user id.User) (account.Person, error)
}

// Options of a Desk; all are required.
type Options struct {
	Key    vault.Secret
	Hooks  []vault.Secret       // of the webhook; any of them
	APIURL string               // https://api.stripe.com
	Prices map[plan.Plan]string // Stripe's ids
	Site   string               // the public address, without a slash at its end
	Store  Store
	Log    *slog.Logger
	// Apply has the engine heed what a user may do now.
	Apply     func(ctx context.Context, user id.User) error
	Transport http.RoundTripper
}

// Desk sells plans.
type Desk struct {
	o      Options
	client *stripe.Client
	turn   sync.Mutex // one Run at a time
}

// New makes a desk.
func New(o Options) *Desk {
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(o.APIURL), HTTPClient: &http.Client{Transport: o.Transport, Timeout: 20 * time.Second},
		MaxNetworkRetries: stripe.Int64(1), EnableTelemetry: new(false),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}, // its lines hold what was sent
	})
	return &Desk{o: o, client: stripe.NewClient(o.Key.RevealString(), stripe.WithBackends(backends))}
}

// Checkout gives the address of the page where a user subscribes.
func (d *Desk) Checkout(ctx context.Context, user id.User, p plan.Plan) (string, error) {
	price := d.o.Prices[p]
	if price == "" {
		return "", &mail.Fault{Class: mail.Setup, Code: "plan_unknown", Text: "there is no such plan to subscribe to", Help: "choose plus or pro"}
	}
	a, err := d.o.Store.Billing(ctx, user)
	if err != nil && !errors.Is(err, account.ErrNone) {
		return "", err
	}
	if e := plan.Entitle(a.Subscription, time.Now()); e.Plan != plan.Free {
		return "", &mail.Fault{Class: mail.Setup, Code: "plan_subscribed", Text: "you have a plan already", Help: "change it where you manage your subscription"}
	}
	customer := a.Customer
	if customer == "" {
		if customer, err = d.enrol(ctx, user); err != nil {
			return "", err
		}
	}
	params := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("subscription"), Customer: stripe.String(customer), ClientReferenceID: stripe.String(user.String()),
		LineItems:  []*stripe.CheckoutSessionCreateLineItemParams{{Price: stripe.String(price), Quantity: stripe.Int64(1)}},
		SuccessURL: stripe.String(d.o.Site + "/settings#plan"), CancelURL: stripe.String(d.o.Site + "/settings#plan"),
	}
	s, err := d.client.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return "", fault(err)
	}
	return s.URL, nil
}

// enrol makes a user a customer. Asked twice, Stripe makes one.
func (d *Desk) enrol(ctx context.Context, user id.User) (string, error) {
	who, err := d.o.Store.Person(ctx, user)
	if err != nil && !errors.Is(err, account.ErrNone) {
		return "", err
	}
	params := &stripe.CustomerCreateParams{Metadata: map[string]string{"user": user.String()}}
	if who.Email != "" {
		params.Email = stripe.String(who.Email)
	}
	params.SetIdempotencyKey("customer-" + user.String())
	c, err := d.client.V1Customers.Create(ctx, params)
	if err != nil {
		return "", fault(err)
	}
	return c.ID, d.o.Store.LinkCustomer(ctx, user, c.ID)
}

// Portal gives the address of the page where a user changes his plan, cancels
// it, and finds his invoices. account.ErrNone: he is nobody's customer.
func (d *Desk) Portal(ctx context.Context, user id.User) (string, error) {
	a, err := d.o.Store.Billing(ctx, user)
	if err != nil {
		return "", err
	}
	s, err := d.client.V1BillingPortalSessions.Create(ctx, &stripe.BillingPortalSessionCreateParams{
		Customer: stripe.String(a.Customer), ReturnURL: stripe.String(d.o.Site + "/settings#plan")})
	if err != nil {
		return "", fault(err)
	}
	return s.URL, nil
}

// Standing tells how a user stands, and what he may use.
func (d *Desk) Standing(ctx context.Context, user id.User) (plan.Account, plan.Entitlements, error) {
	a, err := d.o.Store.Billing(ctx, user)
	if errors.Is(err, account.ErrNone) {
		err = nil
	}
	return a, plan.Entitle(a.Subscription, time.Now()), err
}

// Cancel ends all subscriptions of a customer at once and has Stripe forget him.
// It may be repeated.
func (d *Desk) Cancel(ctx context.Context, customer vault.Secret) error {
	all, err := d.fetch(ctx, customer.RevealString())
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Status == stripe.SubscriptionStatusCanceled || s.Status == stripe.SubscriptionStatusIncompleteExpired {
			continue
		}
		if _, err := d.client.V1Subscriptions.Cancel(ctx, s.ID, nil); err != nil && !gone(err) {
			return fault(err)
		}
	}
	if _, err := d.client.V1Customers.Delete(ctx, customer.RevealString(), nil); err != nil && !gone(err) {
		return fault(err)
	}
	return nil
}

// gone reports something that Stripe does not know (any more).
func gone(err error) bool {
	e, ok := errors.AsType[*stripe.Error](err)
	return ok && (e.HTTPStatusCode == http.StatusNotFound || e.Code == stripe.ErrorCodeResourceMissing)
}

// fault translates what went wrong. Stripe's own words may hold what was sent.
func fault(err error) error {
	e, ok := errors.AsType[*stripe.Error](err)
	if !ok {
		return &mail.Fault{Class: mail.Transient, Code: "stripe_unreachable", Text: "Stripe cannot be reached", Help: "try again in a while", Err: err}
	}
	f := &mail.Fault{Class: mail.Transient, Code: "stripe_unavailable", Text: "Stripe does not answer as it should", Help: "try again in a while",
		Err: fmt.Errorf("stripe: status %d, code %q, request %q", e.HTTPStatusCode, e.Code, e.RequestID)}
	switch {
	case e.HTTPStatusCode == http.StatusUnauthorized || e.HTTPStatusCode == http.StatusForbidden:
		f.Class, f.Text, f.Help = mail.Setup, "Stripe refuses the key of this installation", "its operator has to check SMTPSYNC_STRIPE_SECRET_KEY"
	case e.HTTPStatusCode >= 400 && e.HTTPStatusCode < 500 && e.HTTPStatusCode != http.StatusTooManyRequests && e.HTTPStatusCode != http.StatusConflict:
		f.Class, f.Text, f.Help = mail.Setup, "Stripe refuses what this installation asks for", "its operator has to check SMTPSYNC_STRIPE_PRICES and the portal's settings"
	}
	return f
}
