package sqlite

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

func TestWhoWasSweptLongestAgoComesFirst(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	var users []id.User
	for n := range 4 {
		u := newUser(t, s, fmt.Sprint(n))
		users = append(users, u)
		ok(t, s.system.write(t.Context(), func() error {
			return s.q.MarkSwept(context.Background(), systemdb.MarkSweptParams{At: int64(1000 - n), ID: u[:]})
		}))
	}
	want := func(since int64, most int, want ...id.User) {
		t.Helper()
		got, err := s.ToSweep(t.Context(), time.Unix(since, 0), most)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("since %d: %v, %v; want %v", since, got, err, want)
		}
	}
	want(1000, 10, users[3], users[2], users[1], users[0])
	want(1000, 2, users[3], users[2])
	want(998, 10, users[3], users[2])
	ok(t, s.Swept(t.Context(), users[2:3]))
	want(1000, 10, users[3], users[1], users[0])
	ok(t, s.system.write(t.Context(), func() error { // he is being wiped
		_, err := s.q.MarkWiping(context.Background(), systemdb.MarkWipingParams{Receipt: "x", ID: users[3][:]})
		return err
	}))
	want(1000, 10, users[1], users[0])
	if n, err := s.CountUsers(t.Context()); n != 4 || err != nil {
		t.Errorf("users = %d, %v", n, err)
	}
	if err := s.Sweep(t.Context(), id.New[id.User](), time.Now()); err == nil {
		t.Error("an unknown user was swept")
	}
}

// TestASweepLeavesNoDatabaseOpenThatWasNot: nor closes one that was.
func TestASweepLeavesNoDatabaseOpenThatWasNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	ann, bob := newUser(t, s, "ann"), newUser(t, s, "bob")
	ok(t, s.Close())
	s = openStore(t, dir, Options{Exclusive: true})
	box := newMailbox(t, s, ann, "box")
	open := func(want ...id.User) {
		t.Helper()
		s.users.mu.Lock()
		defer s.users.mu.Unlock()
		if len(s.users.open) != len(want) {
			t.Errorf("databases open = %d, want %d", len(s.users.open), len(want))
		}
		for _, u := range want {
			if s.users.open[u] == nil {
				t.Errorf("%v's is not open", u)
			}
		}
	}
	open(ann)
	for _, u := range []id.User{bob, ann, bob} {
		ok(t, s.Sweep(t.Context(), u, time.Now()))
		open(ann)
	}
	ok(t, record(t, takeLedger(t, s, ann, box), newKey()))
}

// TestASweepIsInNobodysWay: others open, use and are pushed out of the same
// databases meanwhile.
func TestASweepIsInNobodysWay(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true, Handles: 2})
	var users []id.User
	for n := range 4 {
		users = append(users, newUser(t, s, fmt.Sprint(n)))
	}
	var work sync.WaitGroup
	for n := range 4 {
		work.Go(func() {
			for i := range 25 {
				u := users[(n+i)%len(users)]
				if err := s.Sweep(t.Context(), u, time.Now()); err != nil {
					t.Errorf("sweep: %v", err)
				}
				if _, err := s.Profile(t.Context(), u); err != nil {
					t.Errorf("beside a sweep: %v", err)
				}
			}
		})
	}
	work.Wait()
}
