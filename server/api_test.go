package server_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func TestAMailboxIsMadeChangedAndWiped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	a := w.do(t, program, "POST", "/api/v1/mailboxes", with("host", `"imap.example.com:993"`, "port", "", "label", `"Old/Mail"`, "poll_every", `"5m"`, "folders", `[{"name":"INBOX","label":"In"}]`, "authserv", `["MX.example.net","mx.example.net"]`))
	want(t, a, 201)
	m := read[api.Mailbox](t, a)
	if m.Host != "imap.example.com" || m.Port != 993 || m.Label != "Old/Mail" || m.State != "idle" || m.AfterImport != "leave" || m.PollEvery.String() != "5m" || strings.Join(m.Authserv, " ") != "mx.example.net" ||
		a.Header.Get("Location") != "https://mail.example.org/api/v1/mailboxes/"+m.ID || strings.Contains(string(a.body), "sesame") {
		t.Errorf("got %s", a.body)
	}
	path, v1 := "/api/v1/mailboxes/"+m.ID, a.Header.Get("ETag")
	if got := strings.Join(w.Engine.Asked(), " "); got != "register" {
		t.Errorf("the engine was asked to %s", got)
	}
	wantProblem(t, w.do(t, program, "POST", "/api/v1/mailboxes", with("port", "143", "security", `"starttls"`)), 409, "duplicate_mailbox", "")

	got := w.do(t, program, "GET", path, "")
	want(t, got, 200)
	if got.Header.Get("ETag") != v1 {
		t.Error("the version changes by itself")
	}
	a = w.do(t, program, "PATCH", path, `{"label":"New","password":"another"}`, field{"If-Match", v1})
	want(t, a, 200)
	v2 := a.Header.Get("ETag")
	if read[api.Mailbox](t, a).Label != "New" || v2 == v1 {
		t.Errorf("got %s, version %s", a.body, v2)
	}
	wantProblem(t, w.do(t, program, "PATCH", path, `{"label":"Newer"}`, field{"If-Match", v1}), 412, "changed_meanwhile", "")
	wantProblem(t, w.do(t, program, "DELETE", path, "", field{"If-Match", v1}), 412, "changed_meanwhile", "")
	a = w.do(t, program, "PATCH", path, `{"archive":true}`, field{"If-Match", `"x", ` + v2})
	want(t, a, 200)
	v3 := a.Header.Get("ETag")
	wantProblem(t, w.do(t, program, "PATCH", path, `{"host":"pop.example.com"}`), 422, "mailbox_identity", "host")
	if a := w.do(t, program, "PATCH", path, `{"password":"third"}`); a.Header.Get("ETag") == v3 {
		t.Error("a new password is no new version")
	}
	w.Engine.Asked()

	a = w.do(t, program, "DELETE", path, "")
	want(t, a, 200)
	r := read[api.Wiped](t, a).Receipt
	if !r.KeyDestroyed || r.Subject != "mailbox" || strings.Join(w.Engine.Asked(), " ") != "forget" {
		t.Errorf("got %+v", r)
	}
	a = w.do(t, as{}, "GET", "/api/v1/receipts/"+r.ID, "")
	want(t, a, 200)
	if read[api.Receipt](t, a).ID != r.ID {
		t.Errorf("got %s", a.body)
	}
	wantProblem(t, w.do(t, as{}, "GET", "/api/v1/receipts/nosuch", ""), 404, "not_found", "")
	wantProblem(t, w.do(t, program, "GET", path, ""), 404, "not_found", "")
}

func TestNothingIsWipedBeforeWorkHasStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	w.Engine.Fail(errSecret("still uploading"))
	for _, path := range []string{"/mailboxes/" + box.ID.String(), "/grant", "/me"} {
		wantProblem(t, w.do(t, program, "DELETE", "/api/v1"+path, ""), 500, "internal", "")
	}
	want(t, w.do(t, program, "GET", "/api/v1/mailboxes/"+box.ID.String(), ""), 200)
}

func TestAFailingMailboxGoesOnAfterItsUserHasDoneSomething(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	path := "/api/v1/mailboxes/" + box.ID.String()
	w.Engine.Set(box.ID, schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: "auth_failed", Detail: "refused", Help: "type it anew"}})
	m := read[api.Mailbox](t, w.do(t, program, "GET", path, ""))
	if m.State != "failing" || m.Reason == nil || m.Reason.Code != "auth_failed" {
		t.Errorf("got %+v", m)
	}
	a := w.do(t, program, "PATCH", path, `{"password":"right"}`)
	want(t, a, 200)
	if got := strings.Join(w.Engine.Asked(), " "); got != "register resume" || read[api.Mailbox](t, a).State != "idle" {
		t.Errorf("the engine was asked to %s: %s", got, a.body)
	}
}

func TestWorkIsAskedForAndStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	path := "/api/v1/mailboxes/" + w.Mailbox(t, user, "old").ID.String()
	want(t, w.do(t, browser, "POST", path+"/sync", ""), 202)
	a := w.do(t, program, "POST", path+"/pause", "")
	want(t, a, 200)
	if read[api.Mailbox](t, a).State != "paused" {
		t.Errorf("got %s", a.body)
	}
	want(t, w.do(t, program, "POST", path+"/resume", ""), 200)
	if got := strings.Join(w.Engine.Asked(), " "); got != "sync pause resume" {
		t.Errorf("the engine was asked to %s", got)
	}
	w.Engine.Fail(actors.ErrPaused)
	wantProblem(t, w.do(t, program, "POST", path+"/sync", ""), 409, "mailbox_paused", "")
	w.Engine.Fail(actors.ErrDrained)
	wantProblem(t, w.do(t, program, "POST", path+"/sync", ""), 503, "restarting", "")
}

func TestARepeatedPostIsDoneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, program := w.person(t, "owner")
	key := field{"Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324"}
	first := w.do(t, program, "POST", "/api/v1/mailboxes", with(), key)
	want(t, first, 201)
	again := w.do(t, program, "POST", "/api/v1/mailboxes", with(), key)
	want(t, again, 201)
	if !bytes.Equal(first.body, again.body) || first.Header.Get("Location") != again.Header.Get("Location") {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	wantProblem(t, w.do(t, program, "POST", "/api/v1/mailboxes", with("name", `"x"`), key), 422, "idempotency_mismatch", "")
	wantProblem(t, w.do(t, program, "POST", "/api/v1/tokens", `{"name":"n","scopes":["audit:read"]}`, key), 422, "idempotency_mismatch", "")
	wantProblem(t, w.do(t, program, "POST", "/api/v1/mailboxes", with(), field{"Idempotency-Key", strings.Repeat("k", 256)}), 400, "idempotency_key", "")

	other := field{"Idempotency-Key", "2"}
	wantProblem(t, w.do(t, program, "POST", "/api/v1/mailboxes", with("host", `""`), other), 422, "host_required", "host")
	want(t, w.do(t, program, "POST", "/api/v1/mailboxes", with("host", `"two.example.com"`), other), 201)

	third := field{"Idempotency-Key", "3"}
	a := w.do(t, program, "POST", "/api/v1/tokens", `{"name":"n","scopes":["audit:read"]}`, third)
	want(t, a, 201)
	a = w.do(t, program, "POST", "/api/v1/tokens", `{"name":"n","scopes":["audit:read"]}`, third)
	wantProblem(t, a, 409, "token_made", "")
	if strings.Contains(string(a.body), "smtps_") {
		t.Error("the token is shown twice")
	}
	_, _, stranger := w.person(t, "stranger")
	want(t, w.do(t, stranger, "POST", "/api/v1/mailboxes", with(), key), 201)

	fourth, box := field{"Idempotency-Key", "4"}, "/api/v1/mailboxes/"+read[api.Mailbox](t, first).ID
	want(t, w.do(t, program, "POST", box+"/sync", "", fourth), 202)
	want(t, w.do(t, program, "POST", box+"/sync", "", fourth), 202)
	wantProblem(t, w.do(t, program, "POST", box+"/pause", "", fourth), 422, "idempotency_mismatch", "")
	if got := strings.Count(strings.Join(w.Engine.Asked(), " "), "sync"); got != 1 {
		t.Errorf("looked %d times", got)
	}
}

func TestTokensAreMadeShownOnceAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	a := w.do(t, browser, "POST", "/api/v1/tokens", `{"name":"backup <script>","scopes":["audit:read"],"expires_in":"720h"}`)
	want(t, a, 201)
	made := read[api.TokenMade](t, a)
	want(t, w.do(t, as{token: made.Token}, "GET", "/api/v1/audit", ""), 200)
	list := w.do(t, program, "GET", "/api/v1/tokens", "")
	want(t, list, 200)
	if got := read[api.Tokens](t, list).Tokens; got[0].ID != made.ID || got[0].Scopes[0] != "audit:read" || strings.Contains(string(list.body), made.Token) {
		t.Errorf("got %s", list.body)
	}
	want(t, w.do(t, program, "DELETE", "/api/v1/tokens/"+made.ID, ""), 204)
	wantProblem(t, w.do(t, as{token: made.Token}, "GET", "/api/v1/audit", ""), 401, "token_invalid", "")
	for body, in := range map[string]string{`{"name":"","scopes":["audit:read"]}`: "name", `{"name":"n","scopes":[]}`: "scopes", `{"name":"n","scopes":["all"]}`: "scopes",
		`{"name":"n","scopes":["audit:read"],"expires_in":"1s"}`: "expires_in", `{"name":"a\nb","scopes":["audit:read"]}`: "name"} {
		a := w.do(t, program, "POST", "/api/v1/tokens", body)
		if p := a.problem(t); a.StatusCode != 422 || p.Errors[0].Field != in {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	weak := as{token: w.Token(t, user, "account:write")}
	wantProblem(t, w.do(t, weak, "POST", "/api/v1/tokens", `{"name":"n","scopes":["mailboxes:write"]}`), 403, "scope_missing", "")
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	other := w.Cookie(t, user)
	a := w.do(t, browser, "GET", "/api/v1/sessions", "")
	want(t, a, 200)
	list := read[api.Sessions](t, a).Sessions
	if len(list) != 2 || list[0].Current == list[1].Current || list[0].Device != "Firefox on Linux" {
		t.Fatalf("got %s", a.body)
	}
	for _, s := range list {
		if !s.Current {
			want(t, w.do(t, browser, "DELETE", "/api/v1/sessions/"+s.ID, ""), 204)
		}
	}
	wantProblem(t, w.do(t, as{cookie: other}, "GET", "/api/v1/me", ""), 401, "session_expired", "")
	a = w.do(t, browser, "GET", "/api/v1/session", "")
	if want(t, a, 200); read[api.Session](t, a).CSRF != session.CSRF(browser.cookie) {
		t.Errorf("got %s", a.body)
	}
}

func TestMeIsShownChangedAndWiped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	w.Mailbox(t, user, "old")
	a := w.do(t, program, "PATCH", "/api/v1/me", `{"locale":"de-AT","time_zone":"Europe/Vienna","notices":{"digest":false}}`)
	want(t, a, 200)
	me := read[api.Me](t, w.do(t, browser, "GET", "/api/v1/me", ""))
	if me.Locale != "de-AT" || me.TimeZone != "Europe/Vienna" || me.Notices != (api.Notices{Failing: true, SignIn: true}) {
		t.Errorf("got %+v", me)
	}
	for body, code := range map[string]string{`{"time_zone":"../../etc/passwd"}`: "time_zone_unknown", `{"time_zone":"Local"}`: "time_zone_unknown", `{"locale":"e"}`: "locale_invalid"} {
		if p := w.do(t, program, "PATCH", "/api/v1/me", body).problem(t); p.Code != code {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if err := w.Accounts.PutGrant(t.Context(), user, account.Grant{RefreshToken: secret("r"), Scopes: []string{"s"}, Sub: "owner", Email: "e"}); err != nil {
		t.Fatal(err)
	}
	a = w.do(t, program, "DELETE", "/api/v1/grant", "")
	want(t, a, 200)
	if r := read[api.Wiped](t, a).Receipt; r.Outside["google_revoke"] != "pending" {
		t.Errorf("got %s", a.body)
	}
	if got := strings.Join(w.Engine.Asked(), ", "); got != "stop user, user changed, register" {
		t.Errorf("the engine was asked to %s", got)
	}
	if me := read[api.Me](t, w.do(t, browser, "GET", "/api/v1/me", "")); me.Grant.Status != "revoked" || me.Email != "" {
		t.Errorf("got %+v", me)
	}
	a = w.do(t, browser, "DELETE", "/api/v1/me", "")
	want(t, a, 200)
	if r := read[api.Wiped](t, a).Receipt; !r.KeyDestroyed || r.Rows["mailboxes"] != 1 {
		t.Errorf("got %s", a.body)
	}
	want(t, w.do(t, browser, "GET", "/api/v1/me", ""), 401)
	want(t, w.do(t, program, "GET", "/api/v1/me", ""), 401)
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	stranger, _, other := w.person(t, "other")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		box := w.Mailbox(t, user, name)
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: name + ".example", Status: mail.Imported, Size: 1})
		w.Books.Append(stranger, audit.Entry{Domain: "x.example", Status: mail.Imported})
	}
	for _, list := range []string{"/api/v1/mailboxes?", "/api/v1/audit?status=imported&"} {
		var seen []string
		next := ""
		for range 3 {
			path := list + "limit=2"
			if next != "" {
				path += "&cursor=" + next
			}
			a := w.do(t, program, "GET", path, "")
			want(t, a, 200)
			next = read[struct {
				Next string `json:"next_cursor"`
			}](t, a).Next
			for _, m := range read[api.Mailboxes](t, a).Mailboxes {
				seen = append(seen, m.Name)
			}
			for _, e := range read[api.Audit](t, a).Entries {
				seen = append(seen, e.SenderDomain[:1])
			}
			if next == "" {
				break
			}
			tampered := "A"
			if next[0] == 'A' {
				tampered = "B"
			}
			for _, bad := range []string{next[:len(next)-2], tampered + next[1:], next + "AAAA", "x", "%00"} {
				wantProblem(t, w.do(t, program, "GET", list+"limit=2&cursor="+bad, ""), 400, "bad_cursor", "")
			}
			wantProblem(t, w.do(t, other, "GET", list+"limit=2&cursor="+next, ""), 400, "bad_cursor", "")
		}
		if got := strings.Join(seen, ""); got != "abcde" && got != "edcba" || next != "" {
			t.Errorf("%s: %s", list, got)
		}
	}
	a := w.do(t, program, "GET", "/api/v1/audit?status=imported&limit=2", "")
	next := read[api.Audit](t, a).NextCursor
	wantProblem(t, w.do(t, program, "GET", "/api/v1/audit?status=failed&limit=2&cursor="+next, ""), 400, "bad_cursor", "")
	a = w.do(t, program, "GET", "/api/v1/mailboxes?limit=2", "")
	next = read[api.Mailboxes](t, a).NextCursor
	wantProblem(t, w.do(t, program, "GET", "/api/v1/tokens?cursor="+next, ""), 400, "bad_cursor", "")
}

func TestTheAuditIsFilteredAndExported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	for range 1500 {
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: mail.Imported, Size: 10})
	}
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "-1+cmd.example", Status: mail.Rejected, Reason: "=HYPERLINK(1)", Size: 5})
	a := w.do(t, program, "GET", "/api/v1/audit?status=refused&mailbox="+box.ID.String(), "")
	want(t, a, 200)
	if got := read[api.Audit](t, a).Entries; len(got) != 1 || got[0].Status != "refused" || got[0].Size != 5 {
		t.Errorf("got %s", a.body)
	}
	a = w.do(t, program, "GET", "/api/v1/audit", "", field{"Accept", "text/csv"})
	want(t, a, 200)
	rows, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) != 1502 || rows[1][3] != "'-1+cmd.example" || rows[1][5] != "'=HYPERLINK(1)" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	a = w.do(t, program, "GET", "/api/v1/audit?domain=a.example", "", field{"Accept", "application/jsonl"})
	want(t, a, 200)
	if n := bytes.Count(a.body, []byte("\n")); n != 1500 || a.Header.Get("Content-Type") != "application/jsonl" {
		t.Errorf("%d lines", n)
	}
	wantProblem(t, w.do(t, program, "GET", "/api/v1/audit", "", field{"Accept", "image/png"}), 406, "not_acceptable", "")
	want(t, w.do(t, program, "GET", "/api/v1/audit", "", field{"Accept", "*/*"}), 200)

	m := read[api.Mailbox](t, w.do(t, program, "GET", "/api/v1/mailboxes/"+box.ID.String(), ""))
	if m.Imported != (api.Amount{Messages: 1500, Bytes: 15000}) || m.Refused != 1 {
		t.Errorf("got %+v", m)
	}
}

func TestATokenMakesNoneThatOutlivesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.User(t, "owner")
	scopes, err := session.ParseScopes([]string{"account:write"})
	if err != nil {
		t.Fatal(err)
	}
	maker, text, err := w.Sessions.IssueToken(t.Context(), user, session.NewToken{Name: "an hour", Scopes: scopes, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{"", `,"expires_in":"8000h"`} {
		want(t, w.do(t, as{token: text.RevealString()}, "POST", "/api/v1/tokens", `{"name":"for ever","scopes":["account:write"]`+asked+`}`), 201)
	}
	all, err := w.Sessions.Tokens(t.Context(), user)
	if err != nil || len(all) != 3 {
		t.Fatalf("got %v, %v", all, err)
	}
	for _, k := range all {
		if k.Expires.After(maker.Expires.Add(time.Minute)) {
			t.Errorf("%q lives until %v, its maker until %v", k.Name, k.Expires, maker.Expires)
		}
	}
}

func TestAPauseThatStaysIsNotJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box, err := w.Accounts.EnsureMailbox(t.Context(), user, account.Mailbox{Name: "sample", Protocol: "imap", Host: "imap.example.com", Port: 993, Security: "tls",
		Username: "me", Password: secret("s"), AfterImport: "leave", History: "all", PollEvery: 2 * time.Second}) // as the demo has them
	if err != nil {
		t.Fatal(err)
	}
	one := "/api/v1/mailboxes/" + box.ID.String()
	for body, poll := range map[string]time.Duration{`{"name":"mine"}`: 2 * time.Second, `{"poll_every":"2s"}`: 2 * time.Second} {
		want(t, w.do(t, program, "PATCH", one, body), 200)
		if now, _ := w.Accounts.Mailbox(t.Context(), user, box.ID); now.PollEvery != poll {
			t.Errorf("after %s: %v", body, now.PollEvery)
		}
	}
	wantProblem(t, w.do(t, program, "PATCH", one, `{"poll_every":"3s"}`), 422, "poll_every_range", "poll_every")
	want(t, w.do(t, program, "PATCH", one, `{"poll_every":"0s"}`), 200)
	if now, _ := w.Accounts.Mailbox(t.Context(), user, box.ID); now.PollEvery != 0 {
		t.Errorf("after 0s: %v", now.PollEvery)
	}
}

func TestWhyStatsAndExportAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	e := w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "a.example", Status: mail.Rejected, Reason: "too_large", Size: 10})
	w.Clues = []api.Clue{{Place: "gmail", Code: "too_large", Detail: "larger than Gmail takes"}}
	w.Used = 7
	a := w.do(t, program, "GET", "/api/v1/why?domain=A.example&mailbox="+box.ID.String()+"&date="+e.At.Format("2006-01-02"), "")
	want(t, a, 200)
	if y := read[api.Why](t, a); len(y.Entries) != 1 || len(y.Findings) != 1 || !strings.Contains(y.Answer, "refused") {
		t.Errorf("got %s", a.body)
	}
	a = w.do(t, program, "GET", "/api/v1/stats?window=24h", "")
	want(t, a, 200)
	if s := read[api.Stats](t, a); s.Totals.Refused != 1 || len(s.Series) == 0 || s.Budget.BytesToday != 7 || len(s.Strips) != 1 {
		t.Errorf("got %s", a.body)
	}
}

// TestTheExportHoldsAllThatThePageShows: the API's export and the page's own file.
func TestTheExportHoldsAllThatThePageShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	first, second := w.Mailbox(t, user, "old"), w.Mailbox(t, user, "older")
	for range 2 {
		w.Books.Append(user, audit.Entry{Mailbox: first.ID, Domain: "a.example", Status: mail.Imported, Size: 10})
	}
	a := w.do(t, program, "GET", "/api/v1/export", "")
	want(t, a, 200)
	x := read[api.Export](t, a)
	if x.Me.ID != user.String() || len(x.Mailboxes) != 2 || len(x.Audit) != 2 || len(x.Tokens) != 1 || strings.Contains(string(a.body), "sesame") {
		t.Errorf("got %s", a.body)
	}
	if len(x.Ledger) != 2 || x.Ledger[0].MailboxID != first.ID.String() || x.Ledger[1].Key != "key in "+second.ID.String() {
		t.Errorf("ledger = %+v, want what is remembered of each mailbox", x.Ledger)
	}
	shown := w.do(t, browser, "GET", "/lens/data", "")
	want(t, shown, 200)
	var page, held map[string]any
	if err := errors.Join(json.Unmarshal(shown.body, &page), json.Unmarshal(x.Held.RawMessage, &held)); err != nil {
		t.Fatal(err)
	}
	delete(page, "at")
	delete(held, "at")
	if len(page) < 5 || !reflect.DeepEqual(page, held) {
		t.Errorf("the export holds %s, the page %s", x.Held.RawMessage, shown.body)
	}
}

func TestServersAreFoundAndTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	w.Found = []discover.Candidate{{Protocol: "imap", Host: "imap.example.com", Port: 993, Security: "tls", Username: "me", Auth: "password", Source: "ispdb"}}
	a := w.do(t, program, "GET", "/api/v1/discover?address=me%40example.com", "")
	want(t, a, 200)
	if got := read[[]api.Candidate](t, a); len(got) != 1 || got[0].Source != "ispdb" {
		t.Errorf("got %s", a.body)
	}
	w.Tried = probe.Result{Steps: []probe.Step{{Name: "dns", OK: true, MS: 3}, {Name: "tls", OK: true, TLS: &probe.TLS{Version: "TLS 1.3", Chain: []string{"a"}}},
		{Name: "login", Code: "auth_failed", Detail: "refused", Help: "use an app password"}}}
	a = w.do(t, program, "POST", "/api/v1/mailboxes/test", with("history", ""))
	want(t, a, 200)
	if got := read[api.Trial](t, a); got.OK || len(got.Steps) != 3 || got.Steps[2].Code != "auth_failed" {
		t.Errorf("got %s", a.body)
	}
	path := "/api/v1/mailboxes/" + w.Mailbox(t, user, "old").ID.String() + "/estimate"
	wantProblem(t, w.do(t, program, "POST", path, `{"history":"all"}`), 409, "auth_failed", "")
	w.Tried = probe.Result{OK: true, Messages: new(int64(2000)), Bytes: new(int64(1_250_000_000))}
	a = w.do(t, program, "POST", path, `{"history":"all"}`)
	want(t, a, 200)
	if got := read[api.Estimate](t, a); got != (api.Estimate{Messages: 2000, Bytes: 1_250_000_000, Days: 2.5}) {
		t.Errorf("got %s", a.body)
	}
}

func TestTheLogHasNoAddressNoPathAndNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	w.do(t, program, "POST", "/api/v1/mailboxes", with("host", `"canary.example.com"`))
	w.do(t, program, "GET", "/api/v1/audit?domain=canary.example", "")
	w.do(t, program, "GET", "/api/v1/mailboxes/"+id.New[id.Mailbox]().String(), "")
	w.do(t, browser, "GET", "/api/v1/mailboxes/"+box.ID.String(), "", field{"X-Forwarded-For", "203.0.113.9"})
	w.do(t, as{token: "smtps_canary"}, "GET", "/api/v1/me", "")
	log := w.Log()
	for _, never := range []string{"canary", "sesame", "203.0.113.9", "0.0.0.0", "/api/v1", box.ID.String(), program.token, browser.cookie.RevealString(), "gmail.example"} {
		if strings.Contains(log, never) {
			t.Errorf("%q is in the log", never)
		}
	}
	var line struct{ Ref, Code, User, Err string }
	if err := json.Unmarshal([]byte(strings.Split(log, "\n")[2]), &line); err != nil || line.Code != "getMailbox" || line.User != user.String() || line.Err != "not_found" || line.Ref == "" {
		t.Errorf("got %+v, %v", line, err)
	}
}
