package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// browser keeps cookies as one does.
type browser struct {
	w       *world
	cookies map[string]string
}

func newBrowser(w *world) *browser { return &browser{w, map[string]string{}} }

func (b *browser) send(t *testing.T, method, target string, form url.Values) answered {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://mail.example.org")
	}
	for name, v := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: v})
	}
	a := b.w.raw(t, r)
	for _, c := range a.Cookies() {
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %v", c)
		}
		if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Year() < 2000 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return a
}

// away goes to a page that leads to Google, and gives the state to come back with.
func (b *browser) away(t *testing.T, method, path string, form url.Values) string {
	t.Helper()
	a := b.send(t, method, "https://mail.example.org"+path, form)
	want(t, a, 303)
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || u.Host != "accounts.google.example" || u.Query().Get("redirect_uri") != "https://mail.example.org/auth/google/callback" {
		t.Fatalf("away to %s", a.Header.Get("Location"))
	}
	return u.Query().Get("state")
}

func (b *browser) back(t *testing.T, query url.Values) answered {
	t.Helper()
	return b.send(t, "GET", "https://mail.example.org/auth/google/callback?"+query.Encode(), nil)
}

// signIn goes through the whole.
func (b *browser) signIn(t *testing.T, sub string) answered {
	t.Helper()
	b.w.Google.Comes = oauth.Grant{Identity: oauth.Identity{Sub: sub, Email: sub + "@gmail.example"}}
	return b.back(t, url.Values{"state": {b.away(t, "GET", "/auth/google/login", nil)}, "code": {"c"}})
}

func (b *browser) csrf() string { return session.CSRF(vault.NewSecret(b.cookies["__Host-session"])) }

func TestWhoComesBackFromGoogleIsSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	state := b.away(t, "GET", "/auth/google/login?return=%2Faudit%3Fstatus%3Dfailed", nil)
	w.Google.Comes = oauth.Grant{Identity: oauth.Identity{Sub: "1", Email: "a@gmail.example"}}
	a := b.back(t, url.Values{"state": {state}, "code": {"c"}})
	want(t, a, 303)
	if got := a.Header.Get("Location"); got != "https://mail.example.org/audit?status=failed" {
		t.Errorf("back to %s", got)
	}
	if _, left := b.cookies["__Host-signin"]; left || len(b.cookies) != 1 {
		t.Errorf("cookies %v", b.cookies)
	}
	me := w.do(t, as{cookie: secret(b.cookies["__Host-session"])}, "GET", "/api/v1/me", "")
	want(t, me, 200)
	if got := read[api.Me](t, me); got.Email != "a@gmail.example" || got.Grant.Status != "none" {
		t.Errorf("got %+v", got)
	}
}

func TestNobodyIsSentElsewhereAfterSigningIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, to := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "/%0d%0aSet-Cookie:x=y", "javascript:alert(1)", "/\r\nx"} {
		b := newBrowser(w)
		state := b.away(t, "GET", "/auth/google/login?return="+url.QueryEscape(to), nil)
		w.Google.Comes = oauth.Grant{Identity: oauth.Identity{Sub: "1", Email: "a@gmail.example"}}
		a := b.back(t, url.Values{"state": {state}, "code": {"c"}})
		if got := a.Header.Get("Location"); !strings.HasPrefix(got, "https://mail.example.org/") || strings.Contains(got, "evil") && !strings.HasPrefix(got, "https://mail.example.org/%") {
			t.Errorf("%q leads to %q", to, got)
		}
	}
}

func TestACallbackThatIsNotThisBrowsersSignsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Google.Comes = oauth.Grant{Identity: oauth.Identity{Sub: "1", Email: "a@gmail.example"}}
	other := newBrowser(w)
	foreign := other.away(t, "GET", "/auth/google/login", nil)
	for name, back := range map[string]func(b *browser) answered{
		"no cookie": func(b *browser) answered { return b.back(t, url.Values{"state": {foreign}, "code": {"c"}}) },
		"another's state": func(b *browser) answered {
			b.away(t, "GET", "/auth/google/login", nil)
			return b.back(t, url.Values{"state": {foreign}, "code": {"c"}})
		},
		"no state": func(b *browser) answered {
			b.away(t, "GET", "/auth/google/login", nil)
			return b.back(t, url.Values{"code": {"c"}})
		},
		"replayed": func(b *browser) answered {
			state := b.away(t, "GET", "/auth/google/login", nil)
			flow := b.cookies["__Host-signin"]
			want(t, b.back(t, url.Values{"state": {state}, "code": {"c"}}), 303)
			b.cookies = map[string]string{"__Host-signin": flow}
			return b.back(t, url.Values{"state": {state}, "code": {"c"}})
		},
	} {
		b := newBrowser(w)
		a := back(b)
		if a.StatusCode != 400 || b.cookies["__Host-session"] != "" || b.cookies["__Host-signin"] != "" {
			t.Errorf("%s: %d, cookies %v", name, a.StatusCode, b.cookies)
		}
	}
}

func TestNoAtGoogleChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	state := b.away(t, "GET", "/auth/google/login", nil)
	a := b.back(t, url.Values{"state": {state}, "error": {"access_denied"}})
	if a.StatusCode != 200 || !strings.Contains(string(a.body), "Nothing was changed") || len(b.cookies) != 0 {
		t.Errorf("%d %s %v", a.StatusCode, a.body, b.cookies)
	}
}

func TestACookieFromBeforeTheSignInIsOfNoUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planted := w.Cookie(t, w.User(t, "attacker")) // and a made-up one
	for _, before := range []vault.Secret{planted, session.NewCookie()} {
		b := newBrowser(w)
		b.cookies["__Host-session"] = before.RevealString()
		want(t, b.signIn(t, "victim"), 303)
		if b.cookies["__Host-session"] == before.RevealString() {
			t.Fatal("the session's cookie stayed as it was")
		}
		wantProblem(t, w.do(t, as{cookie: before}, "GET", "/api/v1/me", ""), 401, "session_expired", "")
	}
}

func TestSignUpFollowsTheRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   account.SignUp
		status []int // of first and second
	}{
		{account.SignUp{Rule: "open"}, []int{303, 303}},
		{account.SignUp{Rule: "first"}, []int{303, 403}},
		{account.SignUp{Rule: "list", Emails: []string{"TWO@gmail.example"}}, []int{403, 303}},
	} {
		w := newWorld(t, func(o *server.Options) { o.SignUp = c.rule })
		for i, sub := range []string{"one", "two"} {
			b := newBrowser(w)
			a := b.signIn(t, sub)
			want(t, a, c.status[i])
			if signed := b.cookies["__Host-session"] != ""; signed != (c.status[i] == 303) {
				t.Errorf("%s: %s signed in: %v", c.rule.Rule, sub, signed)
			}
			if again := newBrowser(w).signIn(t, sub); again.StatusCode != c.status[i] {
				t.Errorf("%s: %s the second time: %d", c.rule.Rule, sub, again.StatusCode)
			}
		}
	}
}

// connect gives access for what Google says that was ticked.
func (b *browser) connect(t *testing.T, sub, path string, scopes ...string) answered {
	t.Helper()
	state := b.away(t, "POST", path, url.Values{"csrf": {b.csrf()}})
	b.w.Google.Comes = oauth.Grant{Identity: oauth.Identity{Sub: sub, Email: sub + "@gmail.example"}, Refresh: secret("refresh"), Scopes: scopes}
	return b.back(t, url.Values{"state": {state}, "code": {"c"}})
}

func TestAccessIsGivenOnAPageThatSaysWhatIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	b.signIn(t, "one")
	before := b.cookies["__Host-session"]
	a := b.send(t, "GET", "https://mail.example.org/auth/google/grant", nil)
	want(t, a, 200)
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), "form-action 'self' https://accounts.google.example") {
		t.Errorf("policy %s", a.Header.Get("Content-Security-Policy"))
	}
	if body := string(a.body); !strings.Contains(body, "Add mail to your Gmail") || strings.Contains(body, "Manage labels") || !strings.Contains(body, b.csrf()) {
		t.Errorf("page %s", body)
	}
	for path, back := range map[string]string{"": "/mailboxes", "?return=%2Fsettings": "/settings", "?return=%2F%2Fevil.example": "/"} {
		a := b.connect(t, "one", "/auth/google/grant"+path, oauth.ScopeInsert)
		if want(t, a, 303); a.Header.Get("Location") != "https://mail.example.org"+back {
			t.Errorf("%q leads to %s", path, a.Header.Get("Location"))
		}
	}
	if b.cookies["__Host-session"] == before {
		t.Error("the session was not renewed")
	}
	me := read[api.Me](t, w.do(t, as{cookie: secret(b.cookies["__Host-session"])}, "GET", "/api/v1/me", ""))
	if me.Grant.Status != "active" || me.Grant.Scopes[0] != oauth.ScopeInsert {
		t.Errorf("got %+v", me.Grant)
	}
	if got := strings.Join(w.Engine.Asked(), " "); got != "user changed user changed user changed" {
		t.Errorf("the engine was asked to %s", got)
	}
}

func TestAnUntickedScopeIsIncompleteAndCanBeRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	b.signIn(t, "one")
	want(t, b.connect(t, "one", "/auth/google/grant", "openid"), 303)
	status := func() string {
		return read[api.Me](t, w.do(t, as{cookie: secret(b.cookies["__Host-session"])}, "GET", "/api/v1/me", "")).Grant.Status
	}
	if got := status(); got != "incomplete" {
		t.Errorf("status %s", got)
	}
	if a := b.send(t, "GET", "https://mail.example.org/auth/google/grant", nil); !strings.Contains(string(a.body), "unticked") {
		t.Errorf("the page does not say so: %s", a.body)
	}
	want(t, b.connect(t, "one", "/auth/google/grant?labels=1", oauth.ScopeInsert, oauth.ScopeLabels), 303)
	if got := status(); got != "active" {
		t.Errorf("status %s", got)
	}
}

func TestAnAnswerWithoutLastingPermissionTakesNoneAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	b.signIn(t, "one")
	want(t, b.connect(t, "one", "/auth/google/grant", oauth.ScopeInsert), 303)
	if a := b.connect(t, "one", "/auth/google/grant?labels=1", oauth.ScopeInsert); a.StatusCode != 409 {
		t.Errorf("status %d", a.StatusCode)
	}
	g, err := w.Accounts.Grant(t.Context(), w.User(t, "one"))
	if err != nil || g.RefreshToken.Empty() || g.Status != account.Active {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestWhoIsSignedOutOverAFormComesBackToItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	b.signIn(t, "one")
	b.cookies["__Host-session"] = session.NewCookie().RevealString() // it has ended
	for path, back := range map[string]string{"/mailboxes/new": "?return=%2fmailboxes%2fnew", "/auth/google/grant?labels=1": "?return=%2fauth%2fgoogle%2fgrant%3flabels%3d1", "/auth/logout": `"`} {
		a := b.send(t, "POST", "https://mail.example.org"+path, url.Values{"step": {"find"}})
		if want(t, a, 401); !strings.Contains(string(a.body), `href="/auth/google/login`+back) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestAccessThatAnotherSessionAskedForIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attacker, victim := newBrowser(w), newBrowser(w)
	attacker.signIn(t, "attacker")
	victim.signIn(t, "victim")
	state := attacker.away(t, "POST", "/auth/google/grant", url.Values{"csrf": {attacker.csrf()}})
	victim.cookies["__Host-signin"] = attacker.cookies["__Host-signin"] // planted
	w.Google.Comes = oauth.Grant{Identity: oauth.Identity{Sub: "attacker"}, Refresh: secret("r"), Scopes: []string{oauth.ScopeInsert}}
	if a := victim.back(t, url.Values{"state": {state}, "code": {"c"}}); a.StatusCode != 409 {
		t.Errorf("status %d", a.StatusCode)
	}
	if me := read[api.Me](t, w.do(t, as{cookie: secret(victim.cookies["__Host-session"])}, "GET", "/api/v1/me", "")); me.Grant.Status != "none" {
		t.Errorf("got %+v", me.Grant)
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	b.signIn(t, "one")
	cookie := secret(b.cookies["__Host-session"])
	want(t, b.send(t, "POST", "https://mail.example.org/auth/logout", url.Values{"csrf": {"wrong"}}), 403)
	want(t, b.send(t, "POST", "https://mail.example.org/auth/logout", url.Values{"csrf": {b.csrf()}}), 303)
	if len(b.cookies) != 0 {
		t.Errorf("cookies %v", b.cookies)
	}
	wantProblem(t, w.do(t, as{cookie: cookie}, "GET", "/api/v1/me", ""), 401, "session_expired", "")
}

func TestSecurityEventsAreAnsweredAsTheirReceiverSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kind := field{"Content-Type", "application/secevent+jwt"}
	want(t, w.raw(t, webhook("good", kind.value)), 202)
	a := w.raw(t, webhook("bad", kind.value))
	if want(t, a, 400); !strings.Contains(string(a.body), "invalid_request") {
		t.Errorf("got %s", a.body)
	}
	want(t, w.raw(t, webhook("good", "application/json")), 400)
}

func webhook(body, kind string) *http.Request {
	r := httptest.NewRequest("POST", "/webhooks/google/risc", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	return r
}
