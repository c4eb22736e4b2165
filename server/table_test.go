package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server"
)

// bodies are what the routes with a body accept.
var bodies = map[string]string{
	"patchMe":       `{"locale":"de"}`,
	"createToken":   `{"name":"n","scopes":["audit:read"]}`,
	"createMailbox": newMailbox,
	"testMailbox":   newMailbox,
	"patchMailbox":  `{"name":"x"}`,
	"estimate":      `{"history":"all"}`,
	"tryPlugin":     `{"header":"From: a@b.example"}`,
	"tryRule":       `{"mailbox":"x"}`,
	"createRule":    `{"name":"n","plugin":"label-by-list-id"}`,
	"replaceRule":   `{"name":"n","plugin":"label-by-list-id"}`,
}

const newMailbox = `{"name":"Old","protocol":"imap","host":"imap.example.com","port":993,"security":"tls","username":"me","password":"sesame","history":"all"}`

// queries are the parameters that some routes need.
var queries = map[string]string{"discover": "?address=a@b.example", "why": "?mailbox={id}&date=2024-01-31"}

func request(r server.Row, thing string) *http.Request {
	target := strings.ReplaceAll("https://mail.example.org"+r.Path+queries[r.ID], "{id}", thing)
	q := httptest.NewRequest(r.Method, target, strings.NewReader(bodies[r.ID]))
	if r.Body {
		q.Header.Set("Content-Type", "application/json")
	}
	return q
}

func signed(q *http.Request, who as) *http.Request {
	if who.token != "" {
		q.Header.Set("Authorization", "Bearer "+who.token)
	}
	if !who.cookie.Empty() {
		q.AddCookie(&http.Cookie{Name: "__Host-session", Value: who.cookie.RevealString()})
	}
	return q
}

func TestEveryRouteThatIsSomebodysWantsToKnowWho(t *testing.T) {
	t.Parallel()
	odd := map[string]as{
		"nobody": {}, "a token that is none": {token: "smtps_x"}, "a cookie that is none": {cookie: session.NewCookie()},
		"a cookie in another form": {cookie: secret("../../etc")}, "a made-up token": {token: session.NewTokenText().RevealString()},
	}
	for name, who := range odd {
		w := newWorld(t) // who is nobody has few requests
		box := w.Mailbox(t, w.User(t, "owner"), "old").ID.String()
		for _, r := range w.svc.Rows() {
			if r.Page && who.token != "" || !r.Person && !r.Personal {
				continue
			}
			if a := w.raw(t, signed(request(r, box), who)); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s by %s: %d", r.ID, name, a.StatusCode)
			}
		}
		if asked := w.Engine.Asked(); len(asked) > 0 {
			t.Errorf("the engine was asked to %v by %s", asked, name)
		}
	}
}

func TestATokenWithoutTheScopeIsRefusedOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.User(t, "owner")
	box := w.Mailbox(t, user, "old").ID.String()
	scopes := []string{"mailboxes:read", "mailboxes:write", "audit:read", "rules:write", "account:write"}
	with := map[string]as{}
	for _, has := range scopes {
		with[has] = as{token: w.Token(t, user, has)}
	}
	for _, r := range w.svc.Rows() {
		if r.Page || r.Scope == "" {
			continue
		}
		for _, has := range scopes {
			noun, _, _ := strings.Cut(r.Scope, ":")
			if has == r.Scope || r.Scope == noun+":read" && has == noun+":write" {
				continue
			}
			a := w.raw(t, signed(request(r, box), with[has]))
			if a.StatusCode != http.StatusForbidden || a.problem(t).Code != "scope_missing" {
				t.Errorf("%s with %s alone: %d", r.ID, has, a.StatusCode)
			}
		}
	}
}

func TestATokenIsNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	for _, r := range w.svc.Rows() {
		if !r.Person {
			continue
		}
		a := w.raw(t, signed(request(r, ""), program))
		if !r.Page && a.StatusCode != http.StatusForbidden || r.Page && a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", r.ID, a.StatusCode)
		}
	}
}

func TestWhatIsSomebodyElsesIsNotFoundOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, _, _ := w.person(t, "owner")
	box := w.Mailbox(t, owner, "old")
	w.Books.Append(owner, audit.Entry{Mailbox: box.ID, Status: mail.Rejected, Domain: "a.example"})
	page, err := w.Books.List(t.Context(), owner, audit.Filter{}, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := w.Sessions.Tokens(t.Context(), owner)
	sessions, _ := w.Sessions.Sessions(t.Context(), owner)
	_, browser, program := w.person(t, "stranger")
	seen := 0
	for _, r := range w.svc.Rows() {
		if !strings.Contains(r.Path+queries[r.ID], "{id}") || r.ID == "getReceipt" {
			continue
		}
		for _, thing := range []string{box.ID.String(), page.Entries[0].ID.String(), tokens[0].ID.String(), sessions[0].ID.String(), id.New[id.Mailbox]().String(), "x", strings.ToUpper(box.ID.String())} {
			who := program
			q := signed(request(r, thing), who)
			if r.Page {
				q = signed(request(r, thing), browser)
				q.Header.Set("X-CSRF-Token", session.CSRF(browser.cookie))
			}
			if a := w.raw(t, q); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s of %s: %d %s", r.ID, thing, a.StatusCode, a.body)
			}
			seen++
		}
	}
	if seen < 60 {
		t.Errorf("only %d requests", seen)
	}
	if asked := w.Engine.Asked(); len(asked) > 0 {
		t.Errorf("the engine was asked to %v", asked)
	}
	wantProblem(t, w.do(t, program, "GET", "/api/v1/audit?mailbox="+box.ID.String(), ""), 404, "not_found", "")
	if a := w.do(t, program, "GET", "/api/v1/audit", ""); strings.Contains(string(a.body), "a.example") {
		t.Error("a stranger sees the audit")
	}
}

func TestAnUnsafeRequestOfABrowserNeedsTheTokenOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	_, other, _ := w.person(t, "other")
	box := w.Mailbox(t, user, "old").ID.String()
	for name, fields := range map[string]func(own string) []field{
		"no token":          func(string) []field { return nil },
		"another's token":   func(string) []field { return []field{{"X-CSRF-Token", session.CSRF(other.cookie)}} },
		"from another site": func(own string) []field { return []field{{"X-CSRF-Token", own}, {"Origin", "https://evil.example"}} },
		"from a sandbox":    func(own string) []field { return []field{{"X-CSRF-Token", own}, {"Origin", "null"}} },
		"from another port": func(own string) []field {
			return []field{{"X-CSRF-Token", own}, {"Origin", "https://mail.example.org:8443"}}
		},
		"so says the browser":   func(own string) []field { return []field{{"X-CSRF-Token", own}, {"Sec-Fetch-Site", "cross-site"}} },
		"from a sister's pages": func(own string) []field { return []field{{"X-CSRF-Token", own}, {"Sec-Fetch-Site", "same-site"}} },
	} {
		_, forger, _ := w.person(t, name) // each has limits of his own
		for _, r := range w.svc.Rows() {
			if r.Method == http.MethodGet || !r.Person && !r.Personal {
				continue
			}
			q := signed(request(r, box), forger)
			for _, f := range fields(session.CSRF(forger.cookie)) {
				q.Header.Set(f.name, f.value)
			}
			if a := w.raw(t, q); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %d %.200s", r.ID, name, a.StatusCode, a.body)
			}
		}
	}
	if asked := w.Engine.Asked(); len(asked) > 0 {
		t.Errorf("the engine was asked to %v", asked)
	}
	a := w.do(t, browser, "PATCH", "/api/v1/me", `{"locale":"de"}`, field{"Origin", "https://mail.example.org"}, field{"Sec-Fetch-Site", "same-origin"})
	want(t, a, 200)
	// A browser sends "Origin: null" with a form of a page that lets no referrer
	// out, even to its own site.
	if got := a.Header.Get("Referrer-Policy"); got != "same-origin" {
		t.Errorf("Referrer-Policy: %s", got)
	}
}

func TestAForeignCookieBesideATokenCountsForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, _, program := w.person(t, "owner")
	_, other, _ := w.person(t, "other")
	q := signed(signed(httptest.NewRequest("GET", "/api/v1/me", nil), program), other)
	if a := w.raw(t, q); !strings.Contains(string(a.body), mine.String()) {
		t.Errorf("got %s", a.body)
	}
	q = signed(signed(httptest.NewRequest("GET", "/api/v1/me", nil), as{token: "smtps_wrong"}), other)
	if a := w.raw(t, q); a.StatusCode != 401 {
		t.Errorf("a wrong token beside a cookie: %d", a.StatusCode)
	}
}

func TestMethodsAreWhatTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	path := "/api/v1/mailboxes/" + box.ID.String()
	for _, f := range []field{{"X-HTTP-Method-Override", "DELETE"}, {"X-Method-Override", "DELETE"}, {"X-HTTP-Method", "DELETE"}} {
		want(t, w.do(t, program, "GET", path+"?_method=DELETE", "", f), 400)
		want(t, w.do(t, program, "GET", path, "", f), 200)
		want(t, w.do(t, program, "POST", path, "", f), 405)
		want(t, w.do(t, browser, "GET", path, "", f), 200)
	}
	if a := w.do(t, program, "POST", path, ""); !strings.Contains(a.Header.Get("Allow"), "PATCH") {
		t.Errorf("405 without Allow: %v", a.Header)
	}
	a := w.do(t, as{}, "OPTIONS", path, "")
	want(t, a, 204)
	if got := a.Header.Get("Allow"); got != "GET, HEAD, PATCH, DELETE, OPTIONS" {
		t.Errorf("Allow: %s", got)
	}
	if a := w.do(t, program, "HEAD", path, ""); a.StatusCode != 200 || len(a.body) != 0 || a.Header.Get("ETag") == "" {
		t.Errorf("HEAD: %d, %d octets", a.StatusCode, len(a.body))
	}
	wantProblem(t, w.do(t, program, "GET", "/api/v1/nothing", ""), 404, "not_found", "")
	wantProblem(t, w.do(t, program, "GET", "/API/v1/me", ""), 404, "not_found", "")
}
