package server_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// copied gives a form that can be changed.
func copied(f url.Values, pairs ...string) url.Values {
	out := url.Values{}
	maps.Copy(out, f)
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

func TestAMailboxIsChangedWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	w.grant(t, user, oauth.ScopeInsert, oauth.ScopeLabels)
	box := w.Mailbox(t, user, "old")
	path := "/mailboxes/" + box.ID.String()
	page := w.do(t, browser, "GET", path+"/edit", "")
	want(t, page, 200)
	if strings.Contains(string(page.body), "sesame-old") {
		t.Error("the page has the password")
	}
	f := filled(t, page, path+"/edit")
	a := w.submit(t, browser, path+"/edit", copied(f, "step", "save", "name", "New", "label", "Old/Mail", "archive", "1", "after_import", "seen", "poll_every", "15m", "authserv", "MX.example.net, mx2.example.net",
		"folder_more", "Sent", "host", "evil.example", "username", "eve"))
	if want(t, a, 303); a.Header.Get("Location") != "https://mail.example.org"+path {
		t.Errorf("to %s", a.Header.Get("Location"))
	}
	m, _ := w.Accounts.Mailbox(t.Context(), user, box.ID)
	if m.Name != "New" || m.Label != "Old/Mail" || !m.Archive || m.AfterImport != "seen" || m.PollEvery != 15*time.Minute || strings.Join(m.Authserv, " ") != "mx.example.net mx2.example.net" || len(m.Folders) != 2 ||
		m.Host != box.Host || m.Username != box.Username || !m.Password.Equal(box.Password) {
		t.Errorf("got %+v", m)
	}
	a = w.submit(t, browser, path+"/edit", copied(f, "step", "save", "name", "Newer", "password", canary))
	want(t, a, 412)
	says(t, a, "changed elsewhere", `value="Newer"`)
	want(t, w.do(t, program, "GET", "/api/v1"+path, ""), 200)
	f = filled(t, w.do(t, browser, "GET", path+"/edit", ""), path+"/edit")
	want(t, w.submit(t, browser, path+"/edit", copied(f, "step", "save", "password", canary)), 303)
	if m, _ = w.Accounts.Mailbox(t.Context(), user, box.ID); m.Password.RevealString() != canary || m.Name != "New" || len(m.Folders) != 2 {
		t.Errorf("got %+v", m)
	}
	f = filled(t, w.do(t, browser, "GET", path+"/edit", ""), path+"/edit")
	for _, c := range [][]string{{"name", strings.Repeat("x", 101)}, {"label", "SPAM"}, {"after_import", "burn"}, {"poll_every", "1s"}, {"authserv", "mx.example.net; dmarc=pass"}, {"password", "a\nb"}} {
		a := w.submit(t, browser, path+"/edit", copied(f, "step", "save", c[0], c[1]))
		want(t, a, 422)
		says(t, a, `href="#`+c[0]+`"`)
	}
}

func TestAChangedMailboxIsTestedWithTheNewPasswordOrItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	user, browser, _ := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	path := "/mailboxes/" + box.ID.String() + "/edit"
	f := filled(t, w.do(t, browser, "GET", path, ""), path)
	a := w.submit(t, browser, path, copied(f, "step", "test"))
	want(t, a, 200)
	says(t, a, "The connection works.", "(sent mail)")
	a = w.submit(t, browser, path, copied(filled(t, a, path), "step", "test", "password", canary))
	want(t, a, 200)
	f = filled(t, a, path)
	want(t, w.submit(t, browser, path, copied(f, "step", "test")), 200) // sealed in the form
	tried := w.Probed()
	for i, want := range []vault.Secret{box.Password, secret(canary), secret(canary)} {
		if !tried[i].Password.Equal(want) || tried[i].Host != box.Host {
			t.Errorf("test %d was with another password", i)
		}
	}
	w.Tried = probe.Result{Steps: []probe.Step{{Name: "dns", OK: true}, {Name: "login", Code: "auth_failed", Detail: "the server refused the login", Help: "Make an app password"}}}
	a = w.submit(t, browser, path, copied(f, "step", "test", "name", "Kept"))
	want(t, a, 422)
	says(t, a, `href="#password"`, "auth_failed", "Make an app password", `value="Kept"`)
	w.answers()
	want(t, w.submit(t, browser, path, copied(f, "step", "save")), 303)
	if m, _ := w.Accounts.Mailbox(t.Context(), user, box.ID); m.Password.RevealString() != canary {
		t.Error("the password that was tested is not the one that is kept")
	}
}

func TestAPasswordIsInNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers()
	user, browser, program := w.person(t, "owner")
	f := filled(t, w.toMail(t, browser), newPath)
	f.Set("step", "create")
	want(t, w.submit(t, browser, newPath, f), 303)
	all, _ := w.Accounts.Mailboxes(t.Context(), user)
	for _, r := range w.svc.Rows() {
		if r.Method != "GET" || r.ID == "events" {
			continue
		}
		who := program
		if r.Page || r.Person {
			who = browser
		}
		a := w.raw(t, signed(request(r, all[0].ID.String()), who))
		if strings.Contains(string(a.body), canary) {
			t.Errorf("%s has the password", r.ID)
		}
	}
	if strings.Contains(w.Log(), canary) {
		t.Error("the log has the password")
	}
}
