package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// open makes a service that nobody has signed in to yet, with a page in
// Google's place that waits for an answer.
func open(t testing.TB, o gmailtest.Options) *service {
	t.Helper()
	s := &service{installation: install(t, o), pages: free(t), figures: free(t)}
	s.env["SMTPSYNC_LISTEN"], s.env["SMTPSYNC_METRICS_LISTEN"] = s.pages, s.figures
	s.env["SMTPSYNC_PUBLIC_URL"] = "http://" + s.pages
	s.env["SMTPSYNC_POLL_EVERY"] = "1s"
	s.env["SMTPSYNC_SOURCE_LOGINS_PER_SECOND"] = "0"
	s.gmail.SetConsent(gmailtest.Consent{Page: true})
	return s
}

// visitor is one person with a browser that knows no JavaScript, or with curl.
type visitor struct {
	t      testing.TB
	site   string
	client *http.Client
	bearer string // a token in place of the cookies
}

func visit(t testing.TB, s *service) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, site: "http://" + s.pages, client: &http.Client{Jar: jar, Timeout: 90 * time.Second}}
}

// script is the same person's program with a token.
func (v *visitor) script(token string) *visitor {
	return &visitor{t: v.t, site: v.site, client: &http.Client{Timeout: 90 * time.Second}, bearer: token}
}

// page is an answer with its text.
type page struct {
	*http.Response
	text string
}

func (v *visitor) do(r *http.Request) page {
	v.t.Helper()
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return page{res, string(b)}
}

func (v *visitor) request(method, address string, body io.Reader) *http.Request {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, address, body)
	if err != nil {
		v.t.Fatal(err)
	}
	return r
}

// get opens a page, following redirects.
func (v *visitor) get(path string) page {
	v.t.Helper()
	return v.do(v.request(http.MethodGet, v.site+path, nil))
}

// send sends a form to an address.
func (v *visitor) send(address string, form url.Values) page {
	v.t.Helper()
	r := v.request(http.MethodPost, address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

// call does what curl would, and gives status and answer.
func (v *visitor) call(method, path string, body any) (int, map[string]any) {
	v.t.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			v.t.Fatal(err)
		}
	}
	r := v.request(method, v.site+"/api/v1"+path, bytes.NewReader(b))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case v.bearer != "":
		r.Header.Set("Authorization", "Bearer "+v.bearer)
	case method != http.MethodGet:
		r.Header.Set("X-CSRF-Token", v.csrf())
	}
	p := v.do(r)
	out := map[string]any{}
	if strings.HasPrefix(p.text, "[") {
		var list []any
		if err := json.Unmarshal([]byte(p.text), &list); err != nil {
			v.t.Fatalf("%s %s: %v", method, path, err)
		}
		return p.StatusCode, map[string]any{"list": list}
	}
	if p.text != "" {
		if err := json.Unmarshal([]byte(p.text), &out); err != nil {
			v.t.Fatalf("%s %s: %d %s: %v", method, path, p.StatusCode, p.text, err)
		}
	}
	return p.StatusCode, out
}

// want is call, and fails unless the status is this one.
func (v *visitor) want(status int, method, path string, body any) map[string]any {
	v.t.Helper()
	got, out := v.call(method, path, body)
	if got != status {
		v.t.Fatalf("%s %s: %d %v; want %d", method, path, got, out, status)
	}
	return out
}

func (v *visitor) csrf() string {
	v.t.Helper()
	got := struct{ CSRF string }{}
	p := v.get("/api/v1/session")
	if err := json.Unmarshal([]byte(p.text), &got); err != nil || p.StatusCode == http.StatusOK && got.CSRF == "" {
		v.t.Fatalf("session: %d %s", p.StatusCode, p.text)
	}
	return got.CSRF
}

var offered = regexp.MustCompile(`name="(email|scope|decision)" value="([^"]*)"`)

// consent answers the page in Google's place, on which there must be what is
// chosen.
func (v *visitor) consent(p page, answer url.Values) page {
	v.t.Helper()
	choices := offered.FindAllStringSubmatch(p.text, -1)
	for name, values := range answer {
		for _, value := range values {
			if !slices.ContainsFunc(choices, func(c []string) bool { return c[1] == name && c[2] == value }) {
				v.t.Fatalf("%s offers no %s %q:\n%s", p.Request.URL, name, value, p.text)
			}
		}
	}
	return v.send(p.Request.URL.String(), answer)
}

// signIn goes through Google as this account.
func (v *visitor) signIn(email string) page {
	v.t.Helper()
	return v.consent(v.get("/auth/google/login"), url.Values{"email": {email}, "decision": {"allow"}})
}

// grant gives access with these scopes ticked.
func (v *visitor) grant(email string, scopes ...string) page {
	v.t.Helper()
	if p := v.get("/auth/google/grant"); p.StatusCode != http.StatusOK {
		v.t.Fatalf("the page that asks for access: %d", p.StatusCode)
	}
	asked := v.send(v.site+"/auth/google/grant", url.Values{"csrf": {v.csrf()}})
	return v.consent(asked, url.Values{"email": {email}, "scope": scopes, "decision": {"allow"}})
}

// grantLabels gives access to labels too.
func (v *visitor) grantLabels(email string) {
	v.t.Helper()
	asked := v.send(v.site+"/auth/google/grant?labels=1", url.Values{"csrf": {v.csrf()}})
	back := v.consent(asked, url.Values{"email": {email}, "scope": {gmailtest.ScopeInsert, gmailtest.ScopeLabels}, "decision": {"allow"}})
	if back.StatusCode != http.StatusOK {
		v.t.Fatalf("the permission for labels: %d %s", back.StatusCode, back.Request.URL)
	}
}

// deliver puts a mail into a mailbox.
func deliver(t testing.TB, d *dovecot.Server, name string, n uint64) {
	t.Helper()
	if err := d.Deliver(name, "", testkit.Message(n)); err != nil {
		t.Fatal(err)
	}
}

// at digs a value out of an answer.
func at(m map[string]any, path ...string) any {
	var v any = m
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}
