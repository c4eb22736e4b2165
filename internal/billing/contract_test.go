package billing

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/plan"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// mock runs Stripe's own stand-in, which checks path, parameters and types of
// every request against the specification of the API and has no memory.
func mock(t *testing.T) string {
	t.Helper()
	tools := filepath.Join(testkit.Root(t), "tools.mod")
	path, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+tools, "-n", "stripe-mock").Output()
	testkit.Require(t, "stripe-mock", err == nil, "it is built by go tool -modfile=tools.mod, which needs the module once")
	ports, err := testkit.Ports(1)
	ok(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, strings.TrimSpace(string(path)), "-http-addr", address)
	ok(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal("stripe-mock does not listen")
		}
	}
}

// TestStripesOwnMockTakesEveryRequest: what this program asks for is what the
// API has, and what it answers is what this program reads. The double of the
// other tests gets the same requests.
func TestStripesOwnMockTakesEveryRequest(t *testing.T) {
	t.Parallel()
	url := mock(t)
	w := newWorld(t)
	o := w.options(url)
	seen := &recorder{RoundTripper: o.Transport}
	o.Transport = seen
	d := New(o)

	address, err := d.Checkout(t.Context(), w.user, plan.Plus) // makes the customer first
	ok(t, err)
	if !strings.HasPrefix(address, "https://") {
		t.Errorf("checkout = %q", address)
	}
	if _, err := d.Portal(t.Context(), w.user); err != nil {
		t.Errorf("portal: %v", err)
	}
	a, err := w.store.Billing(t.Context(), w.user)
	ok(t, err)
	all, err := d.fetch(t.Context(), a.Customer)
	ok(t, err)
	if len(all) == 0 || all[0].ID == "" || all[0].Items == nil || len(all[0].Items.Data) == 0 || all[0].Items.Data[0].Price == nil ||
		all[0].Items.Data[0].CurrentPeriodEnd == 0 || all[0].LatestInvoice == nil || all[0].LatestInvoice.Created == 0 {
		t.Errorf("a subscription lacks what is read of it: %+v", all)
	}
	if len(all) > 0 && all[0].Items != nil && len(all[0].Items.Data) > 0 {
		s := project(all, map[plan.Plan]string{plan.Pro: all[0].Items.Data[0].Price.ID}, time.Now())
		if s.ID != all[0].ID || s.Plan != plan.Pro || s.PeriodEnd.IsZero() {
			t.Errorf("projected: %+v", s)
		}
	}
	if err := d.Cancel(t.Context(), vault.NewSecret(a.Customer)); err != nil {
		t.Errorf("cancel: %v", err)
	}
	for _, want := range []string{"POST /v1/customers", "POST /v1/checkout/sessions", "POST /v1/billing_portal/sessions", "GET /v1/subscriptions", "DELETE /v1/subscriptions/", "DELETE /v1/customers/"} {
		if !seen.has(want) {
			t.Errorf("%s was not asked for: %v", want, seen.asked)
		}
	}

	// What is wrong it refuses: it does look.
	o.Prices, o.Site = map[plan.Plan]string{plan.Plus: "price"}, "https://mail.example.org"
	o.Transport = spoil{seen.RoundTripper}
	if _, err := New(o).Portal(t.Context(), w.user); mail.ClassOf(err) != mail.Setup {
		t.Errorf("with a parameter that there is not: %v", err)
	}
}

type recorder struct {
	http.RoundTripper
	asked []string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	r.asked = append(r.asked, q.Method+" "+q.URL.Path)
	return r.RoundTripper.RoundTrip(q)
}

func (r *recorder) has(prefix string) bool {
	for _, a := range r.asked {
		if strings.HasPrefix(a, prefix) {
			return true
		}
	}
	return false
}

// spoil adds a parameter that no request has.
type spoil struct{ http.RoundTripper }

func (s spoil) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL.RawQuery = "nonsense=1"
	if q.Method == "POST" {
		body := "nonsense=1"
		q.Body, q.ContentLength = http.NoBody, 0
		p, err := http.NewRequestWithContext(q.Context(), q.Method, q.URL.String(), strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		p.Header = q.Header.Clone()
		p.URL.RawQuery = ""
		q = p
	}
	return s.RoundTripper.RoundTrip(q)
}
