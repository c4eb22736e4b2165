package oauth_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var flowKey = vault.NewSecret("0123456789abcdef0123456789abcdef")

// keyed stands for the form in which a session knows a sub.
func keyed(sub string) string { return "h(" + sub + ")" }

// trip is one visit that a test may spoil on the way.
type trip struct {
	l       *gmailtest.Listening
	v       *oauth.Visits
	cookie  string
	query   url.Values
	session string
}

func begin(t *testing.T, ask func(sub string) oauth.Ask, prepare ...func(*gmailtest.Listening)) *trip {
	t.Helper()
	l, p := double(t, gmailtest.Options{})
	for _, f := range prepare {
		f(l)
	}
	me := keyed(l.Sub(user))
	tr := &trip{l: l, v: p.Visits(flowKey, keyed), session: me}
	address, cookie, err := tr.v.Begin(t.Context(), ask(me))
	if err != nil {
		t.Fatal(err)
	}
	tr.cookie, tr.query = cookie, visit(t, address)
	return tr
}

func (tr *trip) end(t *testing.T) (oauth.Ask, oauth.Grant, error) {
	return tr.v.End(t.Context(), tr.cookie, tr.query, tr.session)
}

func identity(string) oauth.Ask { return oauth.AskIdentity(redirect, "/audit") }

func insert(me string) oauth.Ask {
	return oauth.AskGrant(redirect, oauth.Identity{Sub: me, Email: user}, false, "/settings?tab=google")
}

func labels(me string) oauth.Ask {
	return oauth.AskGrant(redirect, oauth.Identity{Sub: me, Email: user}, true, "/")
}

func TestVisitEndsWithWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	tr := begin(t, identity)
	tr.session = "" // nobody is signed in yet
	ask, g, err := tr.end(t)
	if err != nil || g.Sub != tr.l.Sub(user) || g.Email != user || !g.Refresh.Empty() || ask.Return != "/audit" || ask.Grants() {
		t.Errorf("identity: %+v %+v %v", ask, g, err)
	}
	tr = begin(t, labels)
	ask, g, err = tr.end(t)
	if err != nil || g.Refresh.Empty() || len(g.Missing(ask.Scopes)) != 0 || !ask.Labels() || !ask.Grants() {
		t.Errorf("grant: %+v %+v %v", ask, g, err)
	}
}

// Everything that ties a callback to the visit that began it, taken apart.
func TestCallbackOfAnotherVisitIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, tr *trip)
		code  string
	}{
		"no cookie":               {func(_ *testing.T, tr *trip) { tr.cookie = "" }, "grant_callback"},
		"a cookie of our own":     {func(_ *testing.T, tr *trip) { tr.cookie = base64.RawURLEncoding.EncodeToString(make([]byte, 200)) }, "grant_callback"},
		"a cookie altered":        {func(_ *testing.T, tr *trip) { tr.cookie = flip(tr.cookie) }, "grant_callback"},
		"a cookie not canonical":  {func(_ *testing.T, tr *trip) { tr.cookie += "=" }, "grant_callback"},
		"a cookie of another key": {otherKey, "grant_callback"},
		"another visit's cookie":  {otherVisit, "grant_callback"},
		"another state":           {func(_ *testing.T, tr *trip) { tr.query.Set("state", "x") }, "grant_callback"},
		"no state":                {func(_ *testing.T, tr *trip) { tr.query.Del("state") }, "grant_callback"},
		"two states":              {func(_ *testing.T, tr *trip) { tr.query.Add("state", "x") }, "grant_callback"},
		"two codes":               {func(_ *testing.T, tr *trip) { tr.query.Add("code", "x") }, "grant_callback"},
		"two issuers":             {func(_ *testing.T, tr *trip) { tr.query.Add("iss", "x") }, "grant_callback"},
		"no code":                 {func(_ *testing.T, tr *trip) { tr.query.Del("code") }, "grant_callback"},
		"a foreign issuer":        {func(_ *testing.T, tr *trip) { tr.query.Set("iss", "https://evil.example") }, "grant_callback"},
		"no issuer":               {func(_ *testing.T, tr *trip) { tr.query.Del("iss") }, "grant_callback"},
		"a made-up code":          {func(_ *testing.T, tr *trip) { tr.query.Set("code", "4/0Ax") }, "grant_code"},
		"a code of another visit": {swappedCode, "grant_code"},
		"a no":                    {func(_ *testing.T, tr *trip) { tr.query.Set("error", "access_denied") }, "grant_denied"},
		"a no without a code": {func(_ *testing.T, tr *trip) {
			tr.query.Del("code")
			tr.query.Set("error", "access_denied")
		}, "grant_denied"},
		"another session":  {func(_ *testing.T, tr *trip) { tr.session = keyed("2") }, "grant_person"},
		"signed out since": {func(_ *testing.T, tr *trip) { tr.session = "" }, "grant_person"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := begin(t, insert)
			c.spoil(t, tr)
			_, g, err := tr.end(t)
			wantFault(t, err, mail.Grant, c.code)
			if g.Sub != "" || !g.Refresh.Empty() {
				t.Errorf("a grant in spite of it: %+v", g)
			}
		})
	}
}

// flip changes the middle of a cookie.
func flip(s string) string {
	b := []byte(s)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func otherKey(t *testing.T, tr *trip) {
	p := provider(t, tr.l.URL, gmailtest.DefaultClientSecret, &http.Transport{})
	var err error
	var address string
	if address, tr.cookie, err = p.Visits(vault.NewSecret(strings.Repeat("k", 32)), keyed).Begin(t.Context(), insert(tr.session)); err != nil {
		t.Fatal(err)
	}
	tr.query = visit(t, address)
}

// otherVisit: somebody lures a browser onto a callback of his own.
func otherVisit(t *testing.T, tr *trip) {
	var err error
	if _, tr.cookie, err = tr.v.Begin(t.Context(), insert(tr.session)); err != nil {
		t.Fatal(err)
	}
}

func swappedCode(t *testing.T, tr *trip) {
	address, _, err := tr.v.Begin(t.Context(), insert(tr.session))
	if err != nil {
		t.Fatal(err)
	}
	tr.query.Set("code", visit(t, address).Get("code"))
}

func TestAnswerIsGoodOnce(t *testing.T) {
	t.Parallel()
	tr := begin(t, identity)
	if _, _, err := tr.end(t); err != nil {
		t.Fatal(err)
	}
	before := tr.l.Stats().Requests[gmailtest.Token]
	_, _, err := tr.end(t)
	wantFault(t, err, mail.Grant, "grant_callback")
	if n := tr.l.Stats().Requests[gmailtest.Token]; n != before {
		t.Error("a used answer was taken to Google once more")
	}
}

// Luring a browser onto a callback with a made-up state must not use up the
// visit it is on.
func TestForgedCallbackDoesNotSpoilTheVisit(t *testing.T) {
	t.Parallel()
	tr := begin(t, identity)
	good := tr.query.Get("state")
	tr.query.Set("state", "x")
	_, _, err := tr.end(t)
	wantFault(t, err, mail.Grant, "grant_callback")
	tr.query.Set("state", good)
	if _, _, err := tr.end(t); err != nil {
		t.Errorf("the visit it was aimed at: %v", err)
	}
}

func TestVisitEndsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	for late, ok := range map[time.Duration]bool{9*time.Minute + 58*time.Second: true, 10 * time.Minute: false} {
		synctest.Test(t, func(t *testing.T) {
			l, p := piped(t, gmailtest.Options{})
			v := p.Visits(flowKey, nil)
			address, cookie, err := v.Begin(t.Context(), oauth.AskIdentity(redirect, "/"))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(late)
			u, _ := url.Parse(address)
			r := httptest.NewRecorder() // the person decides at the last moment
			l.ServeHTTP(r, httptest.NewRequest(http.MethodGet, u.RequestURI(), nil).WithContext(t.Context()))
			back, err := r.Result().Location()
			if err != nil {
				t.Fatal(err)
			}
			q := back.Query()
			q.Set("iss", "http://127.0.0.1") // the recorder's host has another name
			_, _, err = v.End(t.Context(), cookie, q, "")
			if ok && err != nil {
				t.Errorf("after %v: %v", late, err)
			}
			if !ok {
				wantFault(t, err, mail.Grant, "grant_callback")
			}
		})
	}
}

func TestGrantOfAnotherAccountIsRefusedAndNotRevoked(t *testing.T) {
	t.Parallel()
	const other = "other@example.org"
	var theirs string
	tr := begin(t, insert, func(l *gmailtest.Listening) {
		theirs = l.RefreshToken(other)
		l.SetConsent(gmailtest.Consent{Email: other})
	})
	_, g, err := tr.end(t)
	wantFault(t, err, mail.Grant, "grant_person")
	if !g.Refresh.Empty() {
		t.Error("the other account's token was given out")
	}
	p := provider(t, tr.l.URL, gmailtest.DefaultClientSecret, &http.Transport{})
	if _, err := p.Source(vault.NewSecret(theirs)).Token(t.Context(), vault.Secret{}); err != nil {
		t.Errorf("the other person's own grant: %v", err)
	}
}

func TestMissingNamesUntickedScopes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		untick, missing []string
	}{
		"all ticked": {nil, nil},
		"no labels":  {[]string{oauth.ScopeLabels}, []string{oauth.ScopeLabels}},
		"no insert":  {[]string{oauth.ScopeInsert}, []string{oauth.ScopeInsert}},
		"neither":    {[]string{oauth.ScopeInsert, oauth.ScopeLabels}, []string{oauth.ScopeInsert, oauth.ScopeLabels}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := begin(t, labels, func(l *gmailtest.Listening) { l.SetConsent(gmailtest.Consent{Untick: c.untick}) })
			ask, g, err := tr.end(t)
			if err != nil || g.Refresh.Empty() {
				t.Fatalf("%+v %v", g, err)
			}
			if got := g.Missing(ask.Scopes); !slices.Equal(got, c.missing) {
				t.Errorf("missing = %v, want %v", got, c.missing)
			}
		})
	}
}

func TestGrantWithoutARefreshTokenSaysHowToGetOne(t *testing.T) {
	t.Parallel()
	for scope, want := range map[string]string{oauth.ScopeInsert: "grant_offline", "": "grant_scope_missing", oauth.ScopeLabels: "grant_scope_missing"} {
		tr := begin(t, insert)
		body := fmt.Sprintf(`{"access_token":"a","token_type":"Bearer","expires_in":3599,"scope":"openid %s","id_token":%q}`, scope, tr.idToken(t))
		tr.l.Next(gmailtest.Fault{At: gmailtest.Token, Kind: gmailtest.Answer, Status: 200, Body: body, Header: map[string]string{"Content-Type": "application/json"}})
		_, _, err := tr.end(t)
		wantFault(t, err, mail.Grant, want)
		if f, _ := mail.AsFault(err); f == nil || f.Help == "" {
			t.Error("no cure")
		}
	}
}

var nonceIn = regexp.MustCompile(`nonce=([^&]+)`)

// idToken replaces the visit by another one and gives a good ID token for it.
func (tr *trip) idToken(t *testing.T) string {
	t.Helper()
	address, cookie, err := tr.v.Begin(t.Context(), insert(tr.session))
	if err != nil {
		t.Fatal(err)
	}
	tr.cookie, tr.query = cookie, visit(t, address)
	nonce := nonceIn.FindStringSubmatch(address)[1]
	now := time.Now().Unix()
	return tr.l.SignIDToken(map[string]any{"iss": tr.l.URL, "aud": gmailtest.DefaultClientID, "sub": tr.l.Sub(user), "email": user,
		"email_verified": true, "iat": now, "exp": now + 3600, "nonce": nonce})
}

func TestCookieShowsNothingAndFitsABrowser(t *testing.T) {
	t.Parallel()
	_, p := double(t, gmailtest.Options{})
	ask := oauth.AskGrant("https://"+strings.Repeat("h", 253)+"/auth/google/callback",
		oauth.Identity{Sub: strings.Repeat("1", 64), Email: strings.Repeat("e", 254)}, true, "/"+strings.Repeat("p", 511))
	_, cookie, err := p.Visits(flowKey, nil).Begin(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if len(cookie) > 3500 {
		t.Errorf("cookie of %d octets: browsers take 4,096 with its name and attributes", len(cookie))
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || strings.Contains(string(raw), "eee") || strings.Contains(string(raw), "111") {
		t.Errorf("cookie is legible (%v)", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a key of 31 octets was taken")
		}
	}()
	p.Visits(vault.NewSecret(strings.Repeat("k", 31)), nil)
}
