package server_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/server"
)

func TestAGreedyUserIsHeldBackAndNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, browser, greedy := w.person(t, "greedy")
	_, _, other := w.person(t, "other")
	refused := 0
	for range 1300 {
		a := w.raw(t, signed(httptest.NewRequest("GET", "/api/v1/me", nil), greedy))
		if a.StatusCode == 429 {
			refused++
			if a.Header.Get("Retry-After") == "" || !strings.HasPrefix(a.Header.Get("RateLimit"), `"read";r=0;t=`) || a.Header.Get("RateLimit-Policy") != `"read";q=1200;w=60` {
				t.Fatalf("fields %v", a.Header)
			}
		}
	}
	if refused < 10 {
		t.Errorf("%d of 1300 were refused", refused)
	}
	wantProblem(t, w.do(t, browser, "GET", "/api/v1/me", ""), 429, "too_many_requests", "")
	want(t, w.do(t, other, "GET", "/api/v1/me", ""), 200)
	want(t, w.do(t, as{}, "GET", "/healthz", ""), 200)
}

// knock asks for something without being signed in.
func knock(t *testing.T, w *world, forwarded string) int {
	t.Helper()
	r := httptest.NewRequest("GET", "/api/v1/receipts/x", nil)
	for line := range strings.SplitSeq(forwarded, "\n") {
		if line != "" {
			r.Header.Add("X-Forwarded-For", line)
		}
	}
	return w.raw(t, r).StatusCode
}

func TestStrangersAreCountedByAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		proxies []netip.Prefix
		from    func(i int) string
		held    bool
	}{
		{"no proxy is trusted: the field is anybody's", nil, func(i int) string { return fmt.Sprintf("203.0.113.%d", i%250) }, true},
		{"a trusted one names many", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}, func(i int) string { return fmt.Sprintf("203.0.113.%d", i%250) }, false},
		{"what stands before the proxy's word is invented", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")},
			func(i int) string { return fmt.Sprintf("198.51.100.%d, 203.0.113.7", i%250) }, true},
		{"the proxy writes a line of its own below the invented one", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")},
			func(i int) string { return fmt.Sprintf("198.51.100.%d\n203.0.113.7", i%250) }, true},
		{"proxies behind proxies", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("10.0.0.0/8")},
			func(i int) string { return fmt.Sprintf("203.0.113.%d, 10.0.0.1", i%250) }, false},
		{"a network of IPv6 is one", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}, func(i int) string { return fmt.Sprintf("2001:db8::%d", i) }, true},
		{"nonsense", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}, func(i int) string { return fmt.Sprintf("x%d", i) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *server.Options) { o.TrustedProxies = c.proxies })
			held := false
			for i := range 400 {
				held = held || knock(t, w, c.from(i)) == 429
			}
			if held != c.held {
				t.Errorf("held back: %v", held)
			}
		})
	}
}

func TestWrongTokensAreCountedByAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := false
	for range 400 {
		held = held || w.raw(t, signed(httptest.NewRequest("GET", "/api/v1/me", nil), as{token: "smtps_guess"})).StatusCode == 429
	}
	if !held {
		t.Error("guessing is free")
	}
}

func TestNobodyComesPastTheProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.OriginSecret = secret("between us") })
	_, _, program := w.person(t, "owner")
	wantProblem(t, w.do(t, program, "GET", "/api/v1/me", ""), 403, "origin_secret", "")
	wantProblem(t, w.do(t, program, "GET", "/api/v1/me", "", field{"X-Origin-Secret", "guess"}), 403, "origin_secret", "")
	want(t, w.do(t, program, "GET", "/api/v1/me", "", field{"X-Origin-Secret", "between us"}), 200)
	want(t, w.do(t, as{}, "GET", "/readyz", ""), 200)
	w.Ready = false
	want(t, w.do(t, as{}, "GET", "/readyz", ""), 503)
}
