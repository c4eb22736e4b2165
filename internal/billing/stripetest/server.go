// Package stripetest is a stand-in for the part of Stripe's API that this
// program uses, with a memory: customers, subscriptions and what happens to
// them. It answers as stripe-mock's specification has it, and makes the events
// that Stripe would send, signed, in their order; whoever delivers them may do so
// in another one.
package stripetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
)

// Key that it takes.
const Key = "sk_test_123"

// Server is a running Stripe.
type Server struct {
	URL string

	mu        sync.Mutex
	customers map[string]bool // false: deleted
	byKey     map[string]string
	subs      []*subscription
	events    []Event
	n         int
	down      int // requests that get a 500
	Requests  []string
}

type subscription struct {
	id, customer, price, status string
	cancels                     bool
	periodEnd                   time.Time
	invoiced                    time.Time // the latest invoice
}

// Event is one to be delivered.
type Event struct {
	ID, Type string
	Body     []byte
}

// Sign gives the Stripe-Signature of a delivery at a time.
func Sign(body []byte, secret string, at time.Time) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: at}).Header
}

// Start runs a server until the test ends.
func Start(tb interface{ Cleanup(func()) }) *Server {
	s := &Server{customers: map[string]bool{}, byKey: map[string]string{}}
	h := httptest.NewServer(http.HandlerFunc(s.serve))
	tb.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Down has the next requests fail.
func (s *Server) Down(requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = requests
}

// Events gives what has happened so far.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Enrol makes a customer.
func (s *Server) Enrol() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	c := fmt.Sprintf("cus_%d", s.n)
	s.customers[c] = true
	return c
}

// Customers gives those that are not deleted.
func (s *Server) Customers() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, there := range s.customers {
		if there {
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return out
}

// Subscribe is a customer who has gone through Checkout.
func (s *Server) Subscribe(customer, price, status string, now time.Time) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	sub := &subscription{id: fmt.Sprintf("sub_%d", s.n), customer: customer, price: price, status: status, periodEnd: now.AddDate(0, 1, 0), invoiced: now}
	s.subs = append(s.subs, sub)
	s.event("checkout.session.completed", map[string]any{"object": "checkout.session", "id": "cs_1", "customer": customer, "subscription": sub.id})
	s.event("customer.subscription.created", sub.object(false))
	s.event("invoice.paid", map[string]any{"object": "invoice", "id": "in_1", "customer": customer})
	return sub.id
}

// Change changes a subscription, and makes the events of that.
func (s *Server) Change(id string, events []string, change func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.id != id {
			continue
		}
		st := State{Price: sub.price, Status: sub.status, Cancels: sub.cancels, Invoiced: sub.invoiced}
		change(&st)
		sub.price, sub.status, sub.cancels, sub.invoiced = st.Price, st.Status, st.Cancels, st.Invoiced
		for _, e := range events {
			if strings.HasPrefix(e, "invoice.") {
				s.event(e, map[string]any{"object": "invoice", "id": "in_2", "customer": sub.customer})
			} else {
				s.event(e, sub.object(false))
			}
		}
	}
}

// State is what can be changed.
type State struct {
	Price, Status string
	Cancels       bool
	Invoiced      time.Time
}

func (s *Server) event(kind string, object map[string]any) {
	s.n++
	e := Event{ID: fmt.Sprintf("evt_%d", s.n), Type: kind}
	e.Body, _ = json.Marshal(map[string]any{"id": e.ID, "object": "event", "type": kind, "api_version": "2026-08-26.dahlia", "created": time.Now().Unix(),
		"data": map[string]any{"object": object}, "livemode": false, "pending_webhooks": 1})
	s.events = append(s.events, e)
}

func (sub *subscription) object(expand bool) map[string]any {
	var invoice any = "in_" + sub.id
	if expand {
		invoice = map[string]any{"id": "in_" + sub.id, "object": "invoice", "created": sub.invoiced.Unix()}
	}
	return map[string]any{"id": sub.id, "object": "subscription", "customer": sub.customer, "status": sub.status, "cancel_at_period_end": sub.cancels,
		"created": sub.invoiced.Unix(), "latest_invoice": invoice,
		"items": map[string]any{"object": "list", "data": []any{map[string]any{"id": "si_" + sub.id, "object": "subscription_item",
			"current_period_end": sub.periodEnd.Unix(), "current_period_start": sub.invoiced.Unix(), "price": map[string]any{"id": sub.price, "object": "price"}}}}}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int, code, text string) {
		answer(status, map[string]any{"error": map[string]any{"type": "invalid_request_error", "code": code, "message": text}})
	}
	s.Requests = append(s.Requests, r.Method+" "+r.URL.Path)
	if s.down > 0 {
		s.down--
		refuse(500, "", "on order of the test")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+Key {
		refuse(401, "", "Invalid API Key provided")
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(400, "", "no form")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	kind, id, _ := strings.Cut(path, "/")
	known := func(customer string) bool { _, there := s.customers[customer]; return there && s.customers[customer] }
	missing := func() { refuse(404, "resource_missing", "No such customer") }
	switch {
	case r.Method == "POST" && path == "customers":
		key := r.Header.Get("Idempotency-Key")
		c := s.byKey[key]
		if c == "" {
			s.n++
			c = fmt.Sprintf("cus_%d", s.n)
			s.customers[c], s.byKey[key] = true, c
		}
		answer(200, map[string]any{"id": c, "object": "customer"})
	case r.Method == "DELETE" && kind == "customers":
		if !known(id) {
			missing()
			return
		}
		s.customers[id] = false
		for _, sub := range s.subs {
			if sub.customer == id && sub.status != "canceled" {
				sub.status = "canceled"
				s.event("customer.subscription.deleted", sub.object(false))
			}
		}
		s.event("customer.deleted", map[string]any{"id": id, "object": "customer"})
		answer(200, map[string]any{"id": id, "object": "customer", "deleted": true})
	case r.Method == "GET" && path == "subscriptions":
		customer := r.Form.Get("customer")
		if !known(customer) {
			missing()
			return
		}
		data := []any{}
		for _, sub := range s.subs {
			if sub.customer == customer && (r.Form.Get("status") == "all" || sub.status != "canceled") {
				data = append(data, sub.object(r.Form.Get("expand[0]") == "data.latest_invoice"))
			}
		}
		answer(200, map[string]any{"object": "list", "url": "/v1/subscriptions", "has_more": false, "data": data})
	case r.Method == "DELETE" && kind == "subscriptions":
		for _, sub := range s.subs {
			if sub.id == id && sub.status != "canceled" {
				sub.status = "canceled"
				s.event("customer.subscription.deleted", sub.object(false))
				answer(200, sub.object(false))
				return
			}
		}
		missing()
	case r.Method == "POST" && path == "checkout/sessions":
		if !known(r.Form.Get("customer")) || r.Form.Get("mode") != "subscription" || r.Form.Get("line_items[0][price]") == "" {
			refuse(400, "", "incomplete")
			return
		}
		answer(200, map[string]any{"id": "cs_1", "object": "checkout.session", "url": "https://checkout.stripe.com/c/pay/cs_1"})
	case r.Method == "POST" && path == "billing_portal/sessions":
		if !known(r.Form.Get("customer")) {
			missing()
			return
		}
		answer(200, map[string]any{"id": "bps_1", "object": "billing_portal.session", "url": "https://billing.stripe.com/p/session/1"})
	default:
		refuse(404, "", "Unrecognized request URL")
	}
}
