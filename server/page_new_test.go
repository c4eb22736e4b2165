package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"html"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server"
)

// canary is a password that must be in no answer.
const canary = "sesame-canary-4711"

// submit sends a form as a browser without scripts would.
func (w *world) submit(t *testing.T, who as, path string, v url.Values, fields ...field) answered {
	t.Helper()
	f := url.Values{"csrf": {session.CSRF(who.cookie)}}
	maps.Copy(f, v)
	r := httptest.NewRequest("POST", "https://mail.example.org"+path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, o := range fields {
		r.Header.Set(o.name, o.value)
	}
	a := w.raw(t, signed(r, who))
	if bytes.Contains(a.body, []byte(canary)) || strings.Contains(a.Header.Get("Location"), canary) {
		t.Errorf("POST %s: the answer has the password", path)
	}
	return a
}

var inputTag = regexp.MustCompile(`<(input|option|select)\b[^>]*>`)

// attribute gives one of a tag, and whether it is there.
func attribute(tag, name string) (string, bool) {
	m := regexp.MustCompile(`\s` + name + `(?:="([^"]*)")?[\s>]`).FindStringSubmatch(tag)
	if m == nil {
		return "", false
	}
	return html.UnescapeString(m[1]), true
}

// filled gives what a browser would send of the page's form with this action.
func filled(t *testing.T, a answered, action string) url.Values {
	t.Helper()
	_, form, ok := strings.Cut(string(a.body), `action="`+action+`"`)
	if !ok {
		t.Fatalf("no form for %s: %.600s", action, a.body)
	}
	form, _, _ = strings.Cut(form, "</form>")
	out, in := url.Values{}, ""
	for _, tag := range inputTag.FindAllString(form, -1) {
		name, named := attribute(tag, "name")
		kind, _ := attribute(tag, "type")
		value, _ := attribute(tag, "value")
		_, checked := attribute(tag, "checked")
		_, selected := attribute(tag, "selected")
		switch {
		case strings.HasPrefix(tag, "<select"):
			in = name
		case strings.HasPrefix(tag, "<option"):
			if selected || !out.Has(in) {
				out.Set(in, value)
			}
		case !named || (kind == "checkbox" || kind == "radio") && !checked:
		default:
			out.Add(name, value)
		}
	}
	out.Del("csrf") // submit has that of who sends it
	return out
}

const newPath = "/mailboxes/new"

var (
	good = []probe.Step{{Name: "dns", OK: true, MS: 3}, {Name: "connect", OK: true, MS: 4},
		{Name: "tls", OK: true, MS: 5, TLS: &probe.TLS{Version: "TLS 1.3", Name: "imap.old.example", Chain: []string{"imap.old.example", "Some Root"}, ExpiresDays: 71}},
		{Name: "greeting", OK: true}, {Name: "capability", OK: true}, {Name: "login", OK: true}, {Name: "list", OK: true}}
	candidate = discover.Candidate{Protocol: "imap", Host: "imap.mail.yahoo.com", Port: 993, Security: "tls", Username: "ann@yahoo.com", Auth: "app-password", Source: "ispdb",
		Hint: discover.For("imap.mail.yahoo.com", "imap").Text}
)

// answers prepares a world whose servers are as they should be.
func (w *world) answers() {
	w.Found = []discover.Candidate{candidate, {Protocol: "pop3", Host: "pop.mail.yahoo.com", Port: 995, Security: "tls", Username: "ann@yahoo.com", Source: "ispdb"}}
	w.Tried = probe.Result{OK: true, Steps: good, Messages: new(int64(1200)), Bytes: new(int64(1_500_000_000)), Folders: []probe.Folder{
		{Name: "Sent", SpecialUse: `\Sent`, Selectable: true, Messages: new(int64(10)), Bytes: new(int64(1000))},
		{Name: "INBOX", Selectable: true, Messages: new(int64(1200)), Bytes: new(int64(1_500_000_000))}, {Name: "Hidden"}}}
}

func (w *world) grant(t *testing.T, user id.User, scopes ...string) {
	t.Helper()
	err := w.Accounts.PutGrant(t.Context(), user, account.Grant{RefreshToken: secret("r"), Scopes: scopes, GrantedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
}

func says(t *testing.T, a answered, all ...string) {
	t.Helper()
	body := html.UnescapeString(string(a.body))
	for _, s := range all {
		if !strings.Contains(body, s) {
			t.Errorf("%d: %q is not in %.1500s", a.StatusCode, s, body[max(0, strings.Index(body, "<main")):])
		}
	}
}

// toMail goes through the wizard to its last page.
func (w *world) toMail(t *testing.T, who as) answered {
	t.Helper()
	want(t, w.do(t, who, "GET", newPath, ""), 200)
	a := w.submit(t, who, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}})
	want(t, a, 200)
	f := filled(t, a, newPath)
	f.Set("step", "test")
	f.Set("password", canary)
	a = w.submit(t, who, newPath, f)
	want(t, a, 200)
	return a
}

func TestAMailboxIsAddedInThreeStepsWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	user, browser, _ := w.person(t, "owner")
	w.grant(t, user, oauth.ScopeInsert)
	a := w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}})
	says(t, a, "imap.mail.yahoo.com", "pop.mail.yahoo.com", "Yahoo wants an app password", `href="https://login.yahoo.com/account/security"`, "known provider")
	a = w.toMail(t, browser)
	says(t, a, "TLS 1.3", "71 more days", "Some Root", "1,200 messages, 1.5 GB", "about 3 days at 500 MB a day", "(sent mail)")
	f := filled(t, a, newPath)
	if got := f["chosen"]; len(got) != 1 || f["folder"][0] != "INBOX" || got[0] != "0" || len(f["folder"]) != 2 {
		t.Errorf("folders %v, chosen %v", f["folder"], got)
	}
	f.Set("step", "reckon")
	f["chosen"] = []string{"0", "1"}
	a = w.submit(t, browser, newPath, f)
	want(t, a, 200)
	says(t, a, "1,210 messages")
	f = filled(t, a, newPath)
	f.Set("step", "create")
	f.Set("name", "Old mail")
	f.Set("history", "since")
	f.Set("since", "2024-01-31")
	f.Set("archive", "1")
	f.Set("after_import", "seen")
	a = w.submit(t, browser, newPath, f)
	want(t, a, 303)
	all, _ := w.Accounts.Mailboxes(t.Context(), user)
	if len(all) != 1 || a.Header.Get("Location") != "https://mail.example.org/mailboxes/"+all[0].ID.String() {
		t.Fatalf("%v, to %s", all, a.Header.Get("Location"))
	}
	m := all[0]
	if m.Name != "Old mail" || m.Password.RevealString() != canary || m.Host != "imap.mail.yahoo.com" || len(m.Folders) != 2 || !m.Archive || m.AfterImport != "seen" ||
		m.History != "since" || m.Since.Format(time.DateOnly) != "2024-01-31" {
		t.Errorf("got %+v", m)
	}
	if got := strings.Join(w.Engine.Asked(), " "); got != "register" {
		t.Errorf("the engine was asked to %s", got)
	}
	if n := len(w.Probed()); n != 1 {
		t.Errorf("%d tests: providers count logins", n)
	}
	if strings.Contains(w.Log(), canary) {
		t.Error("the password is in the log")
	}
}

func TestAWrongPasswordIsDiagnosedAndKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	_, browser, _ := w.person(t, "owner")
	a := w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}})
	w.Tried = probe.Result{Steps: append(good[:5:5], probe.Step{Name: "login", MS: 9, Code: "auth_failed", Detail: "imap.mail.yahoo.com refused the login", Help: candidate.Hint})}
	f := filled(t, a, newPath)
	f.Set("step", "test")
	f.Set("password", canary)
	a = w.submit(t, browser, newPath, f)
	want(t, a, 422)
	says(t, a, "auth_failed", "refused the login", "Generate app password", `href="#password"`, `aria-describedby="password-wrong password-hint"`)
	again := filled(t, a, newPath)
	for _, name := range []string{"address", "way", "ways", "host", "username"} {
		if again.Get(name) != f.Get(name) || f.Get(name) == "" {
			t.Errorf("%s was %q and is %q", name, f.Get(name), again.Get(name))
		}
	}
	if again.Get("kept") != "" || again.Get("password") != "" {
		t.Error("a password that was refused is kept")
	}
	w.answers()
	again.Set("step", "test")
	again.Set("password", canary)
	want(t, w.submit(t, browser, newPath, again), 200)
	if tried := w.Probed(); len(tried) != 2 || tried[1].Password.RevealString() != canary {
		t.Errorf("%d tests", len(tried))
	}
}

func TestAFailureBeforeTheLoginKeepsThePasswordSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	_, browser, _ := w.person(t, "owner")
	w.Tried = probe.Result{Steps: []probe.Step{{Name: "dns", OK: true}, {Name: "connect", Code: "unreachable", Detail: "no connection", Help: "try later"}}}
	byHand := url.Values{"step": {"test"}, "way": {"hand"}, "protocol": {"imap"}, "host": {"imap.old.example"}, "security": {"tls"}, "username": {"ann"}, "password": {canary}}
	a := w.submit(t, browser, newPath, byHand)
	want(t, a, 422)
	says(t, a, "unreachable", `href="#host"`, "Leave empty to use the password")
	byWay := filled(t, w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}}), newPath)
	byWay.Set("step", "test")
	byWay.Set("password", canary)
	says(t, w.submit(t, browser, newPath, byWay), `href="#way-0"`)
	w.answers()
	f := filled(t, a, newPath)
	f.Set("step", "test")
	want(t, w.submit(t, browser, newPath, f), 200)
	w.Probed()
	for name, change := range map[string]func(url.Values, *as){
		"another host":    func(f url.Values, _ *as) { f.Set("host", "imap.evil.example") },
		"another user":    func(f url.Values, _ *as) { f.Set("username", "bob") },
		"another session": func(_ url.Values, who *as) { who.cookie = w.Cookie(t, w.User(t, "owner")) },
		"another person":  func(_ url.Values, who *as) { who.cookie = w.Cookie(t, w.User(t, "stranger")) },
		"tampered":        func(f url.Values, _ *as) { f.Set("kept", "A"+f.Get("kept")[1:]) },
		"the outcome": func(f url.Values, _ *as) {
			f.Set("kept", filled(t, w.toMail(t, browser), newPath).Get("tested"))
			w.Probed()
		},
	} {
		f, who := filled(t, a, newPath), browser
		f.Set("step", "test")
		change(f, &who)
		got := w.submit(t, who, newPath, f)
		if want(t, got, 422); !strings.Contains(string(got.body), `href="#password"`) || len(w.Probed()) != 0 {
			t.Errorf("%s: %s", name, got.body)
		}
	}
}

func TestTooManyTriesAreSaidOnThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	_, browser, _ := w.person(t, "owner")
	f := filled(t, w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}}), newPath)
	w.Failed = &mail.Fault{Class: mail.RateLimited, Code: "too_many_guesses", Text: "too many logins have failed", Help: "wait"}
	f.Set("step", "test")
	f.Set("password", canary)
	a := w.submit(t, browser, newPath, f)
	want(t, a, 422)
	says(t, a, "Too many logins have failed.", "Wait.")
}

func TestATestIsToldStepByStepToAScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	_, browser, _ := w.person(t, "owner")
	f := filled(t, w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}}), newPath)
	f.Set("step", "test")
	f.Set("password", canary)
	aloud := field{"Accept", "application/jsonl"}
	a := w.submit(t, browser, newPath, f, aloud)
	want(t, a, 200)
	var steps []string
	lines := bufio.NewScanner(bytes.NewReader(a.body))
	for lines.Scan() {
		var line struct {
			Step   *struct{ Name string }
			Tested string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Step != nil {
			steps = append(steps, line.Step.Name)
		}
		f.Set("tested", line.Tested)
	}
	if got := strings.Join(steps, " "); got != "dns connect tls greeting capability login list" {
		t.Errorf("steps %s", got)
	}
	f.Set("step", "tested")
	a = w.submit(t, browser, newPath, f)
	want(t, a, 200)
	says(t, a, "It works", "1,200 messages")
	if n := len(w.Probed()); n != 1 {
		t.Errorf("%d tests", n)
	}
	f.Set("host", "")
	f.Set("way", "hand")
	f.Set("step", "test")
	if a := w.submit(t, browser, newPath, f, aloud); string(a.body) != "{\"form\":true}\n" {
		t.Errorf("got %s", a.body)
	}
}

func TestLabelsWithoutPermissionAskGoogleAndLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	user, browser, _ := w.person(t, "owner")
	w.grant(t, user, oauth.ScopeInsert)
	a := w.toMail(t, browser)
	says(t, a, "one more permission")
	f := filled(t, a, newPath)
	f.Set("step", "create")
	f.Set("folder_label_0", "Old/In")
	a = w.submit(t, browser, newPath, f)
	want(t, a, 303)
	all, _ := w.Accounts.Mailboxes(t.Context(), user)
	if len(all) != 1 || all[0].Folders[0].Label != "Old/In" {
		t.Fatalf("got %+v", all)
	}
	page := "/mailboxes/" + all[0].ID.String()
	asks := "/auth/google/grant?" + url.Values{"labels": {"1"}, "return": {page}}.Encode()
	if got := a.Header.Get("Location"); got != "https://mail.example.org"+asks {
		t.Errorf("to %s", got)
	}
	says(t, w.do(t, browser, "GET", asks, ""), "Manage labels", `href="`+page+`"`, `action="/auth/google/grant?return=`+strings.ToLower(url.QueryEscape(page))+`&labels=1"`)
	says(t, w.do(t, browser, "GET", "/auth/google/grant", ""), "Manage labels") // a mailbox wants them
	w.grant(t, user, oauth.ScopeInsert, oauth.ScopeLabels)
	if body := string(w.toMail(t, browser).body); strings.Contains(body, "one more permission") {
		t.Error("a permission that is there is asked for")
	}
}

func TestTheDemosMailboxIsNamedWhereItIsAdded(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		w := newWorld(t, func(o *server.Options) {
			if there {
				o.Waiting = &server.Waiting{Address: "old@post.example", Password: "demo"}
			}
		})
		w.answers()
		_, browser, _ := w.person(t, "owner")
		for step, a := range map[string]answered{
			"address": w.do(t, browser, "GET", newPath, ""),
			"server":  w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {"ann@yahoo.com"}}),
		} {
			if named := strings.Contains(string(a.body), "old@post.example waits to be added; its password is: demo"); named != there {
				t.Errorf("%s: named: %v", step, named)
			}
		}
	}
}

func TestTheSameMailboxTwiceLeadsToTheOneThatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	user, browser, _ := w.person(t, "owner")
	f := filled(t, w.toMail(t, browser), newPath)
	f.Set("step", "create")
	if a := w.submit(t, browser, newPath, f); !strings.HasPrefix(a.Header.Get("Location"), "https://mail.example.org/auth/google/grant?return=%2Fmailboxes%2F") {
		t.Errorf("without Google access it goes to %s", a.Header.Get("Location"))
	}
	all, _ := w.Accounts.Mailboxes(t.Context(), user)
	a := w.submit(t, browser, newPath, f)
	want(t, a, 409)
	says(t, a, "there already", `href="/mailboxes/`+all[0].ID.String()+`"`)
}

func TestWhatIsWrongInTheWizardIsNamedAtItsField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	_, browser, _ := w.person(t, "owner")
	says(t, w.submit(t, browser, newPath, url.Values{"step": {"find"}}), `href="#address"`, "Enter the address")
	hand := func(pairs ...string) url.Values {
		v := url.Values{"step": {"test"}, "way": {"hand"}, "protocol": {"imap"}, "host": {"imap.old.example"}, "security": {"tls"}, "username": {"ann"}, "password": {canary}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, c := range [][]string{{"host", ""}, {"host", "imaps://x"}, {"host", "127.0.0.1"}, {"port", "25"}, {"port", "many"}, {"port", "99999999999999999999"}, {"protocol", "jmap"},
		{"security", "none"}, {"username", ""}, {"username", "a\r\nDELE 1"}, {"password", ""}, {"password", "a\nb"}} {
		a := w.submit(t, browser, newPath, hand(c...))
		want(t, a, 422)
		says(t, a, `href="#`+c[0]+`"`, `id="`+c[0]+`-wrong"`)
	}
	if n := len(w.Probed()); n != 0 {
		t.Errorf("%d tests", n)
	}
	last := filled(t, w.toMail(t, browser), newPath)
	for _, c := range [][]string{{"name", strings.Repeat("x", 101)}, {"label", "INBOX"}, {"since", ""}, {"after_import", "burn"}, {"history", "some"}, {"folder_label_1", "a//b", "folders-1-label"}} {
		f := url.Values{}
		maps.Copy(f, last)
		f.Set("step", "create")
		f["chosen"] = []string{"1"}
		if c[0] == "since" {
			f.Set("history", "since")
		}
		f.Set(c[0], c[1])
		a := w.submit(t, browser, newPath, f)
		want(t, a, 422)
		says(t, a, `href="#`+c[len(c)-1-(3-len(c))]+`"`)
	}
}

func TestOddStepsOfTheWizardDoNoHarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	user, browser, _ := w.person(t, "owner")
	for _, v := range []url.Values{{}, {"step": {"x"}}, {"step": {"tested"}}, {"step": {"reckon"}}, {"step": {"create"}}, {"step": {"create"}, "password": {canary}},
		{"step": {"tested"}, "tested": {"AAAA"}, "kept": {"AAAA"}}, {"step": {"hand"}, "ways": {"%", "host=&", strings.Repeat("a", 5000)}},
		{"step": {"reckon"}, "folder": make([]string, 2000), "chosen": {"-1", "x", "99999999"}}} {
		if a := w.submit(t, browser, newPath, v); a.StatusCode != 200 && a.StatusCode != 422 {
			t.Errorf("%v: %d", v, a.StatusCode)
		}
	}
	want(t, w.submit(t, browser, newPath, url.Values{"csrf": {"wrong"}, "step": {"find"}}), 403)
	a := w.do(t, browser, "POST", newPath, `{"step":"create"}`)
	want(t, a, 415)
	if all, _ := w.Accounts.Mailboxes(t.Context(), user); len(all) != 0 {
		t.Errorf("got %+v", all)
	}
	address := serve(t, w)
	if a := post(t, address+newPath, strings.Repeat("x", 2<<20)); a.StatusCode != 413 {
		t.Errorf("2 MB: %d", a.StatusCode)
	}
}

func TestNothingThatIsTypedBecomesMarkup(t *testing.T) {
	t.Parallel()
	for _, p := range payloads {
		w := newWorld(t)
		w.answers()
		_, browser, _ := w.person(t, "owner")
		w.Tried.Folders = append(w.Tried.Folders, probe.Folder{Name: p, SpecialUse: p, Selectable: true})
		w.Tried.Steps = append(good[:6:6], probe.Step{Name: p, OK: true, Detail: p, TLS: &probe.TLS{Version: p, Name: p, Chain: []string{p}}})
		w.Found[0].Host, w.Found[0].Username = p, p
		a := w.submit(t, browser, newPath, url.Values{"step": {"find"}, "address": {p}})
		inert(t, "the server's page", string(a.body), p)
		f := filled(t, a, newPath)
		f.Set("step", "test")
		f.Set("password", canary)
		a = w.submit(t, browser, newPath, f)
		inert(t, "the mail's page", string(a.body), p)
		f = filled(t, a, newPath)
		for _, name := range []string{"name", "label", "since", "folder_label_1", "username", "host", "port", "way", "address", "kept", "tested", "history", "after_import"} {
			f.Set(name, p)
		}
		for _, step := range []string{"create", "test", "hand", "reckon", p} {
			f.Set("step", step)
			inert(t, step, string(w.submit(t, browser, newPath, f).body), p)
		}
	}
}
