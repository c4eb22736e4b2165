package server_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func TestSettingsAreShownInWordsAndSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, program := w.person(t, "owner")
	says(t, w.do(t, browser, "GET", "/settings", ""), "owner@gmail.example", "Not connected yet.", "Connect Gmail", "this browser", "never")
	w.grant(t, user, oauth.ScopeInsert)
	w.Books.Append(user, audit.Entry{Mailbox: w.Mailbox(t, user, "old").ID, Domain: "a.example", Status: mail.Imported, At: time.Date(2024, 1, 31, 23, 30, 0, 0, time.UTC)})
	says(t, w.do(t, browser, "GET", "/settings", ""), "Connected.", "We may add mail", "We cannot read", "Withdraw")
	f := filled(t, w.do(t, browser, "GET", "/settings", ""), "/settings")
	want(t, w.submit(t, browser, "/settings", copied(f, "locale", "de-AT", "time_zone", "Europe/Vienna", "digest", "")), 303)
	f.Del("digest")
	want(t, w.submit(t, browser, "/settings", copied(f, "locale", "de-AT", "time_zone", "Europe/Vienna")), 303)
	me := read[api.Me](t, w.do(t, program, "GET", "/api/v1/me", ""))
	if me.Locale != "de-AT" || me.TimeZone != "Europe/Vienna" || me.Notices.Digest || !me.Notices.Failing {
		t.Errorf("got %+v", me)
	}
	a := w.submit(t, browser, "/settings", copied(f, "locale", "german", "time_zone", "Local"))
	want(t, a, 422)
	says(t, a, `href="#locale"`, `href="#time_zone"`, `value="german"`)
}

func TestATokenIsShownOnceAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	f := filled(t, w.do(t, browser, "GET", "/settings", ""), "/settings/tokens")
	a := w.submit(t, browser, "/settings/tokens", copied(f, "token_name", "cron", "scope", "audit:read"))
	want(t, a, 200)
	_, rest, _ := strings.Cut(string(a.body), `id="made" value="`)
	text, _, _ := strings.Cut(rest, `"`)
	if !session.IsToken(secret(text)) {
		t.Fatalf("no token in %s", a.body)
	}
	want(t, w.do(t, as{token: text}, "GET", "/api/v1/audit", ""), 200)
	want(t, w.do(t, as{token: text}, "GET", "/api/v1/mailboxes", ""), 403)
	if strings.Contains(string(w.do(t, browser, "GET", "/settings", "").body), text) {
		t.Error("it is shown again")
	}
	a = w.submit(t, browser, "/settings/tokens", url.Values{"token_name": {""}, "scope": {"everything"}, "life": {"1s"}})
	want(t, a, 422)
	says(t, a, `href="#token_name"`, `href="#scope"`, `href="#life"`)
	all, _ := w.Sessions.Tokens(t.Context(), user)
	for _, o := range all {
		want(t, w.submit(t, browser, "/settings/tokens/"+o.ID.String()+"/end", nil), 303)
	}
	want(t, w.do(t, as{token: text}, "GET", "/api/v1/audit", ""), 401)
}

func TestASessionIsEndedFromThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	other := as{cookie: w.Cookie(t, user)}
	all, _ := w.Sessions.Sessions(t.Context(), user)
	mine, _ := w.Sessions.FindSession(t.Context(), browser.cookie)
	for _, o := range all {
		if o.ID != mine.ID {
			want(t, w.submit(t, browser, "/settings/sessions/"+o.ID.String()+"/end", nil), 303)
		}
	}
	want(t, w.do(t, other, "GET", "/settings", ""), 401)
	a := w.submit(t, browser, "/settings/sessions/"+mine.ID.String()+"/end", nil)
	if want(t, a, 303); a.Header.Get("Location") != "https://mail.example.org/" {
		t.Errorf("to %s", a.Header.Get("Location"))
	}
	want(t, w.do(t, browser, "GET", "/settings", ""), 401)
}

func TestWhyAsksEveryPlaceAndSaysItInSentences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	_, stranger, _ := w.person(t, "stranger")
	box := w.Mailbox(t, user, "old")
	w.Clues = []api.Clue{{Place: "listing", Code: "absent", Detail: "no mail of that day is there now"}, {Place: "ledger", Code: "none", Detail: "nothing of that day was imported"}}
	want(t, w.do(t, browser, "GET", "/why", ""), 200)
	path := "/why?mailbox=" + box.ID.String()
	a := w.do(t, browser, "GET", path+"&date=2024-01-31&domain=Someone@Shop.Example", "")
	want(t, a, 200)
	says(t, a, "The old mailbox", "No mail of that day is there now.", "Our record", `value="shop.example"`, "has not been read yet")
	for _, date := range []string{"", "yesterday", "2024-02-31", "0001-01-01"} {
		a := w.do(t, browser, "GET", path+"&date="+date, "")
		want(t, a, 422)
		says(t, a, `href="#date"`)
	}
	says(t, w.do(t, browser, "GET", "/why?date=2024-01-31", ""), `href="#mailbox"`)
	want(t, w.do(t, stranger, "GET", path+"&date=2024-01-31", ""), 404)
	want(t, w.do(t, browser, "GET", "/why?mailbox=x&date=2024-01-31", ""), 404)
}

// The log knows when a mail was handled: what was sent long before may have come
// with the history.
func TestMailThatCameLongAfterItsDayIsNotCalledAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, _, program := w.person(t, "owner")
	box := w.Mailbox(t, user, "old")
	w.Engine.Set(box.ID, schedule.State{Phase: schedule.Idle, LastSync: time.Now()})
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: "shop.example", Status: mail.Imported})
	ask := func(query string, clues ...api.Clue) api.Why {
		w.Clues = clues
		a := w.do(t, program, "GET", "/api/v1/why?mailbox="+box.ID.String()+"&date=2024-01-31"+query, "")
		want(t, a, 200)
		return read[api.Why](t, a)
	}
	for name, c := range map[string]struct {
		query, want string
		clues       []api.Clue
	}{
		"it came since":      {"&domain=Ann%40Shop.Example", "is in Gmail", nil},
		"no domain is named": {"", "may have come on another", nil},
		"another domain":     {"&domain=other.example", "no mail from this domain", nil},
		"the log is younger": {"&domain=other.example", "does not reach back", []api.Clue{{Place: "audit", Code: "forgotten", Detail: "the log remembers 90 days"}}},
		"it was not wanted":  {"&domain=other.example", "left where it is", []api.Clue{{Place: "listing", Code: "before_history", Detail: "mail from before 2025-01-01 is left where it is"}}},
		"refused further on": {"&domain=shop.example", "Gmail has refused", []api.Clue{{Place: "gmail", Code: "refused", Detail: "1 message refused"}}},
	} {
		if got := ask(c.query, c.clues...); !strings.Contains(got.Answer, c.want) {
			t.Errorf("%s: %s", name, got.Answer)
		}
	}
}

func TestTheLensShowsWhatIsHeldAndItsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	w.Mailbox(t, user, "old")
	w.Books.Append(user, audit.Entry{Domain: "shop.example", Status: mail.Imported, Size: 7})
	a := w.do(t, browser, "GET", "/lens", "")
	want(t, a, 200)
	says(t, a, "owner@gmail.example", "imap.example.com:993", "kept encrypted, and shown to nobody", "shop.example", "Messages imported", "Firefox on Linux", "session cookies", "no news", "skip-domains", "a.example", "mine")
	a = w.do(t, browser, "GET", "/lens/data", "")
	want(t, a, 200)
	var held map[string]any
	if err := json.Unmarshal(a.body, &held); err != nil || held["mailboxes"] == nil || held["left_out"] == nil || strings.Contains(string(a.body), "sesame") {
		t.Errorf("%v: %s", err, a.body)
	}
}

func TestPromisesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.PrivacyURL = "https://operator.example/privacy" })
	a := w.do(t, as{}, "GET", "/privacy", "")
	want(t, a, 200)
	says(t, a, `href="https://operator.example/privacy"`, "The content of your mail is never stored")
	_, browser, _ := w.person(t, "owner")
	want(t, w.do(t, browser, "GET", "/privacy", ""), 200)
	if n := len(server.Proofs()); n < 16 {
		t.Errorf("only %d tests", n)
	}
	for _, p := range server.Proofs() {
		files, err := filepath.Glob(filepath.Join("..", p[0], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(b), "\nfunc "+p[1]+"(t *testing.T)")
		}
		if !found {
			t.Errorf("%s has no %s", p[0], p[1])
		}
	}
}
