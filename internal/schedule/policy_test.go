package schedule

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// low and high draw the ends of every jitter.
func low(int64) int64    { return 0 }
func high(n int64) int64 { return n - 1 }

func fault(class mail.Class, code string) *mail.Fault {
	return &mail.Fault{Class: class, Code: code, Text: "the server did something", Help: "do something"}
}

// A try is one pass in a row of them: the pause that follows, and the phase.
type try struct {
	phase    Phase
	min, max time.Duration // the pause before the next; 0: nothing is tried
}

const (
	second = time.Second
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

func TestEveryKindOfFailureHasItsBackOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		set  Settings
		want []try
	}{
		{"an outage doubles from 30 s with full jitter", fault(mail.Transient, "unreachable"), Settings{}, []try{
			{Waiting, 3 * second, 30 * second}, {Waiting, 6 * second, minute}, {Waiting, 12 * second, 2 * minute}, {Waiting, 24 * second, 4 * minute},
			{Waiting, 48 * second, 8 * minute}, {Waiting, 96 * second, 16 * minute}, {Waiting, 3 * minute, 30 * minute}, {Waiting, 3 * minute, 30 * minute}}},
		{"what is no Fault is an outage", errors.New("nil map"), Settings{}, []try{{Waiting, 3 * second, 30 * second}}},
		{"so is a class that ends no pass", fault(mail.Undelivered, "vanished"), Settings{}, []try{{Waiting, 3 * second, 30 * second}}},
		{"a refused login is tried once more", fault(mail.Login, "auth_failed"), Settings{}, []try{
			{Waiting, 5 * minute, 6 * minute}, {Failing, day, 25 * hour}, {Failing, day, 25 * hour}}},
		{"an unclear refusal has three tries in an hour", fault(mail.Login, "auth_unclear"), Settings{}, []try{
			{Waiting, 20 * minute, 22 * minute}, {Waiting, 40 * minute, 44 * minute}, {Failing, day, 25 * hour}}},
		{"a provider that wants something else is not asked again", fault(mail.Login, "app_password_required"), Settings{}, []try{{Failing, day, 25 * hour}}},
		{"a locked maildrop", fault(mail.RateLimited, "mailbox_locked"), Settings{}, []try{
			{Waiting, minute, 66 * second}, {Waiting, 2 * minute, 132 * second}, {Waiting, 4 * minute, 5 * minute}, {Waiting, 8 * minute, 9 * minute},
			{Waiting, 15 * minute, 17 * minute}, {Waiting, 15 * minute, 17 * minute}}},
		{"a refusal by Gmail without a time", fault(mail.RateLimited, "gmail_rate"), Settings{}, []try{
			{Waiting, minute, 66 * second}, {Waiting, 2 * minute, 132 * second}, {Waiting, 4 * minute, 5 * minute}, {Waiting, 8 * minute, 9 * minute},
			{Waiting, 15 * minute, 17 * minute}, {Waiting, 15 * minute, 17 * minute}}},
		{"a locked folder", fault(mail.Transient, "in_use"), Settings{}, []try{{Waiting, minute, 66 * second}, {Waiting, 2 * minute, 132 * second}}},
		{"a server that counts logins", fault(mail.RateLimited, "too_many_logins"), Settings{}, []try{
			{Waiting, 15 * minute, 17 * minute}, {Waiting, 30 * minute, 33 * minute}, {Waiting, hour, 66 * minute}, {Waiting, hour, 66 * minute}}},
		{"a certificate", fault(mail.Setup, "tls_certificate"), Settings{}, []try{
			{Failing, 30 * minute, 33 * minute}, {Failing, hour, 66 * minute}, {Failing, 2 * hour, 132 * minute}, {Failing, 4 * hour, 5 * hour}, {Failing, 6 * hour, 7 * hour}, {Failing, 6 * hour, 7 * hour}}},
		{"a server that breaks its protocol", fault(mail.Protocol, "bad_response"), Settings{}, []try{
			{Waiting, 5 * minute, 6 * minute}, {Waiting, 10 * minute, 11 * minute}, {Failing, 20 * minute, 22 * minute}, {Failing, 40 * minute, 44 * minute},
			{Failing, 80 * minute, 90 * minute}, {Failing, 160 * minute, 176 * minute}, {Failing, 320 * minute, 352 * minute}, {Failing, 6 * hour, 7 * hour}}},
		{"a grant", fault(mail.Grant, "grant_scope_missing"), Settings{}, []try{{Failing, 0, 0}, {Failing, 0, 0}}},
		{"a grant that is gone", fault(mail.Revoked, "grant_revoked"), Settings{}, []try{{Failing, 0, 0}}},
		{"a provider that has ended its consent", fault(mail.Login, "consent_gone"), Settings{}, []try{{Failing, 0, 0}, {Failing, 0, 0}}},
		{"a token that is refused, as a login", fault(mail.Login, "token_refused"), Settings{}, []try{{Waiting, 5 * minute, 6 * minute}, {Failing, day, 25 * hour}}},
		{"an API that the operator must enable", fault(mail.Grant, "grant_api_disabled"), Settings{}, []try{{Failing, 30 * minute, 33 * minute}}},
		{"nothing is tried below the provider's floor", fault(mail.Transient, "cut"), Settings{Host: "pop3.web.de", Protocol: "pop3"}, []try{{Waiting, 15 * minute, 15 * minute}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, draw := range []func(int64) int64{low, high} {
				p := Policy{Rand: draw}
				now, s := noon, State{LastSync: noon.Add(-hour), Digest: mail.Key{1}}
				for i, want := range c.want {
					s = p.Next(s, c.set, Outcome{Now: now, Err: fmt.Errorf("pass: %w", c.err)})
					if s.Phase != want.phase || s.Failures != i+1 || s.Digest != (mail.Key{}) || s.LastSync != noon.Add(-hour) {
						t.Fatalf("failure %d: %+v, want %v", i+1, s, want.phase)
					}
					at, ok := p.Due(s, c.set, now)
					if ok != (want.max > 0) || ok && (at.Sub(now) < want.min || at.Sub(now) > want.max) {
						t.Fatalf("failure %d: due after %v, %v; want %v to %v", i+1, at.Sub(now), ok, want.min, want.max)
					}
					checkReason(t, s)
					if ok {
						now = at
					}
				}
			}
		})
	}
}

// checkReason: a person can read why, what to do, and until when.
func checkReason(t *testing.T, s State) {
	t.Helper()
	if s.Phase == Idle && s.Reason == (Reason{}) {
		return
	}
	why := s.Reason
	if why.Code == "" || why.Detail == "" || why.Help == "" || strings.ContainsAny(why.Detail+why.Help, "\r\n") {
		t.Errorf("%v without a reason that helps: %+v", s.Phase, why)
	}
	if strings.Contains(why.Help, "; ;") || strings.HasPrefix(why.Help, ";") || strings.Count(why.Help, "tried again") > 1 {
		t.Errorf("a clumsy remedy: %q", why.Help)
	}
	if s.Phase != Idle && !s.Until.IsZero() && !strings.HasPrefix(why.Help, "it goes on at") && !strings.Contains(why.Help, stamp(s.Until)) {
		t.Errorf("%q does not say until when (%s)", why.Help, stamp(s.Until))
	}
}

func TestReasonsAreSentences(t *testing.T) {
	t.Parallel()
	until := noon.Add(20 * hour)
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{&mail.Fault{Class: mail.Transient, Code: "dns", Text: "the address of x could not be found out", Help: "it is tried again; check the name server if it stays so"},
			Reason{"dns", "the address of x could not be found out", "check the name server if it stays so; it is tried again at 2026-03-01 12:00 UTC"}},
		{&mail.Fault{Class: mail.Transient, Code: "unreachable", Text: "x cannot be reached", Help: "check host and port; it is tried again"},
			Reason{"unreachable", "x cannot be reached", "check host and port; it is tried again at 2026-03-01 12:00 UTC"}},
		{&mail.Fault{Class: mail.Transient, Code: "cut", Text: "the connection was cut", Help: "it is tried again"},
			Reason{"cut", "the connection was cut", "it is tried again at 2026-03-01 12:00 UTC"}},
		{&mail.Fault{Class: mail.Grant, Code: "grant_account", Text: "no", Help: "ask the administrator"}, Reason{"grant_account", "no", "ask the administrator"}},
		{&mail.Fault{Class: mail.RateLimited, Code: "budget", Scope: "day", Until: until, Text: "today's budget is used up", Help: "it goes on at 2026-03-02T08:00:00Z; the limit is X"},
			Reason{"budget", "today's budget is used up", "it goes on at 2026-03-02T08:00:00Z; the limit is X"}},
		{x509.UnknownAuthorityError{}, // not ours: its text may say anything
			Reason{"internal", "something went wrong inside smtp-sync", "the operator's log says more; it is tried again at 2026-03-01 12:00 UTC"}},
		{&mail.Fault{Class: mail.Grant}, Reason{"internal", "the last sync did not go through", "correct the settings of the mailbox, then sync it by hand"}},
	} {
		if got := (Policy{Rand: low}).Next(State{}, Settings{}, Outcome{Now: noon, Err: c.err}).Reason; got != c.want {
			t.Errorf("%v:\ngot  %+v\nwant %+v", c.err, got, c.want)
		}
	}
}

func TestNamedTimesAreObeyedWithinReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		f        mail.Fault
		min, max time.Duration
	}{
		{"Gmail names hours", mail.Fault{Class: mail.RateLimited, Code: "gmail_busy", Scope: "user", Until: noon.Add(7 * hour)}, 7 * hour, 7*hour + 5*minute},
		{"a minute's budget", mail.Fault{Class: mail.RateLimited, Code: "budget", Scope: "minute", Until: noon.Add(20 * second)}, 20 * second, 21 * second},
		{"a time that has passed", mail.Fault{Class: mail.RateLimited, Code: "budget", Until: noon.Add(-day)}, second, 2 * second},
		{"a year", mail.Fault{Class: mail.RateLimited, Code: "gmail_rate", Until: noon.Add(365 * day)}, 25 * hour, 25 * hour},
		{"no time", mail.Fault{Class: mail.RateLimited, Code: "gmail_rate"}, minute, 66 * second},
		{"a source without a time", mail.Fault{Class: mail.RateLimited, Code: "source_limit", Scope: "source"}, 15 * minute, 17 * minute},
		{"a source that names more", mail.Fault{Class: mail.RateLimited, Code: "source_limit", Scope: "source", Until: noon.Add(2 * hour)}, 2 * hour, 2*hour + 2*minute},
		{"LOGIN-DELAY", mail.Fault{Class: mail.RateLimited, Code: "login_delay", Scope: "source", Until: noon.Add(99 * second)}, 99 * second, 104 * second},
		{"an outage with Retry-After", mail.Fault{Class: mail.Transient, Code: "gmail_unavailable", Until: noon.Add(10 * minute)}, 10 * minute, 10 * minute},
		{"an outage that ends in the year 9999", mail.Fault{Class: mail.Transient, Code: "gmail_unavailable", Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, 25 * hour, 25 * hour},
	} {
		for _, draw := range []func(int64) int64{low, high} {
			s := Policy{Rand: draw}.Next(State{}, Settings{}, Outcome{Now: noon, Err: &c.f})
			if got := s.Until.Sub(noon); s.Phase != Waiting || got < c.min || got > c.max {
				t.Errorf("%s: %v for %v, want %v to %v", c.name, s.Phase, got, c.min, c.max)
			}
		}
	}
}

func TestOrdinaryTroubleBecomesAnErrorWhenItStays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err   error
		after time.Duration
	}{
		{fault(mail.RateLimited, "mailbox_locked"), hour},
		{fault(mail.Transient, "in_use"), hour},
		{fault(mail.Transient, "timeout"), day},
		{fault(mail.RateLimited, "too_many_logins"), day},
		{&mail.Fault{Class: mail.RateLimited, Code: "budget", Text: "x", Help: "it goes on"}, 0}, // never
	} {
		p := Policy{Rand: high}
		s, now := State{}, noon
		for s.Phase != Failing && now.Before(noon.Add(30*day)) {
			s = p.Next(s, Settings{}, Outcome{Now: now, Err: c.err})
			at, ok := p.Due(s, Settings{}, now)
			if !ok {
				t.Fatalf("%v: given up", c.err)
			}
			if s.Phase == Failing {
				if took := now.Sub(noon); c.after == 0 || took < c.after || took > c.after*5/4 {
					t.Errorf("%v: failing after %v, want %v", c.err, took, c.after)
				}
				if !strings.Contains(s.Reason.Detail, "since 2026-03-01 12:00 UTC") {
					t.Errorf("%q does not say since when", s.Reason.Detail)
				}
			}
			now = at
		}
		if c.after > 0 && s.Phase != Failing {
			t.Errorf("%v: never an error", c.err)
		}
	}
}

func TestSecondRefusalCountsWithinAnHourOnly(t *testing.T) {
	t.Parallel()
	p, wrong := Policy{Rand: low}, fault(mail.Login, "auth_failed")
	s := p.Next(State{}, Settings{}, Outcome{Now: noon, Err: wrong})
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(2 * hour), Err: wrong})
	if s.Phase != Waiting || s.Failures != 1 {
		t.Errorf("after two hours: %v, %d failures", s.Phase, s.Failures)
	}
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(2*hour + 5*minute), Err: wrong})
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(50 * hour), Err: wrong})
	if s.Phase != Failing {
		t.Errorf("a day later: %v", s.Phase)
	}
	// Reported wrong once, and then accepted.
	s = p.Next(State{}, Settings{}, Outcome{Now: noon, Err: wrong})
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(5 * minute)})
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(10 * minute), Err: wrong})
	if s.Phase != Waiting {
		t.Errorf("a success in between: %v", s.Phase)
	}
}

func TestCancelledAndFencedPassesLeaveNoTrace(t *testing.T) {
	t.Parallel()
	p, now := Policy{Rand: low}, noon.Add(hour)
	why := Reason{Code: "dns", Detail: "d", Help: "h"}
	for name, before := range map[string]State{
		"waiting":           {Phase: Waiting, Until: noon, Reason: why, Failures: 3, First: noon, Interval: hour},
		"idle":              {LastSync: noon, Digest: mail.Key{7}},
		"new":               {},
		"until its user":    {Phase: Failing, Reason: why, Class: mail.Grant},
		"paused":            {Phase: Paused},
		"waiting for hours": {Phase: Waiting, Until: now.Add(9 * hour), Reason: why},
	} {
		for _, err := range []error{
			fmt.Errorf("claim: %w", ledger.ErrFenced), context.Canceled, fault(mail.Transient, "cancelled"),
			&mail.Fault{Class: mail.Transient, Code: "cut", Err: context.Canceled},
		} {
			after := p.Next(before, Settings{}, Outcome{Now: now, Err: err, Imported: 5})
			if Worth(before, after) {
				t.Errorf("%s, %v: written: %+v", name, err, after)
			}
			stuck := before.Phase == Paused || before.Class == mail.Grant
			if at, ok := p.Due(after, Settings{}, now); ok == stuck || ok && at.Sub(now) < minute {
				t.Errorf("%s, %v: due after %v", name, err, at.Sub(now))
			}
			if after.Until = before.Until; after != before {
				t.Errorf("%s, %v: %+v", name, err, after)
			}
		}
	}
}

func TestPausedStaysPaused(t *testing.T) {
	t.Parallel()
	before := State{Phase: Paused, Reason: Reason{Code: "paused", Detail: "d", Help: "h"}}
	for _, err := range []error{nil, fault(mail.Login, "auth_failed"), fault(mail.Revoked, "x")} {
		after := Policy{}.Next(before, Settings{}, Outcome{Now: noon, Err: err, Digest: mail.Key{1}})
		if after.Phase != Paused || after.Reason != before.Reason || !after.Until.IsZero() {
			t.Errorf("%v: %+v", err, after)
		}
		if _, ok := (Policy{}).Due(after, Settings{}, noon); ok {
			t.Error("a paused mailbox is due")
		}
	}
}

func TestSuccessWipesTheSlate(t *testing.T) {
	t.Parallel()
	s := State{}
	for range 5 {
		s = Policy{}.Next(s, Settings{}, Outcome{Now: noon, Err: fault(mail.Protocol, "bad_listing"), Floor: minute})
	}
	got := Policy{}.Next(s, Settings{}, Outcome{Now: noon.Add(hour), Digest: mail.Key{9}})
	if want := (State{LastSync: noon.Add(hour), Digest: mail.Key{9}, Interval: 5 * minute}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestProgressBreaksTheRow(t *testing.T) {
	t.Parallel()
	p, s := Policy{Rand: high}, State{Backlog: Backlog{Messages: 100}}
	for i := range 50 { // a connection that is cut every ten minutes, for eight hours
		s = p.Next(s, Settings{}, Outcome{Now: noon.Add(time.Duration(i) * 10 * minute), Err: fault(mail.Transient, "cut"), Imported: 2})
		if s.Failures != 1 || s.Until.Sub(noon.Add(time.Duration(i)*10*minute)) > 30*second {
			t.Fatalf("pass %d: %+v", i, s)
		}
	}
	if s.Backlog.Messages != 0 {
		t.Errorf("%d messages are left of 100", s.Backlog.Messages)
	}
}

func TestClockThatJumpsStopsNobody(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: high}
	for name, s := range map[string]State{
		"LastSync in the future": {LastSync: noon.Add(1000 * day), Interval: 10 * minute},
		"LastSync in the past":   {LastSync: noon.Add(-1000 * day)},
		"Until in the future":    {Phase: Waiting, Until: noon.Add(1000 * day)},
		"Until in the past":      {Phase: Failing, Until: noon.Add(-1000 * day)},
		"a backlog's":            {LastSync: noon, Until: noon.Add(1000 * day)},
		"no time at all":         {Phase: Waiting},
	} {
		at, ok := p.Due(s, Settings{}, noon)
		if !ok || !at.After(noon) || at.Sub(noon) > 25*hour {
			t.Errorf("%s: due %v, %v", name, at.Sub(noon), ok)
		}
	}
	s := State{LastSync: noon.Add(10 * hour)}
	if at, _ := p.Due(s, Settings{}, noon); at.Sub(noon) > 6*minute {
		t.Errorf("a clock that went back ten hours stops the polls for %v", at.Sub(noon))
	}
	// The clock goes back between two failures: the row begins again.
	s = p.Next(State{}, Settings{}, Outcome{Now: noon, Err: fault(mail.Transient, "cut")})
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(-10 * day), Err: fault(mail.Transient, "cut")})
	if s.Failures != 1 || s.Phase != Waiting {
		t.Errorf("after going back: %+v", s)
	}
}

func TestNewMailDoesNotWaitForTheBudgetOfHistory(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	f := &mail.Fault{Class: mail.RateLimited, Code: "budget", Scope: "history", Until: noon.Add(20 * hour), Text: "today's budget for old mail is used up", Help: "it goes on at eight"}
	s := p.Next(State{}, Settings{}, Outcome{Now: noon, Err: f, Imported: 3, Backlog: Backlog{Messages: 9}})
	at, _ := p.Due(s, Settings{}, noon)
	if s.Phase != Idle || s.LastSync != noon || at.Sub(noon) > 6*minute || s.Backlog.Messages != 9 {
		t.Errorf("%+v, due after %v", s, at.Sub(noon))
	}
	if want := (Reason{"budget", "today's budget for old mail is used up", "it goes on at eight; new mail is imported as it comes"}); s.Reason != want {
		t.Errorf("%+v", s.Reason)
	}
	again := p.Next(s, Settings{}, Outcome{Now: noon.Add(5 * minute), Err: f, Backlog: Backlog{Messages: 9}})
	if Worth(s, again) {
		t.Errorf("the same again is written: %+v", again)
	}
	f.Until = noon.Add(30 * second)
	s = p.Next(State{}, Settings{}, Outcome{Now: noon, Err: f, Backlog: Backlog{Messages: 9}})
	if at, _ := p.Due(s, Settings{}, noon); at != f.Until {
		t.Errorf("a budget that is new in 30 s: due after %v", at.Sub(noon))
	}
	if s = p.Next(s, Settings{}, Outcome{Now: noon}); s.Reason != (Reason{}) || s.Backlog != (Backlog{}) {
		t.Errorf("afterwards: %+v", s)
	}
}

// A server that was down is not met by all its mailboxes at once.
func TestOutageHasFullJitter(t *testing.T) {
	t.Parallel()
	var first, last time.Duration = hour, 0
	for range 1000 {
		s := (Policy{}).Next(State{}, Settings{}, Outcome{Now: noon, Err: fault(mail.Transient, "cut")})
		first, last = min(first, s.Until.Sub(noon)), max(last, s.Until.Sub(noon))
	}
	if first < 3*second || first > 6*second || last < 27*second || last > 30*second {
		t.Errorf("from %v to %v", first, last)
	}
}

func TestABacklogSaysWhenItWillBeDone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := Policy{UnitsPerUserMinute: 6000, BytesPerUserDay: 500e6}
	s := p.Next(State{}, Settings{}, Outcome{Now: now, Imported: 1, Backlog: Backlog{Messages: 100_000, Bytes: 5e9}})
	if days := s.Backlog.ETA.Sub(now).Hours() / 24; days < 8.5 || days > 10 {
		t.Errorf("5 GB at 500 MB a day: %.1f days", days)
	}
	s = p.Next(State{}, Settings{}, Outcome{Now: now, Imported: 1, Backlog: Backlog{Messages: 2400, Bytes: 1e6}})
	if took := s.Backlog.ETA.Sub(now); took != 10*time.Minute {
		t.Errorf("2,400 messages at 240 a minute: %v", took)
	}
	spent := &mail.Fault{Class: mail.RateLimited, Code: "budget", Scope: "day", Until: now.Add(20 * time.Hour)}
	s = p.Next(State{}, Settings{}, Outcome{Now: now, Err: spent, Backlog: Backlog{Messages: 10, Bytes: 1e6}})
	if s.Backlog.ETA.Before(now.Add(20 * time.Hour)) {
		t.Errorf("the day's budget is spent, and the rest is done at %v", s.Backlog.ETA)
	}
	if s = p.Next(s, Settings{}, Outcome{Now: now.Add(24 * time.Hour), Imported: 10}); s.Backlog != (Backlog{}) {
		t.Errorf("nothing is left: %+v", s.Backlog)
	}
}
