package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/billing/stripetest"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// TestAPlanIsHeededWhileItServes: what is beyond it is paused and goes on when
// there is room again, with what came meanwhile, once; a payment that is missing
// stops everything and deletes nothing.
func TestAPlanIsHeededWhileItServes(t *testing.T) {
	t.Parallel()
	d := serve(t, "ann", mixed(5)...)
	defer d.Stop()
	if err := d.AddUser("bob", password); err != nil {
		t.Fatal(err)
	}
	stripe := stripetest.Start(t)
	customer := stripe.Enrol()
	s := serving(t, gmailtest.Options{})
	s.env["SMTPSYNC_STRIPE_SECRET_KEY"], s.env["SMTPSYNC_STRIPE_API_URL"] = stripetest.Key, stripe.URL
	s.env["SMTPSYNC_STRIPE_WEBHOOK_SECRET"], s.env["SMTPSYNC_STRIPE_PRICES"] = "whsec_new,whsec_old", "plus=price_plus,pro=price_pro"
	pop, imap := history{"pop3s", "leave"}, history{"imaps", "leave"}
	s.add(s.at(d, pop, "ann"))
	s.add(s.at(d, imap, "bob"))
	token := ""
	s.inStore(func(st *sqlite.Store) {
		if err := st.LinkCustomer(t.Context(), s.user, customer); err != nil {
			t.Fatal(err)
		}
		_, text, err := st.IssueToken(t.Context(), s.user, session.NewToken{Name: "test", Scopes: session.MailboxesRead})
		if err != nil {
			t.Fatal(err)
		}
		token = text.RevealString()
	})
	s.start()
	states := func() (out string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.pages+"/api/v1/mailboxes", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var page struct {
			Mailboxes []struct {
				Name, State string
				Reason      struct{ Code string }
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Mailboxes {
			out += m.Name + " " + m.State + " " + m.Reason.Code + "; "
		}
		return out
	}
	sent := 0
	deliver := func(secret string) { // all that is new, the last first, and once more
		events := stripe.Events()
		for i := len(events) - 1; i >= sent; i-- {
			for range 2 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.pages+"/webhooks/stripe", bytes.NewReader(events[i].Body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Stripe-Signature", stripetest.Sign(events[i].Body, secret, time.Now()))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Fatalf("an event is answered %d\n%s", res.StatusCode, s.stderr)
				}
			}
		}
		sent = len(events)
	}
	n := 0
	mail := func(box string) {
		n++
		if err := d.Deliver(box, "", testkit.Message(uint64(7000+n))); err != nil {
			t.Fatal(err)
		}
	}
	comes := func(what, want string) {
		t.Helper()
		s.until(what, 20*time.Second, func() bool { return states() == want })
	}

	s.arrived(5, 20*time.Second) // the older mailbox runs, the other waits for a plan
	comes("the free plan", "ann idle ; bob paused plan; ")
	mail("bob")
	sub := stripe.Subscribe(customer, "price_plus", "active", time.Now())
	deliver("whsec_new")
	s.arrived(6, 20*time.Second)
	comes("the larger plan", "ann idle ; bob idle ; ")

	stripe.Change(sub, []string{"invoice.payment_failed", "customer.subscription.updated"}, func(st *stripetest.State) {
		st.Status, st.Invoiced = "past_due", time.Now().Add(-plan.Grace-time.Hour)
	})
	deliver("whsec_old")
	comes("the end of the grace", "ann paused billing; bob paused billing; ")
	mail("bob")
	mail("ann")
	stripe.Change(sub, []string{"invoice.paid", "customer.subscription.updated"}, func(st *stripetest.State) { st.Status = "active" })
	deliver("whsec_new")
	s.arrived(8, 20*time.Second)
	comes("the payment", "ann idle ; bob idle ; ")

	stripe.Change(sub, []string{"customer.subscription.deleted"}, func(st *stripetest.State) { st.Status = "canceled" })
	deliver("whsec_new")
	comes("the end of the plan", "ann idle ; bob paused plan; ")

	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	want := truth(t, d, pop.way(d), "ann")
	for k, n := range truth(t, d, imap.way(d), "bob") {
		want[k] += n
	}
	once(t, s.gmail.Hashes(user), want)
}
