package plan

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestWhatEachStatusEntitlesTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		s       Subscription
		plan    Plan
		boxes   int
		stopped bool
	}{
		{"none", Subscription{}, Free, 1, false},
		{"active", Subscription{Plan: Plus, Status: "active"}, Plus, 5, false},
		{"on trial", Subscription{Plan: Pro, Status: "trialing"}, Pro, 25, false},
		{"to be cancelled", Subscription{Plan: Pro, Status: "active", Cancels: true}, Pro, 25, false},
		{"not begun", Subscription{Plan: Pro, Status: "incomplete"}, Free, 1, false},
		{"never begun", Subscription{Plan: Pro, Status: "incomplete_expired"}, Free, 1, false},
		{"late", Subscription{Plan: Plus, Status: "past_due", Unpaid: now.Add(-Grace + time.Minute)}, Plus, 5, false},
		{"too late", Subscription{Plan: Plus, Status: "past_due", Unpaid: now.Add(-Grace)}, Plus, 5, true},
		{"unpaid", Subscription{Plan: Plus, Status: "unpaid", Unpaid: now}, Plus, 5, true},
		{"cancelled", Subscription{Plan: Plus, Status: "canceled"}, Free, 1, false},
		{"the trial has ended without a card", Subscription{Plan: Plus, Status: "paused"}, Free, 1, false},
		{"a word of tomorrow", Subscription{Plan: Plus, Status: "dormant"}, Free, 1, false},
		{"a plan of yesterday", Subscription{Plan: "gold", Status: "active"}, Free, 1, false},
	} {
		e := Entitle(c.s, now)
		if e.Plan != c.plan || e.Mailboxes != c.boxes || e.Stopped != c.stopped {
			t.Errorf("%s: %+v", c.name, e)
		}
		if c.s.Status == "past_due" && !c.stopped && !e.Until.Equal(c.s.Unpaid.Add(Grace)) {
			t.Errorf("%s: until %v, want the end of the grace", c.name, e.Until)
		}
	}
}

func TestTheOldestMailboxesRun(t *testing.T) {
	t.Parallel()
	var boxes []Box
	for i := range 7 { // given in another order than they were made
		boxes = append(boxes, Box{id.New[id.Mailbox](), now.Add(-time.Duration(i) * time.Hour)})
	}
	for _, c := range []struct {
		e    Entitlements
		want int
	}{{Entitlements{}, 7}, {Of(Pro), 7}, {Of(Plus), 5}, {Of(Free), 1}, {Entitlements{Mailboxes: 25, Stopped: true}, 0}} {
		runs := c.e.Runs(boxes)
		for i, b := range boxes {
			if want := i >= len(boxes)-c.want; runs[b.ID] != want {
				t.Errorf("%+v: mailbox %d runs = %v, want %v", c.e, i, runs[b.ID], want)
			}
		}
	}
}

func TestPollsAreAsFarApartAsThePlanHasIt(t *testing.T) {
	t.Parallel()
	const def = 5 * time.Minute
	for _, c := range []struct {
		e           Entitlements
		wants, want time.Duration
	}{
		{Entitlements{}, 0, 0}, {Entitlements{}, time.Second, time.Second},
		{Of(Free), 0, 30 * time.Minute}, {Of(Free), time.Minute, 30 * time.Minute}, {Of(Free), time.Hour, time.Hour},
		{Of(Plus), 0, 5 * time.Minute}, {Of(Plus), time.Minute, 5 * time.Minute},
		{Of(Pro), 0, 0}, // it adapts, down to two minutes
		{Of(Pro), time.Second, time.Minute},
	} {
		if got := c.e.Poll(c.wants, def); got != c.want {
			t.Errorf("%s, %v: %v, want %v", c.e.Plan, c.wants, got, c.want)
		}
	}
}
