package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// walk is one person's way through the whole service, in a real browser.
type walk struct {
	*person
	s     *service
	d     *commonDovecot
	email string // of the Google account
	name  string // of the user at Dovecot
	n     int    // messages that must be in Gmail
}

// journeys are what a person does, in this order: each begins where the one
// before has ended.
var journeys = []struct {
	name string
	do   func(*walk)
}{
	{"sign in", (*walk).signsIn},
	{"leave a box unticked, and repair it", (*walk).unticks},
	{"type a wrong password and read why it fails", (*walk).mistypes},
	{"want a label, and allow it", (*walk).labels},
	{"watch mail arrive", (*walk).watches},
	{"filter the audit and take it home", (*walk).filters},
	{"pause and resume", (*walk).pauses},
	{"revoke at Google, and connect again", (*walk).revokes},
	{"delete the mailbox and keep the receipt", (*walk).deletesMailbox},
	{"delete the account", (*walk).deletesAccount},
}

// browsers are the two that every journey must work in.
var browsers = []struct {
	name    string
	scripts bool
}{{"with JavaScript", true}, {"without JavaScript", false}}

// TestJourneys: with the real program, a real Dovecot and a real Chromium, and
// all by what can be read, pressed and filled in. To add a mailbox by its address
// is in TestAStrangerFollowsTheDemo: the demo's domain can be found.
func TestJourneys(t *testing.T) {
	t.Parallel()
	sharedChromium(t)
	d := sharedDovecot(t)
	s := open(t, gmailtest.Options{})
	s.env["SMTPSYNC_SIGNUP"] = "open"
	people := map[string]*walk{}
	for i, b := range browsers {
		w := &walk{s: s, d: d, email: fmt.Sprintf("person%d@gmail.example", i), name: d.user(t, mixed(6)), n: 6}
		s.gmail.AddUser(w.email)
		people[b.name] = w
	}
	s.at(d.Server, history{"imaps", "leave"}, "anybody")
	s.start()
	for _, b := range browsers {
		t.Run(b.name, func(t *testing.T) {
			w := people[b.name]
			w.person = sit(t, "http://"+s.pages, b.scripts)
			for _, j := range journeys {
				begun := time.Now()
				if !t.Run(j.name, func(t *testing.T) { w.t = t; j.do(w) }) {
					return // the others begin where this one should have ended
				}
				t.Logf("%s: %v", j.name, time.Since(begun).Round(100*time.Millisecond))
			}
			w.t = t
		})
	}
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	if strings.Contains(s.stderr.String(), password) || strings.Contains(s.stderr.String(), "@gmail.example") {
		t.Error("a password or an address in the log")
	}
}

// google answers the page in Google's place.
func (w *walk) google(ticks ...string) {
	w.t.Helper()
	w.sees("This page stands in for Google")
	w.press(w.email)
	for _, box := range ticks {
		w.press(box)
	}
	w.follow(map[bool]string{true: "Allow", false: "Continue"}[strings.Contains(w.text(), "Allow access")])
}

func (w *walk) signsIn() {
	w.open("/")
	w.sees("Sign in with Google")
	w.seesNot("Sign out")
	w.follow("Sign in with Google")
	w.google()
	w.sees("No mailbox yet.", "Gmail is not connected yet")
}

// boxInsert is the box at Google without which nothing can be added.
const boxInsert = "Add emails into your Gmail mailbox"

func (w *walk) unticks() {
	w.follow("Connect Gmail")
	w.sees("We cannot read your Gmail.")
	w.follow("Go on to Google")
	w.google(boxInsert) // it is ticked: this takes it away
	w.sees("Google was not allowed to add mail.")
	w.follow("Connect Gmail")
	w.sees("Last time a box was left unticked")
	w.follow("Go on to Google")
	w.google()
	w.sees("No mailbox yet.")
	w.seesNot("Connect Gmail")
}

func (w *walk) mistypes() {
	w.follow("Add a mailbox")
	w.follow("Enter the server by hand")
	w.fill("Server name", "127.0.0.1")
	w.fill("Port", strconv.Itoa(w.d.IMAPS))
	w.fill("User name", w.name)
	w.fill("Password", "not it")
	w.follow("Test the connection")
	w.sees("One thing to put right", "Connection test")
	for _, step := range []string{"done Connect", "done Encrypt", "failed Sign in"} {
		w.sees(step)
	}
	w.sees("auth_failed")
	w.until("what was typed is still there", `document.getElementById("host").value === "127.0.0.1"`)
	w.fill("Password", password)
	w.follow("Test the connection")
	w.sees("It works: we can sign in and see the mail.", "6 messages")
}

// labels: the permission for them is asked for once one is wanted. Without it
// the mailbox waits, and says for what.
func (w *walk) labels() {
	w.fill("Name of the mailbox", w.box())
	w.fill("Label for all mail of this mailbox", "Old mail")
	w.follow("Add the mailbox")
	w.sees("Manage labels.")
	w.follow("Not now")
	w.sees(w.box(), "Newest messages")
	if !w.scripts {
		w.s.until("it is noticed", slow, func() bool {
			w.open(w.where())
			return strings.Contains(w.text(), "Needs you")
		})
	}
	w.sees("Needs you", "Labels need one more permission")
	w.follow("Connect Gmail")
	w.sees("Manage labels.")
	w.follow("Go on to Google")
	w.google()
	w.sees(w.box(), "Newest messages") // back where it is wanted
	w.counts(w.n)
	w.seesNot("Needs you")
	label := w.s.gmail.Labels(w.email)["Old mail"]
	for _, m := range w.s.gmail.Messages(w.email) {
		if label == "" || !slices.Contains(m.Labels, label) {
			w.t.Fatalf("labels %v, want %q", m.Labels, label)
		}
	}
}

func (w *walk) box() string { return w.name + "'s old mail" }

// counts waits until the page says that so many were imported.
func (w *walk) counts(n int) {
	w.t.Helper()
	w.imports(func(is int) bool { return is == n })
}

// mail lets one come, from a domain of its own.
func (w *walk) mail() string {
	w.t.Helper()
	w.n++
	domain := fmt.Sprintf("sender%d.example", w.n)
	raw := fmt.Sprintf("From: a@%s\r\nTo: me@old.example\r\nSubject: %d\r\nMessage-ID: <%d.%s@%s>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n", domain, w.n, w.n, w.name, domain)
	if err := w.d.Deliver(w.name, "", []byte(raw)); err != nil {
		w.t.Fatal(err)
	}
	return domain
}

func (w *walk) watches() {
	w.counts(w.n)
	if _, err := eval[bool](w.person, `document.stays = true`); err != nil {
		w.t.Fatal(err)
	}
	domain := w.mail()
	w.counts(w.n)
	if w.scripts {
		w.sees(domain) // in the newest messages
		w.until("it is the same page all the time", `document.stays === true`)
		return
	}
	w.open(w.where())
	w.sees(domain)
}

func (w *walk) filters() {
	domain := w.mail()
	w.counts(w.n)
	w.follow("Audit")
	w.sees(domain, "sender"+strconv.Itoa(w.n-1)+".example")
	w.fill("Sender domain", domain)
	w.choose("Status", "imported")
	w.choose("Mailbox", w.box())
	w.choose("From", time.Now().AddDate(0, 0, -2).Format(time.DateOnly))
	w.follow("Show")
	w.sees(domain)
	w.seesNot("sender" + strconv.Itoa(w.n-1) + ".example")
	if got := strings.Split(strings.TrimSpace(w.download("Download as CSV")), "\n"); len(got) != 2 || !strings.Contains(got[1], domain) {
		w.t.Errorf("the file with what is shown: %q", got)
	}
	w.follow("Show all")
	if got := strings.Split(strings.TrimSpace(w.download("Download as JSONL")), "\n"); len(got) != w.n {
		w.t.Errorf("the file with everything has %d lines, want %d", len(got), w.n)
	}
	w.fill("Sender domain", "nobody.example")
	w.turns(w.enter)
	w.sees("Nothing matches.")
}

func (w *walk) pauses() {
	w.follow("Mailboxes")
	w.follow(w.box())
	w.follow("Pause")
	w.sees("Paused")
	w.mail()
	time.Sleep(1500 * time.Millisecond) // more than a poll
	w.counts(w.n - 1)
	if got := w.s.gmail.Count(w.email); got != w.n-1 {
		w.t.Errorf("a paused mailbox has brought mail: %d in Gmail, want %d", got, w.n-1)
	}
	w.follow("Resume")
	w.counts(w.n)
	w.seesNot("Paused")
}

func (w *walk) revokes() {
	w.s.gmail.Revoke(w.email)
	w.mail()
	w.follow("Look now")
	if !w.scripts {
		w.s.until("it is noticed", slow, func() bool {
			w.open(w.where())
			return strings.Contains(w.text(), "Needs you")
		})
	}
	w.sees("Needs you", "What helps:")
	w.follow("Mailboxes")
	w.sees("Access to Gmail was withdrawn.")
	w.follow("Connect Gmail")
	w.sees("nothing is imported twice")
	w.follow("Go on to Google")
	w.google()
	w.follow(w.box())
	w.counts(w.n)
	if got := w.s.gmail.Count(w.email); got != w.n {
		w.t.Errorf("%d in Gmail, want %d", got, w.n)
	}
}

func (w *walk) deletesMailbox() {
	w.follow("Delete")
	w.sees("What stays", "can import its old mail a second time")
	w.fill("To confirm, type", "not its name")
	w.follow("Delete this mailbox")
	w.sees("Nothing was deleted.")
	w.fill("To confirm, type", w.box())
	w.follow("Delete this mailbox")
	w.sees("The mailbox has been wiped.", "records of imported messages "+strconv.Itoa(w.n))
	if got := w.download("Download as JSON"); !strings.Contains(got, `"key_destroyed":true`) || strings.Contains(got, w.name) {
		w.t.Errorf("the receipt: %s", got)
	}
	w.follow("Mailboxes")
	w.sees("No mailbox yet.")
}

func (w *walk) deletesAccount() {
	w.follow("Settings")
	w.follow("Delete my account")
	w.fill("To confirm, type", w.email)
	w.follow("Delete everything")
	w.sees("Your account has been wiped.", "destroyed: without it no copy of the data can be read")
	receipt := w.where()
	w.follow("Go to the start")
	w.sees("Sign in with Google")
	w.open("/mailboxes")
	w.sees("Sign in with Google")
	w.open(receipt)
	w.sees("Your account has been wiped.")
	if got := w.s.gmail.Count(w.email); got != w.n {
		w.t.Errorf("%d in Gmail, want %d: what was imported stays", got, w.n)
	}
}
