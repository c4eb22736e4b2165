package server_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

func has(t *testing.T, where, body string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(body, w) {
			t.Errorf("%s does not say %q", where, w)
		}
	}
}

func TestAListSaysHowEachMailboxIsDoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	box := w.Mailbox(t, user, "old one")
	w.Engine.Set(box.ID, schedule.State{Phase: schedule.Failing, LastSync: time.Now().Add(-2*time.Hour - time.Minute),
		Reason: schedule.Reason{Code: "auth_failed", Detail: "the password is refused", Help: "make an app password"}})
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Status: mail.Imported})
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Status: mail.Rejected})
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Status: mail.Imported, At: time.Now().Add(-30 * time.Hour)})
	body := string(w.do(t, browser, "GET", "/mailboxes", "").body)
	has(t, "the list", body, "Needs you", "The password is refused.", "Make an app password.", "2 hours ago", "Last 24 hours: 1 refused, 1 imported", "/edit", "<dd>2</dd>",
		"Gmail is not connected yet", `href="/mailboxes/new"`)
	w.Engine.Set(box.ID, schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: "grant_scope_labels", Detail: "labels need one more permission", Help: "connect again"}})
	body = string(w.do(t, browser, "GET", "/mailboxes", "").body)
	if has(t, "the list", body, `href="/auth/google/grant?return=%2Fmailboxes%2F`+box.ID.String()+`"`); strings.Contains(body, "/edit") {
		t.Error("what is missing at Google is to be mended in the settings")
	}
	w.Engine.Set(box.ID, schedule.State{Until: time.Now().Add(50*time.Minute + time.Second)})
	has(t, "a mailbox that is polled", string(w.do(t, browser, "GET", "/mailboxes", "").body), "in 50 minutes")
	w.Engine.Push(box.ID)
	if body = string(w.do(t, browser, "GET", "/mailboxes", "").body); !strings.Contains(body, "as soon as mail comes") || strings.Contains(body, "in 50 minutes") {
		t.Error("a server that tells of new mail seems to be looked at rarely")
	}
	w.Engine.Set(box.ID, schedule.State{Phase: schedule.Syncing, Backlog: schedule.Backlog{Messages: 12345, Bytes: 987e6, ETA: time.Now().Add(49 * time.Hour)}})
	if err := w.Accounts.PutGrant(t.Context(), user, account.Grant{RefreshToken: secret("x"), Scopes: []string{"https://www.googleapis.com/auth/gmail.insert"}}); err != nil {
		t.Fatal(err)
	}
	body = string(w.do(t, browser, "GET", "/mailboxes", "").body)
	has(t, "the list", body, "Importing", "at work now")
	if strings.Contains(body, "not connected") {
		t.Error("Gmail is connected")
	}
}

func TestAMailboxHasItsFiguresSettingsAndNewestMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	box, other := w.Mailbox(t, user, "old one"), w.Mailbox(t, user, "another")
	for i, n := range []int64{1500, 2500} {
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: mail.Imported, Size: n, At: time.Now().Add(-time.Duration(i) * 48 * time.Hour)})
	}
	w.Books.Append(user, audit.Entry{Mailbox: other.ID, Domain: "b.example", Status: mail.Imported, Size: 77_000})
	w.svc.Took(box.ID, 2*time.Second)
	w.Used = 123_000_000
	path := "/mailboxes/" + box.ID.String()
	body := string(w.do(t, browser, "GET", path, "").body)
	has(t, path, body, "<h1>old one</h1>", "1.5 kB in all", "123 MB of 500 MB", "a.example", "imap.example.com:993", path+"/edit", path+"/delete", "half of the mail", `aria-current="true">24 hours`)
	if strings.Contains(body, "b.example") || strings.Contains(body, "77 kB in all") {
		t.Error("it has figures of another mailbox")
	}
	body = string(w.do(t, browser, "GET", path+"?window=7d", "").body)
	has(t, path, body, "4.0 kB in all", "2 messages", `aria-current="true">7 days`)
	want(t, w.do(t, browser, "DELETE", "/api/v1"+path, ""), 200)
	w.svc.Took(other.ID, time.Second)
}

func TestTimesAreThoseOfTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	want(t, w.do(t, program, "PATCH", "/api/v1/me", `{"time_zone":"Asia/Kolkata"}`), 200)
	box := w.Mailbox(t, user, "old")
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: mail.Imported, At: time.Date(2026, 5, 4, 20, 0, 0, 0, time.UTC)})
	has(t, "the audit", string(w.do(t, browser, "GET", "/audit", "").body), ">2026-05-05<", ">01:30:00<", `datetime="2026-05-04T20:00:00Z"`, "Asia/Kolkata")
	for day, there := range map[string]bool{"2026-05-05": true, "2026-05-04": false} {
		body := string(w.do(t, browser, "GET", "/audit?from="+day+"&to="+day, "").body)
		if strings.Contains(body, "a.example") != there {
			t.Errorf("on %s: %v", day, !there)
		}
	}
}

func TestAuditIsReadPageByPageAndTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	for i := range 60 {
		s := mail.Imported
		if i == 0 {
			s = mail.Rejected
		}
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: s, Reason: "gmail_too_large", Size: int64(i)})
	}
	first := sound(t, "the audit", w.do(t, browser, "GET", "/audit", "").body)
	older := ""
	for n := range first.Descendants() {
		if n.Data == "a" && attr(n, "rel") == "next" {
			older = attr(n, "href")
		}
	}
	body := string(w.do(t, browser, "GET", older, "").body)
	has(t, "the older ones", body, "refused", "larger than Gmail takes", `href="/audit"`)
	if strings.Contains(body, `id="entries" data-live`) || strings.Count(body, `<tr id="line-`) != 10 {
		t.Error("new entries would come into an old page, or it has not the ten that are left")
	}
	a := w.do(t, browser, "GET", "/audit.csv?status=refused", "")
	if want(t, a, 200); strings.Count(string(a.body), "\n") != 2 || a.Header.Get("Content-Type") != "text/csv" || !strings.Contains(a.Header.Get("Content-Disposition"), "audit.csv") {
		t.Errorf("%v %s", a.Header, a.body)
	}
	a = w.do(t, browser, "GET", "/audit.jsonl?"+url.Values{"domain": {" @A.example "}}.Encode(), "")
	if want(t, a, 200); strings.Count(string(a.body), "\n") != 60 {
		t.Errorf("%d lines", strings.Count(string(a.body), "\n"))
	}
}

func TestASwitchedThemeIsThereFromTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for cookie, want := range map[string]string{"dark": ` data-theme="dark"`, "light": ` data-theme="light"`, `x"><script>`: "", "": ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "theme="+cookie)
		if body := string(w.raw(t, r).body); !strings.Contains(body, `<html lang="en"`+want+">") {
			t.Errorf("%q: %.80s", cookie, body)
		}
	}
}

func TestTheAPIIsThereForPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := string(w.do(t, as{}, "GET", "/api", "").body)
	for _, r := range w.svc.Rows() {
		if there := strings.Contains(body, ">"+r.Method+" "+r.Path+"<"); there == r.Page {
			t.Errorf("%s %s: %v", r.Method, r.Path, there)
		}
	}
	has(t, "the page", body, "mailboxes:write", "Authorization: Bearer $TOKEN", "pop3 | imap", "date=…", "/api/v1/openapi.json")
}

func TestWhatIsNotInGmailCanBeDecidedAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	lines := map[mail.Status]string{}
	for _, s := range []mail.Status{mail.Imported, mail.Failed, mail.Rejected, mail.Skipped, mail.Doubtful} {
		lines[s] = w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: s}).ID.String()
	}
	page := string(w.do(t, browser, "GET", "/audit", "").body)
	for s, offered := range map[mail.Status]string{mail.Imported: "", mail.Failed: "retry", mail.Rejected: "retry", mail.Skipped: "import", mail.Doubtful: "done retry"} {
		for _, d := range []string{"retry", "import", "done"} {
			action := "/audit/" + lines[s] + "/" + d
			if strings.Contains(page, `action="`+action+`"`) != strings.Contains(offered, d) {
				t.Errorf("%s of what is %s: offered or not", d, s)
			}
		}
	}
	want(t, w.submit(t, browser, "/audit/"+lines[mail.Doubtful]+"/done", nil), 303)
	if got := strings.Join(w.Engine.Asked(), " "); got != "done sync" {
		t.Errorf("asked to %s", got)
	}
	for d, s := range map[string]mail.Status{"retry": mail.Failed, "import": mail.Skipped, "done": mail.Doubtful} {
		a := w.do(t, program, "POST", "/api/v1/audit/"+lines[s]+"/"+d, "", field{"Idempotency-Key", d})
		if want(t, a, 202); len(a.body) > 0 {
			t.Errorf("got %s", a.body)
		}
		want(t, w.do(t, program, "POST", "/api/v1/audit/"+lines[s]+"/"+d, "", field{"Idempotency-Key", d}), 202)
		if got := strings.Join(w.Engine.Asked(), " "); got != d+" sync" { // once
			t.Errorf("asked to %s", got)
		}
		wantProblem(t, w.do(t, program, "POST", "/api/v1/audit/"+lines[mail.Imported]+"/"+d, ""), 409, "not_to_decide", "")
		wantProblem(t, w.do(t, program, "POST", "/api/v1/audit/"+box.ID.String()+"/"+d, ""), 404, "not_found", "")
	}
	if asked := w.Engine.Asked(); len(asked) > 0 {
		t.Errorf("asked to %v", asked)
	}
}
