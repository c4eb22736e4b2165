package scheduletest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

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
