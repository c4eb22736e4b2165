package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/server/api"
)

const fetchmailrc = `poll imap.example.com proto imap
  user "ann" pass "sesame-4711 one" ssl keep
  user "bob" pass "sesame-4711 two" ssl nokeep folder INBOX, Work
poll 127.0.0.1 proto imap user "carl" pass "sesame-4711 three" ssl keep
poll pop.example.com proto pop3 user dora ssl keep
poll imap.example.com proto imap user ann ssl keep sesame-4711
`

func importBody(t *testing.T, text, history string, dry bool) string {
	t.Helper()
	return fmt.Sprintf(`{"text":%q,"history":%q,"dry_run":%v}`, text, history, dry)
}

// TestMailboxesOfAnotherProgram: a dry run makes nothing, each line has its own
// fate, no secret comes back, and doing it again makes nothing twice.
func TestMailboxesOfAnotherProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	for pass, c := range []struct {
		dry      bool
		statuses string
		made     int
	}{
		{true, "2 ready, 3 ready, 4 refused, 5 ready, 6 duplicate", 0},
		{false, "2 created, 3 created, 4 refused, 5 created, 6 duplicate", 3},
		{false, "2 duplicate, 3 duplicate, 4 refused, 5 duplicate, 6 duplicate", 3},
	} {
		a := w.do(t, program, "POST", "/api/v1/mailboxes/import", importBody(t, fetchmailrc, "new", c.dry))
		want(t, a, 200)
		got := read[api.MailboxesImported](t, a)
		var statuses []string
		for _, m := range got.Mailboxes {
			statuses = append(statuses, fmt.Sprint(m.Line, " ", m.Status))
			if (m.ID != "") != (m.Status == "created" || m.Status == "duplicate" && !c.dry) {
				t.Errorf("pass %d: %+v", pass, m)
			}
		}
		if s := strings.Join(statuses, ", "); s != c.statuses || got.Format != "fetchmail" || got.DryRun != c.dry {
			t.Errorf("pass %d: %s, want %s", pass, s, c.statuses)
		}
		lines := map[string]int{}
		for _, p := range got.Problems {
			lines[p.Code] = p.Line
			if p.Detail == "" {
				t.Errorf("%+v says nothing", p)
			}
		}
		if lines["host_not_public"] != 4 || lines["password_missing"] != 6 || lines["word_unknown"] != 6 {
			t.Errorf("problems by line: %v", lines)
		}
		if strings.Contains(string(a.body), "sesame-4711") {
			t.Error("a secret came back")
		}
		all, err := w.Accounts.Mailboxes(t.Context(), user)
		if err != nil || len(all) != c.made {
			t.Errorf("pass %d: %d mailboxes, %v", pass, len(all), err)
		}
		for _, m := range all {
			if m.Username == "bob" && (m.AfterImport != "delete" || len(m.Folders) != 2 || m.Password.RevealString() != "sesame-4711 two" || m.History != "new") ||
				m.Username == "ann" && m.AfterImport != "leave" || m.Username == "dora" && (!m.Password.Empty() || m.Port != 995) {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestAnImportThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	for code, body := range map[string]string{
		"text_required":    `{"text":"","history":"all"}`,
		"history_required": `{"text":"x"}`,
		"format_unknown":   `{"text":"x","history":"all","format":"procmail"}`,
		"since_required":   `{"text":"x","history":"since"}`,
	} {
		a := w.do(t, program, "POST", "/api/v1/mailboxes/import", body)
		want(t, a, 422)
		says(t, a, code)
	}
	a := w.do(t, program, "POST", "/api/v1/mailboxes/import", importBody(t, "Dear support", "all", false))
	want(t, a, 200)
	says(t, a, "format_unknown")
}

// TestTheImportPage carries the file sealed from its first form to its second,
// and works without JavaScript.
func TestTheImportPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	const path = "/mailboxes/import"
	made := func(want int) {
		t.Helper()
		if all, err := w.Accounts.Mailboxes(t.Context(), user); err != nil || len(all) != want {
			t.Errorf("%d mailboxes, want %d, %v", len(all), want, err)
		}
	}
	f := filled(t, w.do(t, browser, "GET", path, ""), path)
	a := w.submit(t, browser, path, copied(f, "step", "read", "text", fetchmailrc))
	want(t, a, 200)
	says(t, a, "3 mailboxes can be made", "Line 4")
	made(0)
	f = filled(t, a, path)
	if strings.Contains(string(a.body), "sesame-4711") {
		t.Error("a secret came back")
	}
	b := w.submit(t, browser, path, copied(f, "step", "add"))
	want(t, b, 200)
	says(t, b, "3 mailboxes have been made")
	made(3)
	if strings.Contains(string(b.body), "sesame-4711") {
		t.Error("a secret came back")
	}
	want(t, w.submit(t, browser, path, copied(f, "step", "add", "kept", "x"+f.Get("kept"))), 422)
	_, other, _ := w.person(t, "another") // whose session it was not sealed for
	want(t, w.submit(t, other, path, copied(f, "step", "add")), 422)
}
