package server_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// receiptOf follows a deletion to its receipt, which needs no sign-in.
func (w *world) receiptOf(t *testing.T, a answered, of string) {
	t.Helper()
	want(t, a, 303)
	path := strings.TrimPrefix(a.Header.Get("Location"), "https://mail.example.org")
	if !strings.HasPrefix(path, "/receipts/") {
		t.Fatalf("to %s", path)
	}
	page := w.do(t, as{}, "GET", path, "")
	want(t, page, 200)
	says(t, page, `href="/api/v1`+path+`"`, "without signing in")
	got := w.do(t, as{}, "GET", "/api/v1"+path, "")
	want(t, got, 200)
	if r := read[api.Receipt](t, got); r.Subject != of {
		t.Errorf("got %+v", r)
	}
}

func TestAMailboxIsWipedAfterItsNameIsTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	box := w.Mailbox(t, user, "Old mail")
	w.Books.Append(user, audit.Entry{Mailbox: box.ID, Status: mail.Imported, Domain: "a.example"})
	path := "/mailboxes/" + box.ID.String() + "/delete"
	page := w.do(t, browser, "GET", path, "")
	want(t, page, 200)
	says(t, page, "Old mail", "one line of the audit", "stays in your Gmail", "import its old mail a second time")
	f := filled(t, page, path)
	for _, typed := range []string{"", "old", "delete", "Old mail!"} {
		a := w.submit(t, browser, path, copied(f, "confirm", typed))
		want(t, a, 422)
		says(t, a, `href="#confirm"`, "Nothing was deleted.")
	}
	a := w.submit(t, browser, path, copied(f, "confirm", "Old mail", "version", `"stale"`))
	want(t, a, 412)
	says(t, a, "was changed while")
	want(t, w.submit(t, browser, path, copied(f, "confirm", "Old mail", "csrf", "wrong")), 403)
	if asked := w.Engine.Asked(); len(asked) > 0 {
		t.Errorf("the engine was asked to %v", asked)
	}
	first := w.submit(t, browser, path, copied(f, "confirm", " old MAIL "))
	w.receiptOf(t, first, "mailbox")
	want(t, w.do(t, browser, "GET", path, ""), 404)
	if a := w.submit(t, browser, path, copied(f, "confirm", " old MAIL ")); a.Header.Get("Location") != first.Header.Get("Location") {
		t.Errorf("pressed twice: %d", a.StatusCode)
	}
	want(t, w.submit(t, browser, path, copied(f, "confirm", "Old mail")), 404)
	if got := strings.Join(w.Engine.Asked(), " "); got != "forget" {
		t.Errorf("the engine was asked to %s", got)
	}
}

// TestAReceiptSaysHowLongHistoryKeepsTheKey, on the page and over the API, and
// says nothing of it where no key was destroyed or where there is no history.
func TestAReceiptSaysHowLongHistoryKeepsTheKey(t *testing.T) {
	t.Parallel()
	for _, history := range []time.Duration{0, 30 * 24 * time.Hour} {
		w := newWorld(t, func(o *server.Options) { o.KeyHistory = history })
		user, _, program := w.person(t, "owner")
		box := w.Mailbox(t, user, "Old mail")
		for path, destroyed := range map[string]bool{"/api/v1/mailboxes/" + box.ID.String(): true, "/api/v1/grant": false} {
			a := w.do(t, program, "DELETE", path, "")
			want(t, a, 200)
			r := read[api.Wiped](t, a).Receipt
			until := time.Time{}
			if destroyed && history > 0 {
				until = r.At.Add(history)
			}
			if !r.HistoryUntil.Equal(until) {
				t.Errorf("%s: history until %v, want %v", path, r.HistoryUntil, until)
			}
			page := w.do(t, as{}, "GET", "/receipts/"+r.ID, "")
			want(t, page, 200)
			if got := strings.Contains(string(page.body), "could bring it back until"); got != !until.IsZero() {
				t.Errorf("%s: that the page speaks of history is %t", path, got)
			}
		}
	}
}

func TestGoogleAccessIsWithdrawnAfterTheWordIsTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	w.grant(t, user, oauth.ScopeInsert)
	const path = "/settings/google/withdraw"
	page := w.do(t, browser, "GET", path, "")
	want(t, page, 200)
	says(t, page, "nothing comes twice", "Google is told")
	want(t, w.submit(t, browser, path, url.Values{"confirm": {"yes"}}), 422)
	w.receiptOf(t, w.submit(t, browser, path, url.Values{"confirm": {"Withdraw"}}), "grant")
	says(t, w.do(t, browser, "GET", "/settings", ""), "Withdrawn.", "Connect again", "the address came from Google")
}

func TestAnAccountIsWipedAfterItsAddressIsTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, browser, _ := w.person(t, "owner")
	w.Mailbox(t, user, "Old mail")
	const path = "/settings/delete"
	page := w.do(t, browser, "GET", path, "")
	want(t, page, 200)
	says(t, page, "owner@gmail.example", "one mailbox with its password", "Old mail")
	want(t, w.submit(t, browser, path, url.Values{"confirm": {"delete everything"}}), 422)
	first := w.submit(t, browser, path, url.Values{"confirm": {"owner@gmail.example"}})
	w.receiptOf(t, first, "account")
	if a := w.submit(t, browser, path, url.Values{"confirm": {"owner@gmail.example"}}); a.Header.Get("Location") != first.Header.Get("Location") {
		t.Errorf("pressed twice: %d", a.StatusCode)
	}
	want(t, w.submit(t, browser, path, url.Values{"confirm": {"Owner@gmail.example"}}), 401)
	want(t, w.do(t, browser, "GET", "/settings", ""), 401)
	want(t, w.do(t, as{}, "GET", "/receipts/nosuch", ""), 404)

	gone, anew, _ := w.person(t, "without")
	if _, err := w.Accounts.WipeGrant(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	w.receiptOf(t, w.submit(t, anew, path, url.Values{"confirm": {"delete everything"}}), "account")
}

// lateWipe is a store that has wiped a user, and takes its time to say so.
type lateWipe struct {
	server.Accounts
	wiped, told chan struct{}
}

func (l lateWipe) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	r, err := l.Accounts.WipeUser(ctx, user)
	close(l.wiped)
	<-l.told
	return r, err
}

func TestASecondPressWaitsForTheReceiptOfTheFirst(t *testing.T) {
	t.Parallel()
	late := lateWipe{wiped: make(chan struct{}), told: make(chan struct{})}
	w := newWorld(t, func(o *server.Options) { late.Accounts = o.Accounts; o.Accounts = late })
	_, browser, _ := w.person(t, "owner")
	press := func(to chan<- string) {
		a := w.submit(t, browser, "/settings/delete", url.Values{"confirm": {"owner@gmail.example"}})
		to <- a.Header.Get("Location")
	}
	first, second := make(chan string, 1), make(chan string, 1)
	go press(first)
	<-late.wiped
	go press(second)
	select {
	case to := <-second:
		t.Errorf("the second press is answered before the first, with %q", to)
	case <-time.After(100 * time.Millisecond):
	}
	close(late.told)
	if one, two := <-first, <-second; one != two || !strings.Contains(one, "/receipts/") {
		t.Errorf("to %q and %q", one, two)
	}
}

func TestPagesAboutDeletionShowNamesAsText(t *testing.T) {
	t.Parallel()
	for _, p := range payloads {
		w := newWorld(t)
		user, browser, _ := w.person(t, "owner")
		box := w.Mailbox(t, user, p)
		w.Clues = []api.Clue{{Place: p, Code: p, Detail: p}}
		w.Books.Append(user, audit.Entry{Mailbox: box.ID, Domain: p, Status: mail.Rejected, Reason: p})
		one := "/mailboxes/" + box.ID.String()
		for _, path := range []string{one + "/delete", one + "/edit", "/settings", "/settings/delete", "/lens", "/why?mailbox=" + box.ID.String() + "&date=2024-01-31&domain=" + url.QueryEscape(p),
			"/why?date=" + url.QueryEscape(p)} {
			inert(t, path, string(w.do(t, browser, "GET", path, "").body), p)
		}
		for _, path := range []string{one + "/delete", one + "/edit", "/settings", "/settings/tokens", "/settings/delete", "/settings/google/withdraw"} {
			f := url.Values{}
			for _, name := range []string{"step", "confirm", "name", "label", "folder", "folder_label_0", "version", "kept", "locale", "time_zone", "token_name", "scope", "life", "poll_every", "after_import"} {
				f.Set(name, p)
			}
			inert(t, "POST "+path, string(w.submit(t, browser, path, f).body), p)
		}
	}
}
