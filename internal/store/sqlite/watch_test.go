package sqlite

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// watched takes who is to be looked at.
func watched(t *testing.T, s *Store) (out []notify.Watch) {
	t.Helper()
	out, err := s.Watched(t.Context(), time.Now(), 100)
	ok(t, err)
	for _, w := range out {
		ok(t, s.Rewatch(t.Context(), w, time.Time{}))
	}
	return out
}

// TestAUserIsWatchedWhenAMailboxFailsOrDoesSoNoLonger: after the state is saved,
// whichever of the two files is written first.
func TestAUserIsWatchedWhenAMailboxFailsOrDoesSoNoLonger(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "x")
	now := time.Now()
	for _, c := range []struct {
		name string
		st   schedule.State
		want int
	}{
		{"new", schedule.State{LastSync: now}, 0},
		{"it fails", schedule.State{Phase: schedule.Waiting, Failures: 1, First: now, Until: now.Add(time.Hour)}, 1},
		{"it fails again, and is due sooner", schedule.State{Phase: schedule.Waiting, Failures: 2, First: now, Until: now.Add(time.Minute)}, 1},
		{"it works", schedule.State{LastSync: now}, 1},
		{"it still works", schedule.State{LastSync: now, Interval: time.Minute}, 0},
		{"it is paused", schedule.State{Phase: schedule.Paused}, 1},
	} {
		ok(t, s.Save(t.Context(), u, box, c.st))
		if got := watched(t, s); len(got) != c.want || c.want > 0 && got[0].User != u {
			t.Errorf("%s: watched = %v, want %d", c.name, got, c.want)
		}
	}
	// What wakes the mailbox sooner is written in the other order.
	early := make(chan struct{})
	ok(t, s.Save(t.Context(), u, box, schedule.State{Phase: schedule.Waiting, Failures: 1, First: now, Until: now.Add(time.Hour)}))
	watched(t, s)
	for drained := false; !drained; {
		select {
		case <-s.Due():
		default:
			drained = true
		}
	}
	go func() {
		defer close(early)
		<-s.Due()
		st, err := s.Schedule(t.Context(), u, box)
		if err != nil || st.Phase != schedule.Idle {
			t.Errorf("told to look while the state is %v, %v", st.Phase, err)
		}
	}()
	ok(t, s.Save(t.Context(), u, box, schedule.State{LastSync: now}))
	<-early
}

func TestASignInIsWatched(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	_, _, err := s.BeginSession(t.Context(), u, "Firefox", vault.Secret{})
	ok(t, err)
	if got := watched(t, s); len(got) != 1 {
		t.Errorf("watched = %v, want the user", got)
	}
}

// TestWhatHappensMeanwhileIsLookedAtAgain: who is looked at while something
// happens to him keeps his place.
func TestWhatHappensMeanwhileIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	ok(t, s.Watch(t.Context(), u))
	is, err := s.Watched(t.Context(), time.Now(), 1)
	ok(t, err)
	ok(t, s.Watch(t.Context(), u))
	for _, next := range []time.Time{{}, time.Now().Add(time.Hour)} {
		ok(t, s.Rewatch(t.Context(), is[0], next))
		if any, err := s.AnyWatched(t.Context()); err != nil || !any {
			t.Errorf("watched = %v, %v, want him to stay", any, err)
		}
	}
	if n := len(watched(t, s)); n != 1 {
		t.Fatalf("watched = %d, want 1", n)
	}
	ok(t, s.Watch(t.Context(), u))
	_, err = s.WipeUser(t.Context(), u)
	ok(t, err)
	ok(t, s.Watch(t.Context(), u))
	ok(t, s.Watch(t.Context(), id.New[id.User]()))
	if any, err := s.AnyWatched(t.Context()); err != nil || any {
		t.Errorf("watched = %v, %v, want nobody who is not there", any, err)
	}
}
