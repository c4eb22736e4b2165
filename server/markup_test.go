package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// reporter is a test, or what stands in for one.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// counting counts errors.
type counting int

func (*counting) Helper()                 {}
func (c *counting) Errorf(string, ...any) { *c++ }
func (c *counting) Fatalf(string, ...any) { *c++ }

// sound holds a page against the rules that a machine can check: nothing
// inline, nothing from elsewhere, ids once, labels, names, headings in order.
func sound(t reporter, where string, body []byte) *html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	p := markup{t: t, where: where, ids: map[string]bool{}, labelled: map[string]bool{}}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "label" && attr(n, "for") != "" {
			p.labelled[attr(n, "for")] = true
		}
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			p.element(n)
		}
	}
	for _, ref := range p.refs {
		if !p.ids[ref] {
			p.t.Errorf("%s refers to #%s, which is not there", where, ref)
		}
	}
	if p.h1 != 1 || p.main != 1 {
		t.Errorf("%s has %d h1 and %d main", where, p.h1, p.main)
	}
	return doc
}

type markup struct {
	t             reporter
	where         string
	ids, labelled map[string]bool
	refs          []string
	heading       int
	h1, main      int
}

func (p *markup) element(n *html.Node) {
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			p.t.Errorf("%s: <%s> has %s", p.where, n.Data, a.Key)
		}
		if v := strings.TrimSpace(strings.ToLower(a.Val)); (a.Key == "href" || a.Key == "src" || a.Key == "action") &&
			!strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "#") && !strings.HasPrefix(v, "?") && attr(n, "rel") != "noreferrer" {
			p.t.Errorf("%s: <%s> leads to %q", p.where, n.Data, a.Val)
		}
		if a.Key == "id" {
			if p.ids[a.Val] || a.Val == "" {
				p.t.Errorf("%s: the id %q is there twice, or empty", p.where, a.Val)
			}
			p.ids[a.Val] = true
		}
		if a.Key == "aria-labelledby" || a.Key == "aria-describedby" || a.Key == "for" {
			p.refs = append(p.refs, strings.Fields(a.Val)...)
		}
		if a.Key == "href" && strings.HasPrefix(a.Val, "#") {
			p.refs = append(p.refs, a.Val[1:])
		}
	}
	p.kind(n)
}

func (p *markup) kind(n *html.Node) {
	switch n.Data {
	case "style", "iframe", "object", "embed", "base", "img":
		p.t.Errorf("%s has a <%s>", p.where, n.Data)
	case "script":
		if attr(n, "src") == "" || n.FirstChild != nil {
			p.t.Errorf("%s has a script of its own", p.where)
		}
	case "html":
		if attr(n, "lang") == "" {
			p.t.Errorf("%s does not say its language", p.where)
		}
	case "input", "select", "textarea":
		if attr(n, "type") != "hidden" && !p.labelled[attr(n, "id")] && !inside(n, "label") {
			p.t.Errorf("%s: <%s name=%q> has no label", p.where, n.Data, attr(n, "name"))
		}
	case "button", "a", "summary":
		if strings.TrimSpace(content(n)) == "" {
			p.t.Errorf("%s: a <%s> says nothing", p.where, n.Data)
		}
	case "form":
		p.form(n)
	case "main":
		p.main++
	case "svg":
		if attr(n, "role") != "img" || attr(n, "aria-labelledby") == "" {
			p.t.Errorf("%s: a drawing without role and name", p.where)
		}
	case "table":
		if !scrolls(n) {
			p.t.Errorf("%s: a table is in no region that scrolls", p.where)
		}
	case "h1", "h2", "h3", "h4":
		level := int(n.Data[1] - '0')
		if level > p.heading+1 {
			p.t.Errorf("%s: <%s> %q comes after h%d", p.where, n.Data, content(n), p.heading)
		}
		if level == 1 {
			p.h1++
		}
		p.heading = level
	}
}

// form: one that changes something carries the token.
func (p *markup) form(n *html.Node) {
	if attr(n, "method") != "post" {
		return
	}
	for c := range n.Descendants() {
		if c.Data == "input" && attr(c, "name") == "csrf" && attr(c, "value") != "" {
			return
		}
	}
	p.t.Errorf("%s: the form to %s has no token", p.where, attr(n, "action"))
}

// scrolls: a region with a name that the keyboard can scroll.
func scrolls(n *html.Node) bool {
	for o := n.Parent; o != nil; o = o.Parent {
		if strings.Contains(" "+attr(o, "class")+" ", " scroll ") {
			return attr(o, "tabindex") == "0" && attr(o, "role") == "region" && attr(o, "aria-label") != ""
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func inside(n *html.Node, tag string) bool {
	for o := n.Parent; o != nil; o = o.Parent {
		if o.Data == tag {
			return true
		}
	}
	return false
}

func content(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// furnish gives a user mailboxes in every state, whatever their names, and
// messages that ended in every way.
func furnish(t *testing.T, w *world, user id.User, text string) []account.Mailbox {
	t.Helper()
	now := time.Now()
	reason := schedule.Reason{Code: text, Detail: text, Help: text}
	var boxes []account.Mailbox
	for i, s := range []schedule.State{
		{}, {Phase: schedule.Syncing, LastSync: now.Add(-time.Minute), Backlog: schedule.Backlog{Messages: 12345, Bytes: 1 << 30, ETA: now.Add(50 * time.Hour)}},
		{Phase: schedule.Idle, LastSync: now.Add(-26 * time.Hour), Until: now.Add(time.Minute)}, {Phase: schedule.Waiting, Reason: reason, Until: now.Add(-time.Second)},
		{Phase: schedule.Failing, Reason: reason}, {Phase: schedule.Paused},
	} {
		m, err := w.Accounts.EnsureMailbox(t.Context(), user, account.Mailbox{Name: text, Protocol: "imap", Host: "imap.example.com", Port: 993, Security: "tls",
			Username: fmt.Sprint(text, i), Password: secret("x"), AfterImport: "leave", History: "since", Since: now, Label: text, Archive: i%2 == 0, PollEvery: time.Hour,
			Folders: []account.Folder{{Name: text, Label: text}}})
		if err != nil {
			t.Fatal(err)
		}
		boxes = append(boxes, m)
		w.Engine.Set(m.ID, s)
		for n, status := range []mail.Status{mail.Imported, mail.Skipped, mail.Rejected, mail.Doubtful, mail.Failed} {
			w.Books.Append(user, audit.Entry{Mailbox: m.ID, At: now.Add(-time.Duration(n*i) * time.Hour), Domain: text, Status: status, Reason: text, Size: 1 << (10 * n)})
		}
		w.svc.Took(m.ID, time.Second)
	}
	return boxes
}

func TestEveryPageIsSoundInEveryState(t *testing.T) {
	t.Parallel()
	for _, text := range append(payloads, "an old one", strings.Repeat("W", 100)) {
		w := newWorld(t)
		user, browser, _ := w.person(t, "owner")
		for _, path := range []string{"/mailboxes", "/audit"} { // of who has nothing yet
			sound(t, path+" of a new user", w.do(t, browser, "GET", path, "").body)
		}
		boxes := furnish(t, w, user, text)
		paths := []string{"/mailboxes", "/audit", "/audit?status=failed&domain=nothing", "/audit?from=2024-01-01&to=2030-01-01", "/auth/google/grant?labels=1", "/api", "/nowhere"}
		for i, b := range boxes {
			paths = append(paths, "/mailboxes/"+b.ID.String()+"?window="+[]string{"24h", "7d", "30d"}[i%3])
		}
		for _, path := range paths {
			a := w.do(t, browser, "GET", path, "", field{"Accept", "text/html"})
			if want := http.StatusOK; a.StatusCode != want && path != "/nowhere" {
				t.Fatalf("%s: %d", path, a.StatusCode)
			}
			sound(t, path, a.body)
			inert(t, path, string(a.body), text)
		}
		for _, path := range []string{"/", "/api", "/mailboxes"} {
			sound(t, path+" of nobody", w.do(t, as{}, "GET", path, "").body)
		}
	}
}

// The check itself sees what it is there for.
func TestSoundSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := `<html lang="en"><main><h1>x</h1>%s</main></html>`
	for _, bad := range []string{`<p style="a">`, `<p onclick="a">`, `<script>1</script>`, `<script src="/x">1</script>`, `<input name="a">`, `<a href="javascript:x">a</a>`, `<a href="https://e.example">a</a>`,
		`<p id="a"><p id="a">`, `<h3>x</h3>`, `<form method="post"></form>`, `<button></button>`, `<label for="no">x</label>`, `<svg></svg>`, `<table></table>`, `<style>p{}</style>`, `<a href="#no">x</a>`} {
		var found counting
		if sound(&found, "probe", fmt.Appendf(nil, good, bad)); found == 0 {
			t.Errorf("%s passes", bad)
		}
	}
}

func TestModulesStaySmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, browser, _ := w.person(t, "owner")
	seen, size := map[string]bool{}, 0
	var read func(name string)
	read = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		a := w.do(t, as{}, "GET", "/assets/"+name, "")
		want(t, a, 200)
		size += len(a.body)
		for _, part := range strings.Split(string(a.body), `from "./`)[1:] {
			next, _, _ := strings.Cut(part, `"`)
			read(next)
		}
	}
	body := string(w.do(t, browser, "GET", "/mailboxes", "").body)
	for _, part := range strings.Split(body, `"/assets/`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); strings.HasSuffix(name, ".js") {
			read(name)
		}
	}
	if len(seen) < 2 || size > 30_000 {
		t.Errorf("%d modules of %d octets, want at most 30000", len(seen), size)
	}
}
