package live

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func world(t *testing.T, f func(t *testing.T, h *Hub, user id.User)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.Run(ctx) }()
		f(t, h, id.New[id.User]())
		stop()
		<-done
	})
}

func join(t *testing.T, h *Hub, user id.User, last string) *Reader {
	t.Helper()
	r, err := h.Join(user, last)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func next(t *testing.T, r *Reader) []Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	events, err := r.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func box(name string) api.MailboxEvent { return api.MailboxEvent{ID: name} }

func TestAReaderGetsItsUsersEventsAndNoOthers(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		other := join(t, h, id.New[id.User](), "")
		h.Mailbox(user, box("a"))
		h.Audit(user, api.Entry{Status: "imported", Size: 7})
		got := next(t, r)
		if len(got) != 3 || got[0].Name != "mailbox" || got[1].Name != "audit" || got[2].Name != "counters" {
			t.Errorf("got %+v", got)
		}
		if got := next(t, other); got != nil {
			t.Errorf("another user's reader got %+v", got)
		}
	})
}

func TestWhoComesBackGoesOnWhereHeWas(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		h.Mailbox(user, box("a"))
		last := next(t, r)[0].ID
		r.Leave()
		h.Mailbox(user, box("b"))
		time.Sleep(time.Minute)
		r = join(t, h, user, last)
		if got := next(t, r); r.Anew || len(got) != 1 || string(got[0].Data) != `{"id":"b","state":"","backlog":{"messages":0,"bytes":0}}` {
			t.Errorf("anew %v, got %s", r.Anew, got)
		}
	})
}

func TestWhoHadNoEventYetMissesNoneEither(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		last := r.Last()
		r.Leave()
		h.Mailbox(user, box("a"))
		time.Sleep(time.Minute)
		r = join(t, h, user, last)
		if got := next(t, r); r.Anew || len(got) != 1 {
			t.Errorf("anew %v, got %+v", r.Anew, got)
		}
	})
}

// While a ring is forgotten nothing is kept, however far the next one has come.
func TestANumberOfAForgottenRingIsNoneOfTheNext(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		h.Mailbox(user, box("a"))
		last := next(t, r)[0].ID
		r.Leave()
		time.Sleep(linger + time.Second)
		h.Mailbox(user, box("b")) // nobody keeps it
		other := join(t, h, user, "")
		for range 3 {
			h.Mailbox(user, box("c"))
			next(t, other)
		}
		if !join(t, h, user, last).Anew {
			t.Error("what was missed is not said")
		}
	})
}

func TestWhatIsForgottenIsSaid(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		h.Mailbox(user, box("a"))
		last := next(t, r)[0].ID
		for i := range size + 1 {
			h.Mailbox(user, box(strconv.Itoa(i)))
		}
		time.Sleep(time.Second)
		if !join(t, h, user, last).Anew {
			t.Error("an event that left the ring is taken for the last")
		}
		for _, odd := range []string{"x-1", "1", "-", r.ring.id(999999), r.ring.epoch + "--1", "\r\nid: 1"} {
			if !join(t, h, user, odd).Anew {
				t.Errorf("%q is taken for an event", odd)
			}
		}
	})
}

func TestASlowReaderIsLetGo(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		for i := range size + 1 {
			h.Mailbox(user, box(strconv.Itoa(i)))
		}
		time.Sleep(time.Second)
		if _, err := r.Next(t.Context()); !errors.Is(err, ErrBehind) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAFloodOfMailIsPutTogether(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		r := join(t, h, user, "")
		for range 10_000 {
			h.Audit(user, api.Entry{Status: "imported", Size: 1})
			h.Mailbox(user, box("a"))
		}
		if got := next(t, r); len(got) != 3 || len(got[1].Data) > 10_000 {
			t.Errorf("%d events", len(got))
		}
	})
}

func TestRingsAreForgottenWithoutReaders(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		join(t, h, user, "").Leave()
		time.Sleep(linger + time.Second)
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.rings) != 0 || h.streams != 0 {
			t.Errorf("%d rings, %d streams", len(h.rings), h.streams)
		}
	})
}

func TestAUserHasABoundedNumberOfStreams(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		for range perUser {
			join(t, h, user, "")
		}
		if _, err := h.Join(user, ""); !errors.Is(err, ErrMany) {
			t.Errorf("got %v", err)
		}
		join(t, h, id.New[id.User](), "")
	})
}

func TestStreamsEndWithTheirUserAndWithTheProcess(t *testing.T) {
	world(t, func(t *testing.T, h *Hub, user id.User) {
		a, b := join(t, h, user, ""), join(t, h, id.New[id.User](), "")
		h.End(user)
		if _, err := a.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		go func() { time.Sleep(time.Second); h.Close() }()
		if _, err := b.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := h.Join(user, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
