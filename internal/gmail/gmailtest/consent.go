package gmailtest

import (
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The page that Consent.Page shows: one account to choose, one box for each
// permission that is more than signing in, yes and no. It is a plain form, so
// that a browser without JavaScript, and a test without a browser, can use it:
//
//	POST <the same address>  email=…&other=…&scope=…&scope=…&decision=allow|deny
//
//go:embed consent.html
var consentHTML string

var consentPage = template.Must(template.New("consent").Parse(consentHTML))

// words are what Google's own page says (facts 1).
var words = map[string]string{
	ScopeInsert: "Add emails into your Gmail mailbox",
	ScopeLabels: "See and edit your email labels",
}

type permission struct{ Scope, Words string }

// asked gives the permissions that have a box of their own.
func asked(q url.Values) (list []permission) {
	for sc := range strings.FieldsSeq(q.Get("scope")) {
		if sc == "openid" || sc == "email" || sc == "profile" {
			continue
		}
		p := permission{sc, words[sc]}
		if p.Words == "" {
			p.Words = sc
		}
		list = append(list, p)
	}
	return list
}

func (s *Server) page(w http.ResponseWriter, q url.Values) {
	s.mu.Lock()
	emails := slices.Sorted(maps.Keys(s.users))
	s.mu.Unlock()
	chosen := q.Get("login_hint")
	if chosen != "" && !slices.Contains(emails, chosen) {
		emails = append(emails, chosen)
	}
	if chosen == "" && len(emails) > 0 {
		chosen = emails[0]
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	// No form-action: browsers would apply it to the redirect that follows.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	_ = consentPage.Execute(w, map[string]any{"Client": q.Get("client_id"), "Emails": emails, "Chosen": chosen, "Asked": asked(q)})
}

// answered takes the form of the page.
func (s *Server) answered(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	q := r.URL.Query()
	if !s.knownClient(w, q) {
		return
	}
	if err := r.ParseForm(); err != nil || badAuthorize(q) != "" {
		s.sendBack(w, r, "error", "invalid_request")
		return
	}
	f := r.PostForm
	c := Consent{Email: f.Get("email"), Deny: f.Get("decision") != "allow"}
	if other := strings.TrimSpace(f.Get("other")); other != "" {
		c.Email = other
	}
	if !c.Deny && !strings.Contains(c.Email, "@") {
		http.Error(w, "Choose an account, or type its address.", http.StatusBadRequest)
		return
	}
	for _, p := range asked(q) {
		if !slices.Contains(f["scope"], p.Scope) {
			c.Untick = append(c.Untick, p.Scope)
		}
	}
	s.conclude(w, r, c)
}
