package scheduletest

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

func newIsDue(t *testing.T, w World) {
	u, box := one(t, w)
	for range 2 {
		got := row(t, w, box)
		if got.User != u || got.Dirty {
			t.Errorf("got %+v, want the user's, clean", got)
		}
		wantRow(t, got, schedule.State{})
		wantState(t, w, u, box, schedule.State{})
		w.Reopen(t)
	}
}

func lanes(t *testing.T, w World) {
	ann, bob := w.User(t), w.User(t)
	first := row(t, w, w.Mailbox(t, ann, "pop.example.org", 995)).Lane
	for name, c := range map[string]struct {
		host string
		port int
		same bool
	}{
		"the same server": {"pop.example.org", 995, true},
		"in upper case":   {"POP.example.ORG", 995, true},
		"another port":    {"pop.example.org", 110, false},
		"another host":    {"pop.example.com", 995, false},
	} {
		w.Reopen(t)
		if got := row(t, w, w.Mailbox(t, bob, c.host, c.port)).Lane; (got == first) != c.same {
			t.Errorf("%s: the same lane = %v, want %v", name, got == first, c.same)
		}
	}
}

func roundTrips(t *testing.T, w World) {
	u, box := one(t, w)
	_, other := one(t, w)
	ok(t, w.Registry(t).Save(t.Context(), u, box, full()))
	for range 2 {
		wantState(t, w, u, box, full())
		wantRow(t, row(t, w, box), full())
		wantRow(t, row(t, w, other), schedule.State{})
		w.Reopen(t)
	}
}

func replaced(t *testing.T, w World) {
	u, box := one(t, w)
	ok(t, w.Registry(t).Save(t.Context(), u, box, full()))
	ok(t, w.Registry(t).Save(t.Context(), u, box, schedule.State{}))
	wantState(t, w, u, box, schedule.State{})
	wantRow(t, row(t, w, box), schedule.State{})
}

func wheelKnows(t *testing.T, w World) {
	u, box := one(t, w)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	states := []schedule.State{
		{}, {Interval: time.Minute}, {Interval: time.Hour, LastSync: at}, {Phase: schedule.Waiting, Until: at},
		{Phase: schedule.Waiting, Until: at.Add(time.Hour)}, {Phase: schedule.Failing, Until: at}, {Phase: schedule.Failing}, {Phase: schedule.Paused},
	}
	for _, from := range states {
		for _, to := range states { // later and sooner, in both orders
			ok(t, w.Registry(t).Save(t.Context(), u, box, from))
			ok(t, w.Registry(t).Save(t.Context(), u, box, to))
			wantRow(t, row(t, w, box), to)
			wantState(t, w, u, box, to)
		}
	}
	w.Reopen(t)
	wantRow(t, row(t, w, box), states[len(states)-1])
}

func syncing(t *testing.T, w World) {
	u, box := one(t, w)
	ok(t, w.Registry(t).Save(t.Context(), u, box, schedule.State{Phase: schedule.Syncing, Failures: 1}))
	wantState(t, w, u, box, schedule.State{Phase: schedule.Idle, Failures: 1})
	wantRow(t, row(t, w, box), schedule.State{Phase: schedule.Idle})
}
