package server_test

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server"
)

// attach sends the form of a module as a browser does.
func (w *world) attach(t *testing.T, who as, csrf string, wasm []byte) answered {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("csrf", csrf)
	f, err := m.CreateFormFile("module", "rule.wasm")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(wasm)
	_ = m.Close()
	r := signed(httptest.NewRequest("POST", "https://mail.example.org/rules/plugins", &body), who)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Origin", "https://mail.example.org")
	return w.raw(t, r)
}

func TestARuleIsMadeOfAFormTriedMovedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	page := func(path string, status int, texts ...string) answered {
		t.Helper()
		a := w.do(t, browser, "GET", path, "")
		want(t, a, status)
		sound(t, path, a.body)
		says(t, a, texts...)
		return a
	}
	page("/rules", 200, "There is no rule yet", "Skip domains", "Label mailing lists", "/rules/new?plugin=skip-domains")
	page("/rules/new?plugin=skip-domains", 200, "Domains", "What it can see and do", "the domain of its sender", "skip it")
	page("/rules/new?plugin=nothing", 404)

	const path = "/rules/new?plugin=skip-domains"
	a := w.submit(t, browser, path, url.Values{"name": {""}, "c-domains": {"not a domain"}, "step": {"save"}})
	want(t, a, 422)
	sound(t, path, a.body)
	says(t, a, `href="#name"`, "not a domain")
	a = w.submit(t, browser, path, url.Values{"name": {"x"}, "c-domains": {"not a domain"}, "step": {"save"}})
	want(t, a, 422)
	sound(t, path, a.body)
	says(t, a, `href="#c-domains"`, "not a domain", `id="c-domains-wrong"`)

	try := url.Values{"name": {"x"}, "c-domains": {"shop.example"}, "step": {"try"}, "header": {"From: a@news.shop.example\r\nSubject: secret-subject\r\n"}, "for": {"all"}}
	a = w.submit(t, browser, path, try)
	want(t, a, 200)
	sound(t, path, a.body)
	says(t, a, "What becomes of the message", "skip it: it is not imported", "shop.example", "secret-subject")
	if strings.Contains(w.Log(), "secret-subject") {
		t.Error("the header is in the log")
	}
	try.Set("header", " ")
	want(t, w.submit(t, browser, path, try), 422)
	if all, _ := w.Rules.Rules(t.Context(), user); len(all) > 0 {
		t.Errorf("a rule was only tried: %+v", all)
	}

	a = w.submit(t, browser, path, url.Values{"name": {"No shop"}, "c-domains": {"shop.example\r\nb.example"}, "step": {"save"}, "for": {"some"}, "box": {box.ID.String()}, "enabled": {"1"}})
	want(t, a, 303)
	a = w.submit(t, browser, "/rules/new?plugin=label-by-list-id", url.Values{"name": {"Lists"}, "step": {"save"}, "for": {"all"}, "enabled": {"1"}})
	want(t, a, 303)
	all, _ := w.Rules.Rules(t.Context(), user)
	if len(all) != 2 || string(all[0].Config) != `{"domains":["shop.example","b.example"]}` || all[0].Everywhere || !all[0].For(box.ID) || !all[1].Everywhere {
		t.Fatalf("made %+v", all)
	}
	if err := w.Rules.CountRuns(t.Context(), user, map[id.Rule]rules.Runs{all[0].ID: {Asked: 7, Failed: 1, Fault: "trap"}}); err != nil {
		t.Fatal(err)
	}
	page("/rules", 200, "No shop", "shop.example, b.example", "old", "an error of its own", "Lists")

	one := "/rules/" + all[0].ID.String()
	want(t, w.submit(t, browser, one+"/down", url.Values{}), 303)
	want(t, w.submit(t, browser, one+"/off", url.Values{}), 303)
	all, _ = w.Rules.Rules(t.Context(), user)
	if all[1].Name != "No shop" || all[1].Enabled || all[1].Asked != 7 {
		t.Errorf("moved down and off: %+v", all)
	}
	want(t, w.submit(t, browser, one+"/up", url.Values{}), 303)
	want(t, w.submit(t, browser, one+"/on", url.Values{}), 303)
	edit := page(one+"/edit", 200, "shop.example", "No shop")
	version := filled(t, edit, one+"/edit").Get("version")
	changed := url.Values{"name": {"No shops"}, "c-domains": {"c.example"}, "step": {"save"}, "for": {"all"}, "version": {version}}
	want(t, w.submit(t, browser, one+"/edit", changed), 303)
	changed.Set("name", "Another")
	a = w.submit(t, browser, one+"/edit", changed)
	want(t, a, 412)
	sound(t, one, a.body)
	all, _ = w.Rules.Rules(t.Context(), user)
	if all[0].Name != "No shops" || all[0].Enabled || !all[0].Everywhere {
		t.Errorf("changed: %+v", all)
	}
	want(t, w.submit(t, browser, one+"/delete", url.Values{}), 303)
	if all, _ = w.Rules.Rules(t.Context(), user); len(all) != 1 {
		t.Errorf("deleted: %+v", all)
	}
}

func TestAModuleIsUploadedWithAForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	csrf := session.CSRF(browser.cookie)
	wasm := module(t, "skip-domains")
	for _, wrong := range []string{"", "x"} {
		if a := w.attach(t, browser, wrong, wasm); a.StatusCode != 403 {
			t.Errorf("with the token %q: %d", wrong, a.StatusCode)
		}
	}
	a := w.attach(t, browser, csrf, []byte("no module"))
	want(t, a, 422)
	sound(t, "/rules/plugins", a.body)
	says(t, a, "is no WebAssembly module", "Upload the .wasm file")
	a = w.attach(t, browser, csrf, wasm)
	want(t, a, 200)
	sound(t, "/rules/plugins", a.body)
	says(t, a, "was checked and taken", "smtpsync_v1.in_list")
	own, _ := w.Rules.Modules(t.Context(), user)
	if len(own) != 1 || !bytes.Equal(own[0].Digest[:], func() []byte { d := rules.Sum(wasm); return d[:] }()) {
		t.Fatalf("kept %+v", own)
	}
	want(t, w.submit(t, browser, "/rules/plugins/"+own[0].Digest.String()+"/delete", url.Values{}), 303)
	if own, _ = w.Rules.Modules(t.Context(), user); len(own) > 0 {
		t.Errorf("deleted: %+v", own)
	}
	off := newWorld(t, func(o *server.Options) { o.Rules = rulebook.New(&rules.Memory{}, nil, false) })
	_, browser, _ = off.person(t, "owner")
	a = off.do(t, browser, "GET", "/rules", "")
	says(t, a, "takes no plugins of its users")
	if strings.Contains(string(a.body), `type="file"`) {
		t.Error("a module is asked for where none is taken")
	}
}

// TestWhatAPluginCallsItselfIsText: its author may be anybody.
func TestWhatAPluginCallsItselfIsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	const evil = `<script>alert(1)</script>" onload="x`
	quoted := strings.ReplaceAll(evil, `"`, `\"`)
	manifest := `{"abi":"smtpsync_v1","name":"evil","version":"1.0.0","title":{"en":"` + quoted + `"},"description":{"en":"` + quoted + `"},
		"needs":{"headers":["X-Evil"],"labels":true},"reasons":{"1":"` + quoted + `"},
		"config":[{"key":"mode","type":"choice","values":["` + quoted + `","b"],"title":{"en":"` + quoted + `"},"help":{"en":"` + quoted + `"}},{"key":"text","type":"text","default":"` + quoted + `"}]}`
	m := rules.Module{Digest: rules.Sum([]byte("evil")), Manifest: []byte(manifest), Wasm: []byte("evil")}
	if err := w.Rules.AddModule(t.Context(), user, m); err != nil {
		t.Fatal(err)
	}
	r, err := w.Rules.PutRule(t.Context(), user, rules.Rule{Name: evil, Plugin: m.Digest.String(), Config: []byte(`{"text":"` + quoted + `"}`), Everywhere: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/rules", "/rules/new?plugin=" + m.Digest.String(), "/rules/" + r.ID.String() + "/edit"} {
		a := w.do(t, browser, "GET", path, "")
		want(t, a, 200)
		sound(t, path, a.body)
		if !strings.Contains(string(a.body), "&lt;script&gt;") {
			t.Errorf("%s does not show the name", path)
		}
	}
	a := w.submit(t, browser, "/rules/new?plugin="+m.Digest.String(), url.Values{"name": {evil}, "c-mode": {evil + "x"}, "step": {"save"}})
	want(t, a, 422)
	sound(t, "the form", a.body)
}

func TestTheAuditSaysInWordsWhatARuleDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	for _, reason := range []string{"skip-domains/1", "mine/7", "rule_failed:trap:<b>evil", "rule_failed", "rule_failed:label"} {
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: mail.Skipped, Reason: reason})
	}
	a := w.do(t, browser, "GET", "/audit", "")
	want(t, a, 200)
	sound(t, "/audit", a.body)
	says(t, a, "the sender's domain is on your list", "mine/7", "<b>evil stopped with an error of its own", "no rule could be asked", "does not take the label", "Import after all")
	if strings.Contains(string(a.body), "<b>evil") {
		t.Error("the name of a plugin is markup")
	}
}

func TestARuleThatLabelsAsksForThePermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	made := url.Values{"name": {"Lists"}, "step": {"save"}, "for": {"all"}, "enabled": {"1"}}
	a := w.submit(t, browser, "/rules/new?plugin=label-by-list-id", made)
	if to := a.Header.Get("Location"); a.StatusCode != 303 || !strings.Contains(to, "/auth/google/grant") || !strings.Contains(to, "labels=1") {
		t.Errorf("%d %s", a.StatusCode, to)
	}
	says(t, w.do(t, browser, "GET", "/rules", ""), "A rule puts labels on mail")
	says(t, w.do(t, browser, "GET", "/auth/google/grant", ""), "Manage labels.")
	w.grant(t, user, oauth.ScopeInsert, oauth.ScopeLabels)
	if a := w.do(t, browser, "GET", "/rules", ""); strings.Contains(string(a.body), "A rule puts labels on mail") {
		t.Error("it is allowed, and asked for again")
	}
	made.Set("name", "Lists again")
	if to := w.submit(t, browser, "/rules/new?plugin=label-by-list-id", made).Header.Get("Location"); !strings.Contains(to, "/rules#rule-") {
		t.Errorf("goes on to %s", to)
	}
}
