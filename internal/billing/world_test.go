package billing

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/billing/stripetest"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ Store = (*sqlite.Store)(nil)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var prices = map[plan.Plan]string{plan.Plus: "price_plus", plan.Pro: "price_pro"}

const oldSecret, newSecret = "whsec_old", "whsec_new"

type world struct {
	t       *testing.T
	stripe  *stripetest.Server
	store   *sqlite.Store
	desk    *Desk
	user    id.User
	applied int
}

func openStore(t *testing.T) *sqlite.Store {
	t.Helper()
	dir := t.TempDir()
	masters, err := vault.LoadOrCreateFile(filepath.Join(dir, "master.key"))
	ok(t, err)
	shelf, err := vault.OpenDir(filepath.Join(dir, "keys"))
	ok(t, err)
	s, err := sqlite.Open(t.Context(), dir, vault.NewStore(shelf, masters), sqlite.Options{Exclusive: true})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, stripe: stripetest.Start(t), store: openStore(t)}
	w.desk = New(w.options(w.stripe.URL))
	u, err := w.store.SignIn(t.Context(), account.Person{Sub: "ann", Email: "ann@example.org"}, account.SignUp{Rule: "open"})
	ok(t, err)
	w.user = u.ID
	return w
}

func (w *world) options(url string) Options {
	return Options{Key: vault.NewSecret(stripetest.Key), Hooks: []vault.Secret{vault.NewSecret(newSecret), vault.NewSecret(oldSecret)}, APIURL: url, Prices: prices,
		Site: "https://mail.example.org", Store: w.store, Log: slog.New(slog.DiscardHandler), Transport: &http.Transport{DisableKeepAlives: true},
		Apply: func(context.Context, id.User) error { w.applied++; return nil }}
}

// enrolled is a user who has begun to subscribe; his customer.
func (w *world) enrolled() string {
	w.t.Helper()
	_, err := w.desk.Checkout(w.t.Context(), w.user, plan.Plus)
	ok(w.t, err)
	a, err := w.store.Billing(w.t.Context(), w.user)
	ok(w.t, err)
	return a.Customer
}

func (w *world) deliver(e stripetest.Event) int {
	w.t.Helper()
	status, err := w.desk.Deliver(w.t.Context(), e.Body, stripetest.Sign(e.Body, newSecret, time.Now()))
	ok(w.t, err)
	return status
}

func (w *world) entitled() plan.Entitlements {
	w.t.Helper()
	_, e, err := w.desk.Standing(w.t.Context(), w.user)
	ok(w.t, err)
	return e
}
