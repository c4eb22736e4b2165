package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/testkit/tokend"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server"
)

const (
	homeHost = "mail.home.example"
	callback = "https://mail.example.org/auth/source/home/callback"
)

// withHome is a world in which the mailboxes of a host are opened with tokens.
func withHome(t *testing.T) (*world, *tokend.Server) {
	t.Helper()
	s := tokend.Start(t, tokend.Options{Redirect: callback})
	path := filepath.Join(t.TempDir(), "providers.json")
	text := fmt.Sprintf(`{"providers": [{"id": "home", "name": "Home", "hosts": [%q], "client_id": %q, "client_secret": %q, "authorization": "%s/authorize", "token": "%s/token",
		"scopes": {"imap": [%q], "pop3": [%q]}}]}`, homeHost, tokend.ClientID, tokend.ClientSecret, s.URL, s.URL, tokend.ScopeIMAP, tokend.ScopePOP)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	clients, err := oauth.ReadClients(path, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *server.Options) { o.Sources = clients })
	w.answers()
	w.Found = []discover.Candidate{{Protocol: "imap", Host: homeHost, Port: 993, Security: "tls", Username: "ann@home.example", Auth: "password", Source: "ispdb"}}
	return w, s
}

// away is a browser at a provider's page.
type away struct {
	address *url.URL
	cookie  *http.Cookie
}

// leaves checks an answer that sends the browser to the provider.
func leaves(t *testing.T, a answered, s *tokend.Server) away {
	t.Helper()
	want(t, a, 303)
	to, err := a.Location()
	if err != nil || !strings.HasPrefix(to.String(), s.URL+"/authorize?") {
		t.Fatalf("sent to %v (%v)", to, err)
	}
	for _, c := range a.Cookies() {
		if c.Name == "__Host-connect" {
			if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || len(c.Value) > 3000 {
				t.Errorf("the cookie: %+v", c)
			}
			return away{to, c}
		}
	}
	t.Fatal("no cookie")
	return away{}
}

// comesBack says yes as user, or with a query of its own, and takes the answer.
func (w *world) comesBack(t *testing.T, who as, at away, user string, query url.Values) answered {
	t.Helper()
	if query == nil {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.PostForm(at.address.String(), url.Values{"answer": {"allow"}, "user": {user}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		back, err := res.Location()
		if err != nil || !strings.HasPrefix(back.String(), callback+"?") {
			t.Fatalf("%s, back to %v (%v)", res.Status, back, err)
		}
		query = back.Query()
	}
	query.Set("state", at.address.Query().Get("state"))
	r := httptest.NewRequest("GET", callback+"?"+query.Encode(), nil)
	r.AddCookie(&http.Cookie{Name: "__Host-session", Value: who.cookie.RevealString()})
	if at.cookie != nil {
		r.AddCookie(at.cookie)
	}
	a := w.send(t, r, "")
	if body := string(a.body); strings.Contains(body, "refresh-") || strings.Contains(body, "access-") || strings.Contains(w.Log(), "refresh-") {
		t.Error("a token is in an answer or in the log")
	}
	return a
}

func TestAMailboxIsAddedWithItsProvidersSignIn(t *testing.T) {
	t.Parallel()
	w, s := withHome(t)
	user, browser, _ := w.person(t, "owner")
	w.grant(t, user, oauth.ScopeInsert)
	a := w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@home.example"}})
	says(t, a, "Sign in with Home", homeHost)
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://accounts.google.example "+s.URL) && !strings.Contains(policy, "form-action 'self' "+s.URL) {
		t.Errorf("Chromium would not follow the form to the provider: %s", policy)
	}
	f := filled(t, a, newPath)
	f.Set("connect", f.Get("way"))
	at := leaves(t, w.submit(t, browser, newPath, f), s)
	q := at.address.Query()
	if q.Get("login_hint") != "ann@home.example" || q.Get("scope") != tokend.ScopeIMAP || q.Get("redirect_uri") != callback {
		t.Errorf("asked for %v", q)
	}
	a = w.comesBack(t, browser, at, "ann@home.example", nil)
	want(t, a, 200)
	says(t, a, "Home lets us read this mailbox")
	if strings.Contains(string(a.body), `type="password"`) {
		t.Error("a password is asked for")
	}

	f = filled(t, a, newPath)
	f.Set("step", "test")
	a = w.submit(t, browser, newPath, f)
	want(t, a, 200)
	probed := w.Probed()
	if len(probed) != 1 || !s.Good(probed[0].Consent.Access.RevealString(), "ann@home.example") || !probed[0].Password.Empty() {
		t.Fatalf("tested %+v", probed)
	}
	f = filled(t, a, newPath)
	f.Set("step", "create")
	want(t, w.submit(t, browser, newPath, f), 303)
	all, _ := w.Accounts.Mailboxes(t.Context(), user)
	if len(all) != 1 {
		t.Fatalf("%d mailboxes", len(all))
	}
	m := all[0]
	if m.Host != homeHost || m.Username != "ann@home.example" || m.Consent.Provider != "home" || m.Consent.Refresh.Empty() || !m.Password.Empty() ||
		!s.Good(m.Consent.Access.RevealString(), "ann@home.example") {
		t.Errorf("made %+v", m)
	}
	says(t, w.do(t, browser, "GET", "/mailboxes/"+m.ID.String(), ""), "Opened with the sign-in of", "Home")
}

// What a form carries opens for the very mailbox and session that it was given
// for: no tampering sends the tokens to another server.
func TestTokensGoToTheirOwnServerAlone(t *testing.T) {
	t.Parallel()
	w, s := withHome(t)
	_, browser, _ := w.person(t, "owner")
	_, eve, _ := w.person(t, "eve")
	f := filled(t, w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@home.example"}}), newPath)
	f.Set("connect", f.Get("way"))
	a := w.comesBack(t, browser, leaves(t, w.submit(t, browser, newPath, f), s), "ann", nil)
	good := filled(t, a, newPath)
	good.Set("step", "test")
	for name, change := range map[string]func(url.Values){
		"another host":     func(f url.Values) { f.Set("host", "imap.evil.example") },
		"another user":     func(f url.Values) { f.Set("username", "bob") },
		"another protocol": func(f url.Values) { f.Set("protocol", "pop3"); f.Set("port", "995") },
		"another provider": func(f url.Values) { f.Set("provider", "google") },
		"as a password":    func(f url.Values) { f.Set("provider", "") },
	} {
		f := url.Values{}
		maps.Copy(f, good)
		change(f)
		want(t, w.submit(t, browser, newPath, f), 422)
		if p := w.Probed(); len(p) > 0 {
			t.Errorf("%s: the tokens went out", name)
		}
	}
	want(t, w.submit(t, eve, newPath, good), 422)
	if len(w.Probed()) > 0 {
		t.Error("the tokens went out for somebody else")
	}
	want(t, w.submit(t, browser, newPath, good), 200)
}

// An answer of a provider counts for the session that asked, once.
func TestAConsentIsBoundToItsSession(t *testing.T) {
	t.Parallel()
	w, s := withHome(t)
	user, browser, _ := w.person(t, "owner")
	_, eve, _ := w.person(t, "eve")
	box := homeBox(t, w, "owner")
	leave := func() away {
		return leaves(t, w.submit(t, browser, "/mailboxes/"+box.ID.String()+"/connect", url.Values{}), s)
	}
	for name, back := range map[string]func() answered{
		"another person":  func() answered { return w.comesBack(t, eve, leave(), "ann", nil) },
		"another session": func() answered { return w.comesBack(t, as{cookie: w.Cookie(t, user)}, leave(), "ann", nil) },
		"without cookie": func() answered {
			at := leave()
			at.cookie = nil
			return w.comesBack(t, browser, at, "ann", nil)
		},
		"another visit's state": func() answered {
			at, other := leave(), leave()
			at.address = other.address
			return w.comesBack(t, browser, at, "ann", nil)
		},
		"two codes": func() answered {
			return w.comesBack(t, browser, leave(), "ann", url.Values{"code": {"a", "b"}})
		},
	} {
		if a := back(); a.StatusCode != 400 && a.StatusCode != 409 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
		if m := kept(t, w, box); m.Consent.Provider != "" {
			t.Fatalf("%s: the mailbox was connected", name)
		}
	}
	want(t, w.comesBack(t, as{}, leave(), "ann", nil), 401)
}

func homeBox(t *testing.T, w *world, sub string) account.Mailbox {
	t.Helper()
	m, err := w.Accounts.EnsureMailbox(t.Context(), w.User(t, sub), account.Mailbox{Name: "old", Protocol: "imap", Host: homeHost, Port: 993, Security: "tls",
		Username: "ann@home.example", Password: secret(canary), AfterImport: "leave", History: "all"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func kept(t *testing.T, w *world, m account.Mailbox) account.Mailbox {
	t.Helper()
	got, err := w.Accounts.Mailbox(t.Context(), w.User(t, "owner"), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A mailbox that stands still is connected again and goes on: the same mailbox,
// so that its ledger keeps it from importing anything twice.
func TestAMailboxIsConnectedAgain(t *testing.T) {
	t.Parallel()
	w, s := withHome(t)
	_, browser, _ := w.person(t, "owner")
	box := homeBox(t, w, "owner")
	page := "/mailboxes/" + box.ID.String()
	for _, code := range []string{"oauth_required", oauth.ConsentGone, oauth.ConsentMissing, "consent_too_small", "token_refused"} {
		w.Engine.Set(box.ID, schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: code, Detail: "the provider says no", Help: "connect again"}})
		says(t, w.do(t, browser, "GET", page, ""), `href="`+page+`/connect"`, "Connect again with the provider’s sign-in")
	}
	w.Engine.Asked()
	a := w.do(t, browser, "GET", page+"/connect", "")
	says(t, a, "Home will ask you", "ann@home.example", "nothing is imported twice", "takes the place of the password")
	// Before that the person says no, and nothing has changed.
	at := leaves(t, w.submit(t, browser, page+"/connect", url.Values{}), s)
	a = w.comesBack(t, browser, at, "", url.Values{"error": {"access_denied"}})
	says(t, a, "answered with no", "Sign in with Home")
	if kept(t, w, box).Password.Empty() || strings.Contains(strings.Join(w.Engine.Asked(), " "), "resume") {
		t.Error("a no has changed the mailbox")
	}

	at = leaves(t, w.submit(t, browser, page+"/connect", url.Values{}), s)
	a = w.comesBack(t, browser, at, "ann@home.example", nil)
	want(t, a, 303)
	if to := a.Header.Get("Location"); to != "https://mail.example.org"+page {
		t.Errorf("led to %s", to)
	}
	m := kept(t, w, box)
	if m.ID != box.ID || m.Identity() != box.Identity() || m.Consent.Provider != "home" || m.Consent.Refresh.Empty() || !m.Password.Empty() {
		t.Errorf("the mailbox is %+v", m)
	}
	if got := strings.Join(w.Engine.Asked(), " "); got != "register resume" {
		t.Errorf("the engine was asked to %s", got)
	}
	says(t, w.do(t, browser, "GET", page+"/edit", ""), "opened with Home’s sign-in", "Connect again")
	// What is changed meanwhile leaves the tokens alone, and a password takes
	// their place.
	before := m.Consent.Refresh
	_, _, program := w.person(t, "owner")
	want(t, w.do(t, program, "PATCH", "/api/v1"+page, `{"name":"older"}`), 200)
	if m = kept(t, w, box); m.Name != "older" || !m.Consent.Refresh.Equal(before) {
		t.Errorf("a new name has changed more: %+v", m)
	}
	want(t, w.do(t, program, "PATCH", "/api/v1"+page, `{"password":"newer"}`), 200)
	if m = kept(t, w, box); m.Consent.Provider != "" || m.Password.RevealString() != "newer" {
		t.Errorf("a password has not taken the place: %+v", m)
	}
}

func TestAPasswordIsOfferedOnlyWhereOneIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // no sign-in is configured
	_, browser, _ := w.person(t, "owner")
	advice := discover.For("outlook.office365.com", "imap")
	w.Found = []discover.Candidate{{Protocol: "imap", Host: "outlook.office365.com", Port: 993, Security: "tls", Username: "ann@outlook.com", Auth: advice.Auth, Source: "ispdb", Hint: advice.Text}}
	a := w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@outlook.com"}})
	says(t, a, `class="way tokens"`, "this installation has no sign-in for it", "SMTPSYNC_OAUTH_SOURCES_FILE", "Microsoft takes no passwords")
	f := filled(t, a, newPath)
	f.Set("step", "test")
	want(t, w.submit(t, browser, newPath, f), 422)
	f.Set("connect", f.Get("way"))
	a = w.submit(t, browser, newPath, f)
	want(t, a, 422)
	says(t, a, "no sign-in for outlook.office365.com")
	if len(w.Probed()) > 0 {
		t.Error("it was tried without anything to open it")
	}

	for host, step := range map[string]string{"imap.mail.yahoo.com": "Generate app password", "imap.aol.com": "login.aol.com", "imap.mail.me.com": "App-Specific Passwords",
		"imap.gmx.net": "POP3 & IMAP", "imap.web.de": "WEB.DE in a browser", "imap.gmail.com": "2-Step Verification"} {
		w.Found = []discover.Candidate{{Protocol: "imap", Host: host, Port: 993, Security: "tls", Username: "ann", Auth: "app-password", Source: "ispdb", Hint: discover.For(host, "imap").Text}}
		a := w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@x.example"}})
		says(t, a, "Step by step", "<ol><li>", step, `type="password"`)
		if strings.Contains(string(a.body), `class="way tokens"`) {
			t.Errorf("%s takes a password", host)
		}
	}
}

// A consent that is good stays so where the mailbox cannot be opened yet: it may
// be a switch at the provider.
func TestATestThatFailsKeepsTheConsent(t *testing.T) {
	t.Parallel()
	w, s := withHome(t)
	_, browser, _ := w.person(t, "owner")
	f := filled(t, w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@home.example"}}), newPath)
	f.Set("connect", f.Get("way"))
	f = filled(t, w.comesBack(t, browser, leaves(t, w.submit(t, browser, newPath, f), s), "ann", nil), newPath)
	f.Set("step", "test")
	w.Tried = probe.Result{Steps: append(good[:5:5], probe.Step{Name: "login", MS: 9, Code: "token_refused", Detail: homeHost + " refused the login", Help: "switch IMAP on"})}
	a := w.submit(t, browser, newPath, f)
	want(t, a, 422)
	says(t, a, "token_refused", "Switch IMAP on", `href="#connect"`, "Home lets us read", "Sign in again")
	w.answers()
	f = filled(t, a, newPath)
	f.Set("step", "test")
	want(t, w.submit(t, browser, newPath, f), 200)
}

func TestTheAPINamesSignInsAndTakesThem(t *testing.T) {
	t.Parallel()
	w, _ := withHome(t)
	user, _, program := w.person(t, "owner")
	a := w.do(t, program, "GET", "/api/v1/discover?address=ann@home.example", "")
	says(t, a, `"provider":"home"`)
	def := `{"protocol":"imap","host":"` + homeHost + `","username":"ann","history":"all",%s}`
	for more, in := range map[string]string{
		`"provider":"google"`:                           "provider",
		`"provider":"home","password":"` + canary + `"`: "provider",
		`"label":"x"`:                                   "password",
	} {
		a := w.do(t, program, "POST", "/api/v1/mailboxes", fmt.Sprintf(def, more))
		want(t, a, 422)
		if p := a.problem(t); len(p.Errors) != 1 || p.Errors[0].Field != in {
			t.Errorf("%s: %+v, want %s", more, p.Errors, in)
		}
	}
	a = w.do(t, program, "POST", "/api/v1/mailboxes/test", fmt.Sprintf(def, `"provider":"home"`))
	if a.StatusCode != 200 && a.StatusCode != 422 {
		t.Errorf("a test without a consent: %d", a.StatusCode)
	}
	a = w.do(t, program, "POST", "/api/v1/mailboxes", fmt.Sprintf(def, `"provider":"home"`))
	want(t, a, 201)
	says(t, a, `"provider":"home"`)
	all, err := w.Accounts.Mailboxes(context.Background(), user)
	if err != nil || len(all) != 1 || all[0].Consent.Provider != "home" || !all[0].Consent.Refresh.Empty() {
		t.Errorf("%+v, %v", all, err)
	}
}

var _ server.Sources = (*oauth.Clients)(nil)
var _ = vault.Secret{}
