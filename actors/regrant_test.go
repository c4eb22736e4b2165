package actors

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// A pass that began with the old grant ends, revoked, after its user has
// connected Google again.
func TestTheEndOfAnOldGrantDoesNotDestroyTheNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		user := id.New[id.User]()
		slow, other := w.add(user, 1), w.add(user, 1)
		var old atomic.Bool
		var destroyed atomic.Int32
		w.revoked = func(id.User) error { destroyed.Add(1); return nil }
		w.do = func(_ context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if b == slow && old.Load() {
				time.Sleep(10 * time.Second)
				return bridge.Report{}, fault(mail.Revoked, "grant_revoked")
			}
			return bridge.Report{Unchanged: true}, nil
		}
		w.start(Options{})
		rest(time.Hour)
		old.Store(true)
		if err := w.SyncNow(t.Context(), user, slow.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(5 * time.Second)
		w.UserChanged(user)
		old.Store(false)
		rest(10 * time.Minute)
		if n := destroyed.Load(); n != 0 {
			t.Errorf("the new grant was destroyed %d times", n)
		}
		for _, b := range []*row{slow, other} {
			if s := w.state(b); s.Phase != schedule.Idle {
				t.Errorf("phase %v, %+v", s.Phase, s.Reason)
			}
		}
		w.stop(t)
	})
}

// What the end of a grant destroys takes several tries, and the user has
// connected Google again before the last.
func TestDestroyingAnOldGrantStopsWhereTheUserHasANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		var ended atomic.Bool
		var tries, late atomic.Int32
		w.revoked = func(id.User) error {
			tries.Add(1)
			if !ended.Load() {
				late.Add(1)
			}
			return errors.New("disk full")
		}
		w.do = func(context.Context, *row, bridge.Pass) (bridge.Report, error) {
			if ended.Load() {
				return bridge.Report{}, fault(mail.Revoked, "grant_revoked")
			}
			return bridge.Report{Unchanged: true}, nil
		}
		w.start(Options{})
		rest(time.Minute)
		ended.Store(true)
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(10 * time.Second)
		ended.Store(false)
		w.UserChanged(b.User)
		rest(time.Hour)
		if tries.Load() == 0 || late.Load() != 0 {
			t.Errorf("%d tries, %d of them with the new grant there", tries.Load(), late.Load())
		}
		if s := w.state(b); s.Phase != schedule.Idle {
			t.Errorf("phase %v, %+v", s.Phase, s.Reason)
		}
		w.stop(t)
	})
}

// A pass that finds no grant runs while the user connects Google: its end must
// not be the last of the mailbox.
func TestAPassThatFailsWhileItsUserConnectsGoogleIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		var granted atomic.Bool
		w.open = func(id.User) error {
			if granted.Load() {
				return nil
			}
			time.Sleep(10 * time.Second)
			return fault(mail.Grant, "grant_missing")
		}
		w.start(Options{})
		<-w.Ready()
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(5 * time.Second)
		granted.Store(true)
		w.UserChanged(b.User)
		rest(time.Hour)
		if s := w.state(b); s.Phase != schedule.Idle || w.count(b) == 0 {
			t.Errorf("phase %v, %d passes", s.Phase, w.count(b))
		}
		w.stop(t)
	})
}

// A mailbox that waits for push lives long; a new grant is for it as well.
func TestAParkedMailboxSharesTheAccountOfTheNewGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		c, _ := w.pushing()
		w.mu.Lock()
		c.User = b.User
		w.mu.Unlock()
		var overlap atomic.Int32
		w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
			if open, _ := w.accounts(b.User); open > 1 {
				overlap.Add(1)
			}
			return bridge.Report{Unchanged: true}, nap(ctx, time.Second)
		}
		w.start(Options{Limits: Limits{Linger: 10 * time.Minute}})
		rest(10 * time.Minute)
		w.UserChanged(b.User)
		rest(time.Minute)
		_, before := w.accounts(b.User)
		d := w.add(b.User, 2)
		w.Register(d.Registered)
		(*conns)[len(*conns)-1].news <- nil
		rest(30 * time.Second)
		if _, opens := w.accounts(b.User); opens != before+1 || overlap.Load() > 0 {
			t.Errorf("opened %d times for one grant, %d passes beside another's", opens-before, overlap.Load())
		}
		w.stop(t)
	})
}

// A user that is about to leave is told of a new grant, and leaves all the same.
func TestAUserThatIsToldOfANewGrantAsItLeavesIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.do = func(context.Context, *row, bridge.Pass) (bridge.Report, error) {
			return bridge.Report{Unchanged: true}, nil
		}
		w.start(Options{})
		<-w.Ready()
		for range 200 {
			if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
				t.Fatal(err)
			}
			rest(0)
			time.Sleep(30 * time.Second) // exactly when it wishes to leave
			w.UserChanged(b.User)
			rest(time.Minute)
			if n := w.lingering.Load(); n != 0 {
				t.Fatalf("%d users linger", n)
			}
		}
		w.stop(t)
	})
}
