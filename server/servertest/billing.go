package servertest

import (
	"context"
	"net/http"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/plan"
)

// Billing is a double of the one who bills. Signed is the only signature that it
// takes.
type Billing struct {
	Account plan.Account
	Allows  plan.Entitlements

	mu        sync.Mutex
	Delivered []string
}

// Signed is the signature that is Stripe's.
const Signed = "t=1,v1=signed"

// Standing implements server.Billing.
func (b *Billing) Standing(context.Context, id.User) (plan.Account, plan.Entitlements, error) {
	if b.Allows.Plan == "" {
		return b.Account, plan.Of(plan.Free), nil
	}
	return b.Account, b.Allows, nil
}

// Checkout implements server.Billing.
func (b *Billing) Checkout(_ context.Context, _ id.User, p plan.Plan) (string, error) {
	if p != plan.Plus && p != plan.Pro {
		return "", &mail.Fault{Class: mail.Setup, Code: "plan_unknown", Text: "there is no such plan to subscribe to", Help: "choose plus or pro"}
	}
	return "https://checkout.stripe.com/c/pay/" + string(p), nil
}

// Portal implements server.Billing.
func (b *Billing) Portal(context.Context, id.User) (string, error) {
	if b.Account.Customer == "" {
		return "", account.ErrNone
	}
	return "https://billing.stripe.com/p/session/1", nil
}

// Deliver implements server.Billing.
func (b *Billing) Deliver(_ context.Context, body []byte, signature string) (int, error) {
	if signature != Signed {
		return http.StatusBadRequest, &mail.Fault{Class: mail.Refused, Code: "stripe_signature", Text: "a delivery to the webhook is not Stripe's"}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Delivered = append(b.Delivered, string(body))
	return http.StatusOK, nil
}

// Notices is a double of what tells users.
type Notices struct {
	mu     sync.Mutex
	Why    string // why no mail is sent
	Ended  []string
	Events []string
}

// DigestToken is the one that was sent; MailSecret is in the address of events.
const (
	DigestToken = "digest-token"
	MailSecret  = "mail-secret-0123456789"
)

// Blocked implements server.Notices.
func (n *Notices) Blocked(context.Context, id.User) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Why, nil
}

// Unblock implements server.Notices.
func (n *Notices) Unblock(context.Context, id.User) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Why = ""
	return nil
}

// EndDigest implements server.Notices.
func (n *Notices) EndDigest(_ context.Context, token string) error {
	if token != DigestToken {
		return account.ErrNone
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Ended = append(n.Ended, token)
	return nil
}

// Take is a server.MailEvents.
func (n *Notices) Take(_ context.Context, secret string, body []byte) (int, error) {
	if secret != MailSecret {
		return http.StatusNotFound, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Events = append(n.Events, string(body))
	return http.StatusOK, nil
}
