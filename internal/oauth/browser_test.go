package oauth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
)

// A browser without JavaScript, through every page: sign in, give access with a
// box unticked, give all of it, say no.
func TestWholeFlowThroughTheConsentPage(t *testing.T) {
	t.Parallel()
	l, p := double(t, gmailtest.Options{})
	l.AddUser("second@example.org")
	l.SetConsent(gmailtest.Consent{Page: true})
	b := newBrowser(t, p)

	got := b.through(t, "/login", url.Values{"email": {user}, "decision": {"allow"}})
	if got != "identity "+user+" refresh=false missing=[] to=/audit" {
		t.Errorf("sign-in: %s", got)
	}
	got = b.through(t, "/grant", url.Values{"email": {user}, "scope": {oauth.ScopeInsert}, "decision": {"allow"}})
	if got != "grant "+user+" refresh=true missing=["+oauth.ScopeLabels+"] to=/settings" {
		t.Errorf("one box unticked: %s", got)
	}
	got = b.through(t, "/grant", url.Values{"email": {user}, "scope": {oauth.ScopeInsert, oauth.ScopeLabels}, "decision": {"allow"}})
	if got != "grant "+user+" refresh=true missing=[] to=/settings" {
		t.Errorf("all ticked: %s", got)
	}
	got = b.through(t, "/grant", url.Values{"email": {user}, "scope": {oauth.ScopeInsert}, "decision": {"deny"}})
	if got != "fault grant_denied to=/settings" {
		t.Errorf("no: %s", got)
	}
	got = b.through(t, "/grant", url.Values{"other": {" second@example.org "}, "scope": {oauth.ScopeInsert}, "decision": {"allow"}})
	if got != "fault grant_person to=/settings" {
		t.Errorf("another account: %s", got)
	}
}

// browser is a client with cookies at a small web service of the test.
type browser struct {
	client *http.Client
	site   string
}

func newBrowser(t *testing.T, p *oauth.Provider) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := p.Visits(flowKey, nil)
	mux := http.NewServeMux()
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	session := oauth.Identity{}
	begin := func(ask func() oauth.Ask) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			address, cookie, err := v.Begin(r.Context(), ask())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "flow", Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(oauth.FlowLife.Seconds())})
			http.Redirect(w, r, address, http.StatusSeeOther)
		}
	}
	mux.HandleFunc("GET /login", begin(func() oauth.Ask { return oauth.AskIdentity(site.URL+"/callback", "/audit") }))
	mux.HandleFunc("GET /grant", begin(func() oauth.Ask { return oauth.AskGrant(site.URL+"/callback", session, true, "/settings") }))
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("flow")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ask, g, err := v.End(r.Context(), cookie.Value, r.URL.Query(), session.Sub)
		kind := map[bool]string{true: "grant", false: "identity"}[ask.Grants()]
		if f, ok := mail.AsFault(err); ok {
			fmt.Fprintf(w, "fault %s to=%s", f.Code, ask.Return)
			return
		}
		session = g.Identity
		fmt.Fprintf(w, "%s %s refresh=%v missing=%v to=%s", kind, g.Email, !g.Refresh.Empty(), g.Missing(ask.Scopes), ask.Return)
	})
	return &browser{&http.Client{Jar: jar}, site.URL}
}

var field = regexp.MustCompile(`name="(email|other|scope|decision)" value="([^"]*)"`)

// through goes to a page of the site, lands on the consent page and answers it.
func (b *browser) through(t *testing.T, path string, answer url.Values) string {
	t.Helper()
	resp, err := b.client.Get(b.site + path)
	if err != nil {
		t.Fatal(err)
	}
	page := text(t, resp)
	offered := map[string][]string{}
	for _, m := range field.FindAllStringSubmatch(page, -1) {
		offered[m[1]] = append(offered[m[1]], m[2])
	}
	for name, values := range answer {
		for _, v := range values {
			if name != "other" && !slices.Contains(offered[name], v) {
				t.Errorf("the page at %s has no %s %q to choose", path, name, v)
			}
		}
	}
	resp, err = b.client.PostForm(resp.Request.URL.String(), answer)
	if err != nil {
		t.Fatal(err)
	}
	return text(t, resp)
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
