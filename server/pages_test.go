package server_test

import (
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// payloads want to be more than text.
var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'onmouseover='alert(1)`, `</title><svg onload=alert(1)>`, `javascript:alert(1)`,
	`{{.CSRF}}`, `--><script>`, `</textarea><script>`, `&lt;script&gt;`, "`${alert(1)}`", `<a href="data:text/html,x">`, `%3Cscript%3E`,
}

func TestWhatOthersWroteIsNeverMarkup(t *testing.T) {
	t.Parallel()
	for _, p := range payloads {
		w := newWorld(t)
		user, browser, _ := w.person(t, "owner")
		box := w.Mailbox(t, user, p)
		w.Engine.Set(box.ID, schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: p, Detail: p, Help: p}})
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: p, Status: mail.Rejected, Reason: p, Size: 1})
		for _, path := range []string{"/mailboxes", "/audit?domain=" + url.QueryEscape(p) + "&from=" + url.QueryEscape("2024-01-01"), "/audit", "/auth/google/grant?labels=" + url.QueryEscape(p)} {
			a := w.do(t, browser, "GET", path, "")
			want(t, a, 200)
			inert(t, path, string(a.body), p)
		}
		a := w.do(t, as{}, "GET", "/audit?domain="+url.QueryEscape(p), "", field{"Accept", "text/html"})
		want(t, a, 401)
		inert(t, "sign-in", string(a.body), p)
		inert(t, "error", string(w.do(t, browser, "GET", "/audit?status="+url.QueryEscape(p), "").body), p)
		inert(t, "nowhere", string(w.do(t, browser, "GET", "/"+url.PathEscape(p), "", field{"Accept", "text/html"}).body), p)
	}
}

// inert reports a payload that is in a page as it is, unless it is as harmless
// as it is.
func inert(t *testing.T, where, body, payload string) {
	t.Helper()
	if html.EscapeString(payload) != payload && strings.Contains(body, payload) {
		t.Errorf("%s has %q as it is", where, payload)
	}
	if strings.Contains(body, `href="javascript:`) || strings.Contains(body, "<script>") || strings.Contains(body, "<img") || strings.Contains(body, "<svg onload") {
		t.Errorf("%s has markup of %q", where, payload)
	}
}

func TestPagesLoadNothingInlineAndNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	w.Mailbox(t, user, "old")
	for _, path := range []string{"/", "/mailboxes", "/audit", "/auth/google/grant"} {
		who := browser
		if path == "/" {
			who = as{}
		}
		body := string(w.do(t, who, "GET", path, "").body)
		for _, never := range []string{"style=", "onclick", "onload", "<style", "http://", "https://"} {
			if strings.Contains(body, never) {
				t.Errorf("%s has %s", path, never)
			}
		}
		for _, part := range strings.Split(body, `"/assets/`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			a := w.do(t, as{}, "GET", "/assets/"+name, "")
			if a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || len(a.body) == 0 {
				t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
			}
		}
	}
	for _, never := range []string{"/assets/style.css", "/assets/../doc.go", "/assets/%2e%2e/doc.go", "/web/pages/layout.html"} {
		if a := w.do(t, as{}, "GET", never, ""); a.StatusCode != 404 {
			t.Errorf("%s: %d", never, a.StatusCode)
		}
	}
}

func TestButtonsWorkWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(w)
	b.signIn(t, "owner")
	box := w.Mailbox(t, w.User(t, "owner"), "old")
	body := string(b.send(t, "GET", "https://mail.example.org/mailboxes", nil).body)
	for _, action := range []string{"sync", "pause"} {
		path := "/mailboxes/" + box.ID.String() + "/" + action
		if !strings.Contains(body, `action="`+path+`"`) {
			t.Errorf("no button for %s", action)
		}
		want(t, b.send(t, "POST", "https://mail.example.org"+path, url.Values{}), 403)
		a := b.send(t, "POST", "https://mail.example.org"+path, url.Values{"csrf": {b.csrf()}})
		if want(t, a, 303); a.Header.Get("Location") != "https://mail.example.org/mailboxes" {
			t.Errorf("to %s", a.Header.Get("Location"))
		}
	}
	if got := strings.Join(w.Engine.Asked(), " "); got != "sync pause" {
		t.Errorf("the engine was asked to %s", got)
	}
	if body := string(b.send(t, "GET", "https://mail.example.org/mailboxes", nil).body); !strings.Contains(body, "/resume") || !strings.Contains(body, "paused") {
		t.Errorf("got %s", body)
	}
}

func TestWhoIsNotSignedInIsBroughtBackAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, as{}, "GET", "/audit?status=failed", "")
	want(t, a, 401)
	if !strings.Contains(string(a.body), "/auth/google/login?return=%2faudit%3fstatus%3dfailed") {
		t.Errorf("got %s", a.body)
	}
	want(t, w.do(t, as{}, "GET", "/", ""), 200)
	_, browser, _ := w.person(t, "owner")
	want(t, w.do(t, browser, "GET", "/", ""), 303)
}
