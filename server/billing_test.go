package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/servertest"
)

func TestAPlanIsShownTakenAndManaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, browser, program := w.person(t, "owner")
	b := read[api.Billing](t, w.do(t, program, "GET", "/api/v1/billing", ""))
	if b.Plan != "free" || b.Mailboxes != 1 || b.Customer || len(b.Offers) != 3 {
		t.Errorf("billing = %+v", b)
	}
	a := w.do(t, browser, "GET", "/settings", "")
	says(t, a, "Your plan", "Take Plus", "25 mailboxes")
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), " https://checkout.stripe.com https://billing.stripe.com") {
		t.Errorf("policy %s", a.Header.Get("Content-Security-Policy"))
	}
	a = w.submit(t, browser, "/settings/billing/checkout", url.Values{"plan": {"pro"}})
	want(t, a, 303)
	if to := a.Header.Get("Location"); to != "https://checkout.stripe.com/c/pay/pro" {
		t.Errorf("checkout leads to %q", to)
	}
	if got := read[api.Away](t, w.do(t, program, "POST", "/api/v1/billing/checkout", `{"plan":"plus"}`)); got.URL != "https://checkout.stripe.com/c/pay/plus" {
		t.Errorf("checkout = %+v", got)
	}
	if a := w.do(t, program, "POST", "/api/v1/billing/checkout", `{"plan":"gold"}`); a.StatusCode < 400 || a.problem(t).Code != "plan_unknown" {
		t.Errorf("an unknown plan: %d %s", a.StatusCode, a.body)
	}
	want(t, w.do(t, program, "POST", "/api/v1/billing/portal", ""), 404)

	w.Billing.Account = plan.Account{Customer: "cus_1", Subscription: plan.Subscription{Plan: plan.Plus, Status: "past_due"}}
	w.Billing.Allows = plan.Of(plan.Plus)
	w.Billing.Allows.Until = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	says(t, w.do(t, browser, "GET", "/settings", ""), "A payment has failed.", "Change or cancel it")
	w.Billing.Allows.Stopped = true
	says(t, w.do(t, browser, "GET", "/settings", ""), "A payment is missing")
	want(t, w.submit(t, browser, "/settings/billing/portal", nil), 303)
	want(t, w.do(t, program, "POST", "/api/v1/billing/portal", ""), 200)
	if me := read[api.Me](t, w.do(t, program, "GET", "/api/v1/me", "")); me.Plan != "plus" {
		t.Errorf("plan = %q", me.Plan)
	}
}

func TestTheBodyOfAStripeEventArrivesOctetForOctet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := "{ \"id\": \"evt_1\",\n\t\"ä\":1 }\r\n"
	want(t, w.do(t, as{}, "POST", "/webhooks/stripe", body, field{"Stripe-Signature", servertest.Signed}), 200)
	want(t, w.do(t, as{}, "POST", "/webhooks/stripe", body, field{"Stripe-Signature", "t=1,v1=forged"}), 400)
	want(t, w.do(t, as{}, "POST", "/webhooks/stripe", body), 400)
	if len(w.Billing.Delivered) != 1 || w.Billing.Delivered[0] != body {
		t.Errorf("delivered = %q", w.Billing.Delivered)
	}
}

func TestWithoutBillingThereIsNothingOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.Billing = nil })
	_, browser, program := w.person(t, "owner")
	for _, path := range []string{"GET /api/v1/billing", "POST /api/v1/billing/checkout", "POST /api/v1/billing/portal", "POST /webhooks/stripe", "POST /settings/billing/checkout"} {
		method, path, _ := strings.Cut(path, " ")
		want(t, w.raw(t, signed(ask(method, path), program)), 404)
	}
	a := w.do(t, browser, "GET", "/settings", "")
	if strings.Contains(string(a.body), "Your plan") || strings.Contains(a.Header.Get("Content-Security-Policy"), "stripe") || strings.Contains(string(w.svc.Document()), "billing") {
		t.Error("something of billing is shown")
	}
}

func TestMailsThatComeBackAreHeardOfAndSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, browser, program := w.person(t, "owner")
	want(t, w.do(t, as{}, "POST", "/webhooks/mailjet/"+servertest.MailSecret, `[{"event":"bounce"}]`), 200)
	want(t, w.raw(t, ask("POST", "/webhooks/mailjet/another-secret-0123")), 404)
	if len(w.Notices.Events) != 1 {
		t.Errorf("events = %q", w.Notices.Events)
	}
	w.Notices.Why = "bounce"
	if me := read[api.Me](t, w.do(t, program, "GET", "/api/v1/me", "")); me.NoMail != "bounce" {
		t.Errorf("me = %+v", me)
	}
	a := w.do(t, browser, "GET", "/settings", "")
	says(t, a, "Our mails to your address came back")
	want(t, w.do(t, program, "PATCH", "/api/v1/me", `{"locale":"en"}`), 200)
	if w.Notices.Why == "" {
		t.Error("a change of the language sends mails again")
	}
	want(t, w.submit(t, browser, "/settings", filled(t, a, "/settings")), 303)
	if w.Notices.Why != "" {
		t.Error("saving the notices does not send mails again")
	}
	without := newWorld(t, func(o *server.Options) { o.MailEvents = nil })
	want(t, without.raw(t, ask("POST", "/webhooks/mailjet/"+servertest.MailSecret)), 404)
}

func TestTheDigestEndsWithOneClick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := ask("POST", "/notices/digest/"+servertest.DigestToken)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // "List-Unsubscribe=One-Click"
	want(t, w.raw(t, r), 204)
	want(t, w.raw(t, ask("POST", "/notices/digest/somebody-elses")), 404)
	want(t, w.do(t, as{}, "GET", "/notices/digest/"+servertest.DigestToken, ""), 303) // a scanner that follows links ends nothing
	if len(w.Notices.Ended) != 1 {
		t.Errorf("ended = %q", w.Notices.Ended)
	}
}

func ask(method, path string) *http.Request {
	return httptest.NewRequest(method, "https://mail.example.org"+path, nil)
}
