// Package scheduletest is the conformance suite of a registry: the durable side
// of the schedule.
package scheduletest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Registry is what the engine asks (actors.Registry), and what a person may be
// shown.
type Registry interface {
	All(ctx context.Context) iter.Seq2[schedule.Registered, error]
	Save(ctx context.Context, user id.User, box id.Mailbox, s schedule.State) error
	Begin(ctx context.Context, user id.User, box id.Mailbox) error
	Clean(ctx context.Context, boxes []id.Mailbox) error
	Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error)
}

// World is a registry with the mailboxes in it.
type World interface {
	Registry(t *testing.T) Registry
	User(t *testing.T) id.User
	Mailbox(t *testing.T, user id.User, host string, port int) id.Mailbox // a new one
	Wipe(t *testing.T, user id.User, box id.Mailbox)
	Reopen(t *testing.T) // restarts on what is durable
}

// Run proves a registry. fresh gives an empty world.
func Run(t *testing.T, fresh func(t *testing.T) World) {
	for _, c := range []struct {
		name, rule string
		test       func(t *testing.T, w World)
	}{
		{"NewMailboxIsDue", "a mailbox is found by the wheel from the moment it exists, to be looked at now", newIsDue},
		{"LaneIsAServer", "what shares a mail server shares a lane, and nothing else does", lanes},
		{"StateRoundTrips", "every field of a state comes back, also after a restart", roundTrips},
		{"StateIsReplaced", "of the state before nothing is left", replaced},
		{"WheelKnowsWhatWasSaved", "after a restart a mailbox is woken as its last state says", wheelKnows},
		{"SyncingIsNeverStored", "a pass that is cut off by a crash leaves a mailbox that is idle", syncing},
		{"DirtyComesFirst", "what had claims under way is recovered before anything else", dirtyFirst},
		{"MarkIsTakenAway", "a mailbox whose pass has left no claim is as before", cleaned},
		{"MarkComesBack", "a mailbox that is begun after its mark was taken away is marked again", markedAgain},
		{"UsersAreApart", "an id counts together with its user's and not alone", apart},
		{"WipedMailboxIsForgotten", "a wiped mailbox is never woken, nor saved, nor marked", wiped},
		{"ManyAtOnce", "callers may come together", together},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			})
			c.test(t, fresh(t))
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}

func wantNone(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, account.ErrNone) {
		t.Errorf("%s: error = %v, want %v", what, err, account.ErrNone)
	}
}

// all gives the registered mailboxes in the order of their coming.
func all(t *testing.T, w World) (out []schedule.Registered) {
	t.Helper()
	seen := map[id.Mailbox]bool{}
	for r, err := range w.Registry(t).All(t.Context()) {
		ok(t, err)
		if seen[r.Mailbox] {
			t.Errorf("mailbox %s came twice", r.Mailbox)
		}
		seen[r.Mailbox] = true
		out = append(out, r)
	}
	return out
}

// row gives one of them.
func row(t *testing.T, w World, box id.Mailbox) schedule.Registered {
	t.Helper()
	for _, r := range all(t, w) {
		if r.Mailbox == box {
			return r
		}
	}
	t.Fatalf("mailbox %s is not registered", box)
	return schedule.Registered{}
}

func one(t *testing.T, w World) (id.User, id.Mailbox) {
	t.Helper()
	u := w.User(t)
	return u, w.Mailbox(t, u, "pop.example.org", 995)
}

// full is a state with something in every field.
func full() schedule.State {
	day := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	return schedule.State{
		Phase: schedule.Failing, Until: day, Interval: 7 * time.Minute,
		Reason: schedule.Reason{Code: "auth_failed", Detail: "pop.example.org refused the password", Help: "enter it anew"},
		Class:  mail.Login, Failures: 3, First: day.Add(-time.Hour), Floor: 15 * time.Minute, LastSync: day.Add(-2 * time.Hour),
		Digest: mail.Key{1, 2, 3, 15: 9}, Backlog: schedule.Backlog{Messages: 100_000, Bytes: 1 << 40, ETA: day.Add(240 * time.Hour)},
	}
}

func wantState(t *testing.T, w World, u id.User, box id.Mailbox, want schedule.State) {
	t.Helper()
	got, err := w.Registry(t).Schedule(t.Context(), u, box)
	ok(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("state = %+v, want %+v", got, want)
	}
}

func wantRow(t *testing.T, got schedule.Registered, want schedule.State) {
	t.Helper()
	if got.Phase != want.Phase || !got.Until.Equal(want.Until) || got.Every != want.Interval {
		t.Errorf("the wheel has %v until %v every %v, want %v, %v, %v", got.Phase, got.Until, got.Every, want.Phase, want.Until, want.Interval)
	}
}

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

func dirtyFirst(t *testing.T, w World) {
	var boxes []id.Mailbox
	var users []id.User
	for range 12 {
		u, box := one(t, w)
		users, boxes = append(users, u), append(boxes, box)
	}
	marked := map[id.Mailbox]bool{boxes[3]: true, boxes[11]: true}
	for _, i := range []int{3, 11, 3} {
		ok(t, w.Registry(t).Begin(t.Context(), users[i], boxes[i]))
	}
	for range 2 {
		got := all(t, w)
		if len(got) != len(boxes) {
			t.Fatalf("registered = %d, want %d", len(got), len(boxes))
		}
		for i, r := range got {
			if r.Dirty != (i < 2) || r.Dirty != marked[r.Mailbox] {
				t.Errorf("row %d: dirty = %v, want the two that were begun, first", i, r.Dirty)
			}
		}
		w.Reopen(t)
	}
}

func cleaned(t *testing.T, w World) {
	u, box := one(t, w)
	ok(t, w.Registry(t).Save(t.Context(), u, box, full()))
	ok(t, w.Registry(t).Begin(t.Context(), u, box))
	v, other := one(t, w)
	ok(t, w.Registry(t).Begin(t.Context(), v, other))
	ok(t, w.Registry(t).Clean(t.Context(), nil))
	ok(t, w.Registry(t).Clean(t.Context(), []id.Mailbox{box, id.New[id.Mailbox]()}))
	w.Reopen(t)
	if row(t, w, box).Dirty || !row(t, w, other).Dirty {
		t.Error("want the mark of the one, and no other, taken away")
	}
	wantRow(t, row(t, w, box), full())
}

func markedAgain(t *testing.T, w World) {
	u, box := one(t, w)
	for range 3 {
		ok(t, w.Registry(t).Begin(t.Context(), u, box))
		ok(t, w.Registry(t).Begin(t.Context(), u, box))
		if !row(t, w, box).Dirty {
			t.Error("a mailbox that was begun is not marked")
		}
		ok(t, w.Registry(t).Clean(t.Context(), []id.Mailbox{box}))
		if row(t, w, box).Dirty {
			t.Error("the mark is still there")
		}
	}
}

func apart(t *testing.T, w World) {
	_, box := one(t, w)
	for name, u := range map[string]id.User{"somebody else": w.User(t), "nobody": id.New[id.User]()} {
		refuses(t, w, name, u, box)
	}
	wantRow(t, row(t, w, box), schedule.State{})
	if row(t, w, box).Dirty {
		t.Error("somebody else has marked a mailbox")
	}
}

func refuses(t *testing.T, w World, name string, u id.User, box id.Mailbox) {
	t.Helper()
	wantNone(t, name+" saves", w.Registry(t).Save(t.Context(), u, box, full()))
	wantNone(t, name+" begins", w.Registry(t).Begin(t.Context(), u, box))
	_, err := w.Registry(t).Schedule(t.Context(), u, box)
	wantNone(t, name+" looks", err)
}

func wiped(t *testing.T, w World) {
	u, box := one(t, w)
	other := w.Mailbox(t, u, "imap.example.org", 993)
	ok(t, w.Registry(t).Save(t.Context(), u, box, full()))
	ok(t, w.Registry(t).Begin(t.Context(), u, box))
	w.Wipe(t, u, box)
	for range 2 {
		if got := all(t, w); len(got) != 1 || got[0].Mailbox != other {
			t.Errorf("registered = %v, want the other one", got)
		}
		refuses(t, w, "who comes late", u, box)
		ok(t, w.Registry(t).Clean(t.Context(), []id.Mailbox{box}))
		w.Reopen(t)
	}
}

func together(t *testing.T, w World) {
	u := w.User(t)
	var boxes []id.Mailbox
	for i := range 8 {
		boxes = append(boxes, w.Mailbox(t, u, fmt.Sprintf("pop%d.example.org", i), 995))
	}
	var wg sync.WaitGroup
	g := w.Registry(t)
	for i, box := range boxes {
		for _, step := range []func() error{
			func() error { return g.Save(t.Context(), u, box, schedule.State{Failures: i, Interval: time.Minute}) },
			func() error { return g.Save(t.Context(), u, box, schedule.State{Phase: schedule.Paused}) },
			func() error { return g.Begin(t.Context(), u, box) },
			func() error {
				for _, err := range g.All(t.Context()) {
					if err != nil {
						return err
					}
				}
				return nil
			},
		} {
			wg.Go(func() {
				if err := step(); err != nil {
					t.Errorf("together with others: %v", err)
				}
			})
		}
	}
	wg.Wait()
	for _, r := range all(t, w) {
		st, err := g.Schedule(t.Context(), u, r.Mailbox)
		ok(t, err)
		wantRow(t, r, st)
		if !r.Dirty {
			t.Error("a mailbox that was begun is not marked")
		}
	}
}
