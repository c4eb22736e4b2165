package schedule

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func within(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %v, want %v to %v", what, got, low, high)
	}
}

// poll is a pass that finds nothing, or mail.
func poll(p Policy, s State, set Settings, now time.Time, imported int) State {
	return p.Next(s, set, Outcome{Now: now, Imported: imported, Digest: mail.Key{byte(imported)}})
}

func TestIntervalFollowsTheMail(t *testing.T) {
	t.Parallel()
	p, set := Policy{Rand: low}, Settings{Host: "pop.example", Protocol: "pop3"}
	s := poll(p, State{}, set, noon, 0)
	within(t, "a new mailbox", s.Interval, 5*minute, 5*minute)

	now := noon
	for now.Before(noon.Add(day)) {
		at, _ := p.Due(s, set, now)
		within(t, "step", at.Sub(now), 2*minute, 72*minute)
		now = at
		s = poll(p, s, set, now, 0)
	}
	within(t, "after a quiet day", s.Interval, hour, hour)

	s = poll(p, s, set, now, 1)
	within(t, "mail after a quiet day", s.Interval, 5*minute, 5*minute)
	for range 5 {
		now = now.Add(s.Interval)
		s = poll(p, s, set, now, 1)
	}
	within(t, "mail at every look", s.Interval, 2*minute, 2*minute)
	now = now.Add(hour)
	s = poll(p, s, set, now, 0)
	within(t, "an hour later", s.Interval, 7*minute, 7*minute)
}

// An empty pass writes nothing; still the interval is the same, whether the
// states in between were kept in memory or lost.
func TestIntervalDoesNotNeedTheEmptyPasses(t *testing.T) {
	t.Parallel()
	p, set := Policy{Rand: low}, Settings{}
	written := poll(p, State{}, set, noon, 3)
	kept := written
	for now := noon.Add(3 * minute); !now.After(noon.Add(3 * hour)); now = now.Add(3 * minute) {
		kept = poll(p, kept, set, now, 0)
	}
	lost := poll(p, written, set, noon.Add(3*hour), 0)
	within(t, "the difference", (kept.Interval - lost.Interval).Abs(), 0, second)
}

func TestChosenIntervalIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		set       Settings
		s         State
		low, high time.Duration
	}{
		{"what the user chose", Settings{PollEvery: 7 * minute}, State{Interval: hour}, 336 * second, 504 * second},
		{"less than the adaptive least", Settings{PollEvery: 30 * second}, State{}, 24 * second, 36 * second},
		{"more than the adaptive most", Settings{PollEvery: 12 * hour}, State{}, 9*hour + 36*minute, 14*hour + 24*minute},
		{"more than a day", Settings{PollEvery: 90 * day}, State{}, 20 * hour, 25 * hour},
		{"a provider's floor", Settings{PollEvery: minute, Host: "pop3.web.de", Protocol: "pop3"}, State{}, 15 * minute, 18 * minute},
		{"a provider's floor is for its protocol", Settings{PollEvery: minute, Host: "imap.web.de", Protocol: "imap"}, State{}, 48 * second, 72 * second},
		{"a name that only ends alike", Settings{PollEvery: minute, Host: "pop.notweb.de", Protocol: "pop3"}, State{}, 48 * second, 72 * second},
		{"LOGIN-DELAY and a tenth", Settings{PollEvery: minute}, State{Floor: 10 * minute}, 11 * minute, 11*minute + 132*second},
		{"the default", Settings{}, State{}, 4 * minute, 6 * minute},
		{"push", Settings{Push: true}, State{Interval: 2 * minute}, 16 * minute, 24 * minute},
		{"push and a choice", Settings{Push: true, PollEvery: 2 * minute}, State{}, 96 * second, 144 * second},
	} {
		c.s.LastSync = noon
		for _, draw := range []func(int64) int64{low, high} {
			at, ok := Policy{Rand: draw}.Due(c.s, c.set, noon)
			if !ok {
				t.Errorf("%s: never", c.name)
			}
			within(t, c.name, at.Sub(noon), c.low, c.high)
		}
		if got := poll(Policy{}, c.s, c.set, noon.Add(hour), 1).Interval; c.set.PollEvery > 0 && got != c.s.Interval {
			t.Errorf("%s: adapted to %v", c.name, got)
		}
	}
}

func TestNeighboursSpreadOut(t *testing.T) {
	t.Parallel()
	p, s := Policy{}, State{LastSync: noon, Interval: 10 * minute}
	var slots [24]int // of 10 s, between 8 and 12 minutes
	for range 2400 {
		at, _ := p.Due(s, Settings{}, noon)
		slots[min(int((at.Sub(noon)-8*minute)/(10*second)), 23)]++
	}
	for i, n := range slots {
		if n < 50 || n > 160 {
			t.Errorf("slot %d has %d of 2400", i, n)
		}
	}
}

func TestBacklogGoesOnSoonAsLongAsItShrinks(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	left := Outcome{Now: noon, Imported: 100, Backlog: Backlog{Messages: 900, Bytes: 1e6}}
	s := p.Next(State{}, Settings{}, left)
	at, _ := p.Due(s, Settings{}, noon)
	within(t, "progress", at.Sub(noon), second, 10*second)

	web := Settings{Host: "pop3.web.de", Protocol: "pop3"}
	s = p.Next(State{}, web, left)
	at, _ = p.Due(s, web, noon)
	within(t, "progress at a provider with a floor", at.Sub(noon), 15*minute, 18*minute)

	left.Imported = 0
	s = p.Next(s, Settings{}, left)
	at, _ = p.Due(s, Settings{}, noon)
	within(t, "none", at.Sub(noon), 2*minute, 6*minute)
	if s.Backlog != left.Backlog || s.Phase != Idle {
		t.Errorf("%+v", s)
	}
}

func TestWorthWriting(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	empty := func(s State, after time.Duration) State {
		return p.Next(s, Settings{}, Outcome{Now: s.LastSync.Add(after), Digest: mail.Key{1}})
	}
	first := p.Next(State{}, Settings{}, Outcome{Now: noon, Digest: mail.Key{1}})
	if !Worth(State{}, first) {
		t.Error("the first sync of a mailbox is not written")
	}
	again := empty(first, 5*minute)
	third := empty(again, 10*hour)
	if Worth(first, again) || Worth(again, third) {
		t.Errorf("an empty pass is written: %+v, %+v", again, third)
	}
	base := State{LastSync: noon, Interval: hour, Backlog: Backlog{Messages: 2, Bytes: 9}}
	for name, change := range map[string]func(*State){
		"phase":    func(s *State) { s.Phase = Failing },
		"code":     func(s *State) { s.Reason.Code = "dns" },
		"first":    func(s *State) { s.First = noon },
		"class":    func(s *State) { s.Class = mail.Login },
		"failures": func(s *State) { s.Failures++ },
		"floor":    func(s *State) { s.Floor = minute },
		"digest":   func(s *State) { s.Digest = mail.Key{2} },
		"messages": func(s *State) { s.Backlog.Messages-- },
		"bytes":    func(s *State) { s.Backlog.Bytes-- },
		"sooner":   func(s *State) { s.Interval = minute },
	} {
		after := base
		if change(&after); !Worth(base, after) {
			t.Errorf("%s is not written", name)
		}
	}
	for name, change := range map[string]func(*State){
		"later":    func(s *State) { s.Interval = 2 * hour },
		"LastSync": func(s *State) { s.LastSync = noon.Add(hour) },
		"until":    func(s *State) { s.Until = noon },
		"ETA":      func(s *State) { s.Backlog.ETA = noon },
	} {
		after := base
		if change(&after); Worth(base, after) {
			t.Errorf("%s is written", name)
		}
	}
}

// TestAboutOnceADayNoDigestIsBelieved, whatever the interval: with 5 minutes
// it is one pass of 288.
func TestAboutOnceADayNoDigestIsBelieved(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	p := Policy{Rand: r.Int64N}
	for _, every := range []time.Duration{minute, 5 * minute, hour} {
		const days = 400
		n := 0
		for range int(days * 24 * hour / every) {
			if p.Relist(State{LastSync: noon}, Settings{PollEvery: every}) {
				n++
			}
		}
		if n < days*8/10 || n > days*12/10 {
			t.Errorf("every %v: %d times in %d days", every, n, days)
		}
	}
}
