package oauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ gmail.TokenSource = (*oauth.Source)(nil)

const (
	user     = "u@example.org"
	redirect = "http://127.0.0.1:9/callback"
)

func double(t *testing.T, o gmailtest.Options) (*gmailtest.Listening, *oauth.Provider) {
	t.Helper()
	l, err := gmailtest.Start(o, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.AddUser(user)
	return l, provider(t, l.URL, gmailtest.DefaultClientSecret, &http.Transport{})
}

func provider(t *testing.T, issuer, secret string, tr http.RoundTripper) *oauth.Provider {
	t.Helper()
	p, err := oauth.New(oauth.Options{Issuer: issuer, ClientID: gmailtest.DefaultClientID, ClientSecret: vault.NewSecret(secret), Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantFault(t *testing.T, err error, class mail.Class, code string) {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok {
		t.Fatalf("error = %v (%T), want a Fault %s", err, err, code)
	}
	if f.Class != class || f.Code != code {
		t.Errorf("fault = class %d code %s (%v, %v), want class %d code %s", f.Class, f.Code, f, f.Err, class, code)
	}
	if s := fmt.Sprintf("%v %+v %#v %v", f, f, *f, f.Err); strings.Contains(s, "1//0") || strings.Contains(s, gmailtest.DefaultClientSecret) || strings.Contains(s, "4/0A") {
		t.Errorf("fault gives a secret away: %s", s)
	}
}

// visit goes to the consent page and gives the callback's parameters.
func visit(t *testing.T, address string) url.Values {
	t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	u, err := resp.Location()
	if err != nil || !strings.HasPrefix(u.String(), redirect) {
		t.Fatalf("consent page: %s, %v", resp.Status, err)
	}
	return u.Query()
}

func consent(t *testing.T, p *oauth.Provider, scopes ...string) (oauth.Grant, error) {
	t.Helper()
	address, flow, err := p.AuthCodeURL(t.Context(), oauth.Ask{RedirectURL: redirect, Scopes: scopes, LoginHint: user})
	if err != nil {
		t.Fatal(err)
	}
	q := visit(t, address)
	if err := oauth.CallbackFault(q.Get("error")); err != nil {
		return oauth.Grant{}, err
	}
	return p.Exchange(t.Context(), flow, q.Get("state"), q.Get("code"))
}

func TestConsentGivesAGrantThatImports(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	g, err := consent(t, p, oauth.ScopeInsert)
	if err != nil {
		t.Fatal(err)
	}
	if g.Email != user || g.Sub != l.Sub(user) || g.Refresh.Empty() || !g.Has(oauth.ScopeInsert) || g.Has(oauth.ScopeLabels) {
		t.Errorf("grant = %+v", g)
	}
	src := p.Source(g.Refresh, oauth.ScopeInsert)
	c, err := gmail.New(gmail.Options{APIURL: l.URL, Tokens: src})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(t.Context(), mail.Upload{Size: 1}); err != nil {
		t.Error(err)
	}
	if ok, err := src.Granted(t.Context(), oauth.ScopeLabels); ok || err != nil {
		t.Errorf("labels granted = %v, %v", ok, err)
	}
	// Later, one scope more; the earlier one stays.
	g, err = consent(t, p, oauth.ScopeLabels)
	if err != nil || !g.Has(oauth.ScopeInsert) || !g.Has(oauth.ScopeLabels) {
		t.Errorf("grant = %v, %v", g.Scopes, err)
	}
}

func TestSignInAloneGivesNoRefreshToken(t *testing.T) {
	t.Parallel()
	_, p := double(t, gmailtest.Options{})
	g, err := consent(t, p)
	if err != nil || !g.Refresh.Empty() || g.Email != user || g.Has(oauth.ScopeInsert) {
		t.Errorf("grant = %+v, %v", g, err)
	}
}

func TestUntickedScopeIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	l.SetConsent(gmailtest.Consent{Untick: []string{oauth.ScopeInsert}})
	g, err := consent(t, p, oauth.ScopeInsert, oauth.ScopeLabels)
	if err != nil || g.Has(oauth.ScopeInsert) || !g.Has(oauth.ScopeLabels) {
		t.Errorf("grant = %v, %v", g.Scopes, err)
	}
	_, err = p.Source(g.Refresh, oauth.ScopeInsert).Token(t.Context(), vault.Secret{})
	wantFault(t, err, mail.Grant, "grant_scope_missing")
}

func TestDeniedConsent(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	l.SetConsent(gmailtest.Consent{Deny: true})
	_, err := consent(t, p, oauth.ScopeInsert)
	wantFault(t, err, mail.Grant, "grant_denied")
	wantFault(t, oauth.CallbackFault("admin_policy_enforced"), mail.Grant, "grant_account")
	wantFault(t, oauth.CallbackFault("redirect_uri_mismatch"), mail.Setup, "google_client")
	wantFault(t, oauth.CallbackFault("<script>"), mail.Transient, "google_unreachable")
}

// Each binding of a sign-in, taken apart.
func TestCallbackThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(f *oauth.Flow, state, code *string)
		code  string
	}{
		"state of somebody else":   {func(_ *oauth.Flow, s, _ *string) { *s = "x" }, "grant_callback"},
		"no state":                 {func(f *oauth.Flow, s, _ *string) { *s, f.State = "", "" }, "grant_callback"},
		"code of another verifier": {func(f *oauth.Flow, _, _ *string) { f.Verifier = vault.NewSecret("y") }, "grant_code"},
		"made-up code":             {func(_ *oauth.Flow, _, c *string) { *c = "4/0Ax" }, "grant_code"},
		"nonce of another sign-in": {func(f *oauth.Flow, _, _ *string) { f.Nonce = "n" }, "grant_callback"},
		"no nonce":                 {func(f *oauth.Flow, _, _ *string) { f.Nonce = "" }, "grant_callback"},
		"another redirect address": {func(f *oauth.Flow, _, _ *string) { f.Ask.RedirectURL += "/x" }, "google_client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p := double(t, gmailtest.Options{})
			address, flow, err := p.AuthCodeURL(t.Context(), oauth.Ask{RedirectURL: redirect, Scopes: []string{oauth.ScopeInsert}})
			if err != nil {
				t.Fatal(err)
			}
			q := visit(t, address)
			state, code := q.Get("state"), q.Get("code")
			c.spoil(&flow, &state, &code)
			_, err = p.Exchange(t.Context(), flow, state, code)
			wantFault(t, err, map[bool]mail.Class{true: mail.Setup, false: mail.Grant}[c.code == "google_client"], c.code)
		})
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	_, p := double(t, gmailtest.Options{})
	address, flow, err := p.AuthCodeURL(t.Context(), oauth.Ask{RedirectURL: redirect})
	if err != nil {
		t.Fatal(err)
	}
	q := visit(t, address)
	if _, err := p.Exchange(t.Context(), flow, q.Get("state"), q.Get("code")); err != nil {
		t.Fatal(err)
	}
	_, err = p.Exchange(t.Context(), flow, q.Get("state"), q.Get("code"))
	wantFault(t, err, mail.Grant, "grant_code")
}

func TestManyWaitForOneRefresh(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	src := p.Source(vault.NewSecret(l.RefreshToken(user)), oauth.ScopeInsert)
	l.Next(gmailtest.Fault{At: gmailtest.Token, Kind: gmailtest.Delay, DelayMS: 50})
	var wg sync.WaitGroup
	got := make([]vault.Secret, 32)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = src.Token(t.Context(), vault.Secret{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := l.Stats().Requests[gmailtest.Token]; n != 1 {
		t.Errorf("refreshes = %d, want 1", n)
	}
	for _, g := range got {
		if !g.Equal(got[0]) || g.Empty() {
			t.Error("different tokens")
		}
	}
	next, err := src.Token(t.Context(), got[0]) // Gmail refused it
	if err != nil || next.Equal(got[0]) {
		t.Errorf("the stale token came back (%v)", err)
	}
	again, err := src.Token(t.Context(), got[0]) // a latecomer with the same news
	if err != nil || !again.Equal(next) {
		t.Errorf("a second refresh for the same stale token (%v)", err)
	}
	if n := l.Stats().Requests[gmailtest.Token]; n != 2 {
		t.Errorf("refreshes = %d, want 2", n)
	}
}

func TestWaiterGoesOnWhenTheFirstOneLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := piped(t, gmailtest.Options{})
		src := p.Source(vault.NewSecret(l.RefreshToken(user)))
		l.Next(gmailtest.Fault{At: gmailtest.Token, Kind: gmailtest.Delay, DelayMS: 10_000})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan error)
		go func() {
			_, err := src.Token(ctx, vault.Secret{})
			first <- err
		}()
		synctest.Wait()
		tok, err := src.Token(t.Context(), vault.Secret{})
		if err != nil || tok.Empty() {
			t.Errorf("the one who waited: %v", err)
		}
		wantFault(t, <-first, mail.Transient, "google_unreachable")
	})
}

// piped is a double in fake time.
func piped(t *testing.T, o gmailtest.Options) (*gmailtest.Listening, *oauth.Provider) {
	pipe := gmailtest.NewPipe()
	l := gmailtest.New(o).Serve(pipe)
	l.AddUser(user)
	tr := &http.Transport{DialContext: pipe.Dial}
	t.Cleanup(func() { tr.CloseIdleConnections(); l.Close() })
	return l, provider(t, "http://127.0.0.1", gmailtest.DefaultClientSecret, tr)
}

func TestTokenIsRenewedTwoMinutesBeforeItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := piped(t, gmailtest.Options{TokenLife: time.Hour})
		src := p.Source(vault.NewSecret(l.RefreshToken(user)))
		for _, step := range []struct {
			sleep time.Duration
			want  int
		}{{0, 1}, {57 * time.Minute, 1}, {time.Minute + time.Second, 2}, {30 * time.Minute, 2}} {
			time.Sleep(step.sleep)
			if _, err := src.Token(t.Context(), vault.Secret{}); err != nil {
				t.Fatal(err)
			}
			if n := l.Stats().Requests[gmailtest.Token]; n != step.want {
				t.Errorf("after %v more: refreshes = %d, want %d", step.sleep, n, step.want)
			}
		}
	})
}

func TestRevokedGrantIsRememberedAndNotAskedAgain(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	src := p.Source(vault.NewSecret(l.RefreshToken(user)))
	tok, err := src.Token(t.Context(), vault.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Revoke(t.Context(), tok); err != nil {
		t.Fatal(err)
	}
	for _, again := range []vault.Secret{tok, vault.NewSecret("1//0forgotten"), {}} {
		if err := p.Revoke(t.Context(), again); err != nil {
			t.Errorf("revoking what is revoked: %v", err)
		}
	}
	if n := l.Stats().Requests[gmailtest.Revoke]; n != 3 {
		t.Errorf("revocations = %d, want 3: no token is no request", n)
	}
	l.Next(gmailtest.Fault{At: gmailtest.Revoke, Kind: gmailtest.Answer, Status: 503, Body: "x"})
	wantFault(t, p.Revoke(t.Context(), tok), mail.Transient, "google_unreachable")
	for range 3 {
		_, err = src.Token(t.Context(), tok)
		wantFault(t, err, mail.Revoked, "grant_revoked")
	}
	if n := l.Stats().Requests[gmailtest.Token]; n != 2 {
		t.Errorf("refreshes = %d, want 2", n)
	}
}

func TestTokenEndpointFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		class  mail.Class
		code   string
	}{
		"invalid_grant":       {400, `{"error":"invalid_grant","error_description":"Account has been deleted"}`, mail.Revoked, "grant_revoked"},
		"session control":     {400, `{"error":"invalid_grant","error_subtype":"invalid_rapt"}`, mail.Revoked, "grant_revoked"},
		"grant gone, 401":     {401, `{"error":"invalid_grant"}`, mail.Revoked, "grant_revoked"},
		"grant gone, 200":     {200, `{"error":"invalid_grant"}`, mail.Revoked, "grant_revoked"},
		"deleted_client":      {401, `{"error":"deleted_client"}`, mail.Setup, "google_client"},
		"invalid_client":      {401, `{"error":"invalid_client"}`, mail.Setup, "google_client"},
		"unauthorized_client": {401, `{"error":"unauthorized_client"}`, mail.Setup, "google_client"},
		"500":                 {500, `oops`, mail.Transient, "google_unreachable"},
		"503 html":            {503, `<html>`, mail.Transient, "google_unreachable"},
		"captive portal":      {200, `<html>`, mail.Transient, "google_unreachable"},
		"no token":            {200, `{"token_type":"Bearer"}`, mail.Transient, "google_unreachable"},
		"strange word":        {400, `{"error":"Secret 1//0"}`, mail.Transient, "google_unreachable"},
		"redirect":            {307, `x`, mail.Transient, "google_unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, p := double(t, gmailtest.Options{})
			l.Next(gmailtest.Fault{At: gmailtest.Token, Kind: gmailtest.Answer, Status: c.status, Body: c.body,
				Header: map[string]string{"Content-Type": "application/json", "Location": l.URL + "/elsewhere"}})
			src := p.Source(vault.NewSecret(l.RefreshToken(user)))
			_, err := src.Token(t.Context(), vault.Secret{})
			wantFault(t, err, c.class, c.code)
			if c.class != mail.Revoked { // configuration and weather pass
				if _, err := src.Token(t.Context(), vault.Secret{}); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			}
		})
	}
	l, _ := double(t, gmailtest.Options{})
	p := provider(t, l.URL, "wrong", &http.Transport{})
	_, err := p.Source(vault.NewSecret(l.RefreshToken(user))).Token(t.Context(), vault.Secret{})
	wantFault(t, err, mail.Setup, "google_client")
}

// The client secret and the refresh token are in these requests.
func TestRedirectOfTheTokenEndpointIsNotFollowed(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	l.Next(gmailtest.Fault{At: gmailtest.Token, Kind: gmailtest.Answer, Status: 307, Body: " ", Header: map[string]string{"Location": l.URL + "/token"}})
	_, err := p.Source(vault.NewSecret(l.RefreshToken(user))).Token(t.Context(), vault.Secret{})
	wantFault(t, err, mail.Transient, "google_unreachable")
	if n := l.Stats().Requests[gmailtest.Token]; n != 1 {
		t.Errorf("requests = %d, want 1", n)
	}
}

func TestIssuerMustBeSafeAndItself(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"http://accounts.google.com", "ftp://x", "accounts.google.com", "https://u@h"} {
		_, err := oauth.New(oauth.Options{Issuer: issuer, ClientID: "c"})
		wantFault(t, err, mail.Setup, "google_issuer")
	}
	none, err := oauth.New(oauth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = none.AuthOrigin(t.Context())
	wantFault(t, err, mail.Setup, "google_client")
	l, _ := double(t, gmailtest.Options{URL: "https://other.example"})
	_, err = provider(t, l.URL, "x", &http.Transport{}).AuthOrigin(t.Context())
	wantFault(t, err, mail.Setup, "google_issuer")
	l, p := double(t, gmailtest.Options{})
	if origin, err := p.AuthOrigin(t.Context()); err != nil || origin != l.URL {
		t.Errorf("origin = %q, %v", origin, err)
	}
	l.Close()
	_, err = provider(t, l.URL, "x", &http.Transport{}).AuthOrigin(t.Context())
	wantFault(t, err, mail.Transient, "google_unreachable")
}

func TestWiderScopesCover(t *testing.T) {
	t.Parallel()
	for granted, want := range map[string]bool{oauth.ScopeInsert: true, "https://mail.google.com/": true,
		"https://www.googleapis.com/auth/gmail.modify": true, oauth.ScopeLabels: false, "openid email": false, "": true} {
		if got := oauth.Covers(strings.Fields(granted), oauth.ScopeInsert); got != want {
			t.Errorf("%q covers insert = %v, want %v", granted, got, want)
		}
	}
	if !slices.Contains([]string{gmail.ScopeInsert}, oauth.ScopeInsert) || gmail.ScopeLabels != oauth.ScopeLabels {
		t.Error("the two packages name different scopes")
	}
}
