package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// user is somebody with mailboxes, who is looked at as the office does: after
// each change, and when it was said to.
type user struct {
	t     *testing.T
	now   time.Time
	m     Memory
	facts Facts
	wake  time.Time
	told  []string // kind, number of mailboxes, hours since the start
	start time.Time
	wiped bool
	names map[id.Mailbox]string
}

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newUser(t *testing.T, hosts ...string) *user {
	u := &user{t: t, now: start, start: start, names: map[id.Mailbox]string{}}
	u.facts = Facts{Zone: time.UTC, Wants: Wants{true, true, true}, Active: true, Signed: true, Mailed: true}
	for i, h := range hosts {
		b := Box{ID: id.New[id.Mailbox](), Host: h}
		b.State.LastSync = start
		u.facts.Boxes = append(u.facts.Boxes, b)
		u.names[b.ID] = fmt.Sprint(i)
	}
	u.look()
	return u
}

func (u *user) look() {
	u.facts.Now = u.now
	out := Decide(&u.m, u.facts)
	for _, n := range out.Notices {
		var boxes []string
		for _, b := range n.Boxes {
			boxes = append(boxes, u.names[b.Mailbox])
		}
		u.told = append(u.told, strings.TrimSpace(fmt.Sprintf("%s %s +%s", n.Kind, strings.Join(boxes, ","), u.now.Sub(u.start).Round(time.Minute))))
		if n.Kind == Inactive {
			u.m.Warned = u.now // it is delivered
		}
	}
	u.wiped = u.wiped || out.Wipe
	u.wake = out.Wake
}

// pass lets time go by, waking the office when it wants that.
func (u *user) pass(d time.Duration) {
	for end := u.now.Add(d); ; {
		if u.wake.IsZero() || u.wake.After(end) {
			u.now = end
			return
		}
		u.now = later(u.now, u.wake)
		u.look()
		if !u.wake.IsZero() && !u.wake.After(u.now) {
			u.t.Fatalf("it wants to be woken at once again: %v", u.wake)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fails has a mailbox fail once, as the schedule would note it.
func (u *user) fails(i int, class mail.Class, code string) {
	b := &u.facts.Boxes[i]
	b.State = schedule.Policy{Rand: func(n int64) int64 { return n / 2 }}.Next(b.State, schedule.Settings{Host: b.Host, Protocol: "imap"},
		schedule.Outcome{Now: u.now, Err: &mail.Fault{Class: class, Code: code, Text: "it does not work", Said: "Subject: secret"}})
	u.look()
}

func (u *user) works(i int) {
	b := &u.facts.Boxes[i]
	b.State = schedule.Policy{}.Next(b.State, schedule.Settings{Host: b.Host, Protocol: "imap"}, schedule.Outcome{Now: u.now})
	u.look()
}

// down has mailboxes fail every 10 minutes for a while.
func (u *user) down(d time.Duration, boxes ...int) {
	for end := u.now.Add(d); u.now.Before(end); u.pass(10 * time.Minute) {
		for _, i := range boxes {
			u.fails(i, mail.Transient, "timeout")
		}
	}
}

func (u *user) want(told ...string) {
	u.t.Helper()
	if !slices.Equal(u.told, told) {
		u.t.Errorf("told:\n\t%s\nwant:\n\t%s", strings.Join(u.told, "\n\t"), strings.Join(told, "\n\t"))
	}
	u.told = nil
}

func TestNobodyIsToldOfABlip(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	for range 20 { // many failures, over less than half an hour
		u.fails(0, mail.Transient, "timeout")
		u.pass(time.Minute)
	}
	u.works(0)
	u.pass(day)
	u.fails(0, mail.Transient, "timeout") // few, over more than that
	u.pass(time.Hour)
	u.fails(0, mail.Transient, "timeout")
	u.pass(time.Minute)
	u.works(0)
	u.pass(30 * day)
	u.want()
}

func TestAnOutageIsToldOnceAndItsEndIf(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.down(50*time.Minute, 0) // proven after 30, told 10 later
	u.works(0)
	u.want("failing 0 +40m0s") // less than an hour: no mail says that it is over
	u.pass(2 * day)
	u.start = u.now
	u.down(3*time.Hour, 0)
	u.works(0)
	u.want("failing 0 +40m0s", "recovered 0 +3h0m0s")
	u.pass(30 * day)
	u.want()
}

func TestARefusedPasswordIsToldAtOnce(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.fails(0, mail.Login, "app_password_required")
	u.want("failing 0 +0s")
	u.pass(40 * day)
	u.want("reminder 0 +24h0m0s", "reminder 0 +72h0m0s", "reminder 0 +168h0m0s")
	u.works(0)
	u.want("recovered 0 +960h0m0s")
}

func TestARefusalWithoutACodeIsToldWhenItIsRepeated(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.fails(0, mail.Login, "auth_failed")
	u.pass(5 * time.Minute)
	u.want()
	u.fails(0, mail.Login, "auth_failed")
	u.want("failing 0 +5m0s")
}

func TestMailboxesOfOneServerAreOneMail(t *testing.T) {
	t.Parallel()
	u := newUser(t, "mail.example.org", "mail.example.org", "imap.other.example", "mail.example.org")
	for minute := range 60 {
		for i, off := range []int{0, 4, 99, 25} { // the last one joins when the others were told
			if minute >= off && (minute-off)%10 == 0 {
				u.fails(i, mail.Transient, "timeout")
			}
		}
		u.pass(time.Minute)
	}
	u.works(2)
	u.want("failing 0,1 +40m0s")
	u.pass(time.Hour)
	u.works(0)
	u.pass(time.Hour)
	u.works(3)
	u.want() // not while one of them fails
	u.pass(time.Minute)
	u.works(1)
	u.want("recovered 0,1,3 +3h1m0s")
}

func TestBudgetsAreNobodysTrouble(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	for range 100 {
		u.fails(0, mail.RateLimited, "budget")
		u.fails(0, mail.RateLimited, "gmail_rate")
		u.pass(time.Hour)
	}
	u.want()
}

// A wait for a budget shows that the mailbox works.
func TestAnOutageThatEndsInABudgetIsOver(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.down(2*time.Hour, 0)
	u.fails(0, mail.RateLimited, "budget")
	u.want("failing 0 +40m0s", "recovered 0 +2h0m0s")
}

func TestFlappingGoesIntoTheDigest(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	for range 6 {
		u.fails(0, mail.Login, "login_refused")
		u.pass(30 * time.Minute)
		u.works(0)
		u.pass(30 * time.Minute)
	}
	u.pass(day)
	u.want("failing 0 +0s", "failing 0 +1h0m0s", "digest 0 +20h0m0s")
}

func TestThreeMailsADayAreEnough(t *testing.T) {
	t.Parallel()
	u := newUser(t, "a.example", "b.example", "c.example", "d.example", "e.example")
	for i := range 5 {
		u.fails(i, mail.Login, "login_refused")
		u.pass(time.Minute)
	}
	u.facts.Sessions = append(u.facts.Sessions, Session{"1", "Firefox", u.now})
	u.look()
	u.facts.Sessions = append(u.facts.Sessions, Session{"2", "curl", u.now})
	u.look()
	u.want("failing 0 +0s", "failing 1 +1m0s", "failing 2 +2m0s", "sign_in  +5m0s")
	u.pass(22 * time.Hour)
	u.want("digest 3,4 +20h0m0s")
}

func TestWhoDoesNotWantToKnowIsNotTold(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.facts.Wants = Wants{}
	u.facts.Sessions = []Session{{"1", "Firefox", u.now}}
	u.look()
	u.facts.Sessions = append(u.facts.Sessions, Session{"2", "curl", u.now.Add(time.Second)})
	u.facts.Boxes[0].Refused = 3
	u.fails(0, mail.Login, "login_refused")
	u.pass(10 * day)
	u.works(0)
	u.pass(day)
	u.want()
}

func TestAPausedMailboxIsNoIncident(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.fails(0, mail.Login, "login_refused")
	u.facts.Boxes[0].State.Phase = schedule.Paused
	u.look()
	u.pass(10 * day)
	u.want("failing 0 +0s")
	u.works(0) // it is resumed
	u.want()
}

func TestTheDigestTellsOfWhatIsNew(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org", "b.example")
	u.facts.Zone = time.FixedZone("CET", 3600)
	u.facts.Boxes[0].Refused = 3
	u.look()
	u.pass(3 * day)
	u.want("digest 0 +19h0m0s") // 8 o'clock in the zone of the user
	u.facts.Boxes[0].Refused, u.facts.Boxes[1].Doubtful = 2, 1
	u.look()
	u.pass(3 * day)
	u.want("digest 1 +91h0m0s")
	u.facts.Boxes[0].Refused = 3 // one more than before, after one was decided about
	u.look()
	u.pass(3 * day)
	u.want("digest 0 +163h0m0s")
}

func TestANewBrowserIsTold(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	sign := func(session, client string) {
		u.pass(time.Hour)
		u.facts.Sessions = append(u.facts.Sessions, Session{session, client, u.now})
		u.look()
	}
	sign("1", "Firefox on Linux") // who signs up knows
	u.facts.Sessions = nil        // giving access begins a new session in place of the first
	sign("2", "Firefox on Linux")
	sign("3", "Safari on iPhone")
	sign("4", "Safari on iPhone")
	u.facts.Sessions = nil
	sign("5", "Safari on iPhone")
	u.want("sign_in  +3h0m0s")
	u.pass(100 * day)
	sign("6", "Firefox on Linux")
	if len(u.told) != 1 {
		t.Errorf("told = %v, want one: it was too long ago", u.told)
	}
}

func TestWhoSyncsNothingIsWarnedAndThenWiped(t *testing.T) {
	t.Parallel()
	u := newUser(t, "imap.example.org")
	u.facts.Active = false
	u.look()
	u.pass(89 * day)
	u.facts.Active = true // a day before
	u.look()
	u.facts.Active = false
	u.look()
	u.pass(90*day - time.Hour)
	u.want()
	u.pass(time.Hour)
	u.want("inactive  +" + (179 * day).String())
	u.pass(29 * day)
	if u.wiped {
		t.Fatal("wiped before the 30 days are over")
	}
	u.facts.Active = true // he comes back
	u.look()
	u.pass(100 * day)
	if u.wiped {
		t.Fatal("wiped although he is active")
	}
	u.facts.Active = false
	u.look()
	u.pass(120 * day)
	if !u.wiped {
		t.Error("not wiped")
	}
}

func TestNobodyIsWipedWhomNoMailCanReach(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Facts){
		"an installation without mail": func(f *Facts) { f.Mailed = false },
		"the user of the command line": func(f *Facts) { f.Signed = false },
	} {
		u := newUser(t)
		u.facts.Active = false
		change(&u.facts)
		for range 300 {
			u.look()
			u.pass(day)
		}
		if u.wiped || len(u.told) > 0 {
			t.Errorf("%s: wiped = %v, told = %v", name, u.wiped, u.told)
		}
	}
}

// TestRandomHistoriesKeepTheRules has mailboxes go on and off at random.
func TestRandomHistoriesKeepTheRules(t *testing.T) {
	t.Parallel()
	faults := []struct {
		class mail.Class
		code  string
	}{{mail.Transient, "timeout"}, {mail.Login, "auth_failed"}, {mail.Login, "login_refused"}, {mail.Setup, "tls_certificate"},
		{mail.RateLimited, "budget"}, {mail.Grant, "grant_missing"}, {mail.Protocol, "protocol_error"}}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		u := newUser(t, "a.example", "a.example", "b.example", "c.example")
		var all []time.Time
		count := map[string]int{}
		for range 600 {
			i := r.IntN(4)
			before := len(u.told)
			if r.IntN(3) == 0 {
				u.works(i)
			} else {
				f := faults[r.IntN(len(faults))]
				u.fails(i, f.class, f.code)
			}
			u.pass(time.Duration(r.IntN(90)) * time.Minute)
			for _, n := range u.told[before:] {
				kind, _, _ := strings.Cut(n, " ")
				if count[kind]++; count["recovered"] > count["failing"] || count["reminder"] > len(reminders)*count["failing"] {
					t.Fatalf("seed %d: something ends or goes on of which nothing was told: %v", seed, u.told)
				}
				if kind != "digest" {
					all = append(all, u.now)
				}
			}
		}
		for i := 2 * perDay; i < len(all); i++ { // a window of 24 hours touches two of the count
			if all[i].Sub(all[i-2*perDay]) < day-2*time.Hour {
				t.Fatalf("seed %d: more than %d mails within a day: %v", seed, 2*perDay, u.told)
			}
		}
	}
}
