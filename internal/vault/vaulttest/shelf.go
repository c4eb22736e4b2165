package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Run proves a Shelf. open is called once per rule and gives an empty one.
func Run(t *testing.T, open func(t *testing.T) vault.Shelf) {
	for _, c := range []struct {
		name, rule string
		check      func(t *testing.T, s vault.Shelf)
	}{
		{"GetGivesWhatWasCreated", "records come back octet for octet", create},
		{"CreateNeverReplaces", "of two makers of one key, one is told that there is one", createTwice},
		{"SwapReplacesOnlyWhatItWasShown", "who works on an old record changes nothing", swap},
		{"DestroyTakesWhatLiesBelow", "destroying a user takes every record of that user and no other's", destroyBelow},
		{"DestroyMayBeRepeated", "a wipe is repeated until it succeeds, whatever is left", destroyTwice},
		{"NothingBringsBackWhatWasDestroyed", "a rotation under way must not undo a wipe", noReturn},
		{"ListGivesEveryRecordOnce", "a rotation reaches every key", list},
		{"ListStopsWhenTold", "whoever has seen enough, or is cancelled, is let go", listStops},
		{"ListGivesManyRecords", "a rotation of a large installation reaches every key, and may change what it is given", listMany},
		{"ManyAtOnce", "one of many makers wins, and everybody reads the winner's record", together},
		{"SwapsAtOnce", "of two who change one record one is told to look again, so that no change is lost", swapsTogether},
		{"ACancelledCallIsTold", "who no longer waits gets his own reason, not a damaged key store", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			})
			c.check(t, open(t))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr wants a Fault that wraps target.
func wantErr(t *testing.T, err, target error) {
	t.Helper()
	if _, ok := mail.AsFault(err); !ok || !errors.Is(err, target) {
		t.Fatalf("error = %v, want a fault that wraps %v", err, target)
	}
}

func wantRecord(t *testing.T, s vault.Shelf, name, want string) {
	t.Helper()
	if got, err := s.Get(t.Context(), name); err != nil || string(got) != want {
		t.Fatalf("Get(%s) = %q, %v; want %q", name, got, err, want)
	}
}

func wantNone(t *testing.T, s vault.Shelf, name string) {
	t.Helper()
	_, err := s.Get(t.Context(), name)
	wantErr(t, err, fs.ErrNotExist)
}

func create(t *testing.T, s vault.Shelf) {
	wantNone(t, s, "users/1/key")
	must(t, s.Create(t.Context(), "users/1/key", []byte("\x00one\xff\n")))
	must(t, s.Create(t.Context(), "users/1/salts/2", []byte("two")))
	wantRecord(t, s, "users/1/key", "\x00one\xff\n")
	wantRecord(t, s, "users/1/salts/2", "two")
}

func createTwice(t *testing.T, s vault.Shelf) {
	must(t, s.Create(t.Context(), "system/page", []byte("one")))
	wantErr(t, s.Create(t.Context(), "system/page", []byte("two")), fs.ErrExist)
	wantRecord(t, s, "system/page", "one")
}

func swap(t *testing.T, s vault.Shelf) {
	wantErr(t, s.Swap(t.Context(), "system/page", nil, []byte("new")), fs.ErrNotExist)
	wantNone(t, s, "system/page")
	must(t, s.Create(t.Context(), "system/page", []byte("one")))
	must(t, s.Swap(t.Context(), "system/page", []byte("one"), []byte("two")))
	wantErr(t, s.Swap(t.Context(), "system/page", []byte("one"), []byte("three")), fs.ErrNotExist)
	wantRecord(t, s, "system/page", "two")
}

func destroyBelow(t *testing.T, s vault.Shelf) {
	for _, name := range []string{"users/1/key", "users/1/salts/a", "users/1/salts/b", "users/11/key"} {
		must(t, s.Create(t.Context(), name, []byte(name)))
	}
	must(t, s.Destroy(t.Context(), "users/1/salts/a"))
	wantNone(t, s, "users/1/salts/a")
	wantRecord(t, s, "users/1/salts/b", "users/1/salts/b")
	must(t, s.Destroy(t.Context(), "users/1"))
	wantNone(t, s, "users/1/key")
	wantNone(t, s, "users/1/salts/b")
	wantRecord(t, s, "users/11/key", "users/11/key")
}

func destroyTwice(t *testing.T, s vault.Shelf) {
	must(t, s.Destroy(t.Context(), "users/1/key"))
	must(t, s.Destroy(t.Context(), "users/1"))
	must(t, s.Create(t.Context(), "users/1/key", []byte("one")))
	for range 2 {
		must(t, s.Destroy(t.Context(), "users/1/key"))
		must(t, s.Destroy(t.Context(), "users/1"))
	}
	wantNone(t, s, "users/1/key")
	must(t, s.Create(t.Context(), "users/1/key", []byte("two")))
	wantRecord(t, s, "users/1/key", "two")
}

func noReturn(t *testing.T, s vault.Shelf) {
	must(t, s.Create(t.Context(), "users/1/key", []byte("one")))
	old, err := s.Get(t.Context(), "users/1/key")
	must(t, err)
	must(t, s.Destroy(t.Context(), "users/1/key"))
	wantErr(t, s.Swap(t.Context(), "users/1/key", old, []byte("two")), fs.ErrNotExist)
	wantNone(t, s, "users/1/key")
}

func list(t *testing.T, s vault.Shelf) {
	names := []string{"system/index", "system/page", "users/1/key", "users/1/salts/a", "users/2/key"}
	for _, name := range names {
		must(t, s.Create(t.Context(), name, []byte("x")))
	}
	must(t, s.Swap(t.Context(), "users/2/key", []byte("x"), []byte("y\x00")))
	want := []string{"system/index=x", "system/page=x", "users/1/key=x", "users/1/salts/a=x", "users/2/key=y\x00"}
	var got []string
	for r, err := range s.List(t.Context()) {
		must(t, err)
		got = append(got, r.Name+"="+string(r.Octets))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
}

func listStops(t *testing.T, s vault.Shelf) {
	for _, name := range []string{"users/1/key", "users/2/key", "users/3/key"} {
		must(t, s.Create(t.Context(), name, []byte("x")))
	}
	for range s.List(t.Context()) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range s.List(ctx) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a cancelled List ends with %v, want %v", last, context.Canceled)
	}
}

func together(t *testing.T, s vault.Shelf) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for _, mine := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			if s.Create(t.Context(), "users/1/key", []byte(mine)) == nil {
				mu.Lock()
				defer mu.Unlock()
				won = append(won, mine)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("winners = %q, want one", won)
	}
	wantRecord(t, s, "users/1/key", won[0])
}

func listMany(t *testing.T, s vault.Shelf) {
	const many = 501 // more than one page of any implementation
	for i := range many {
		must(t, s.Create(t.Context(), fmt.Sprintf("users/%d/key", i), []byte("old")))
	}
	seen := map[string]bool{}
	for r, err := range s.List(t.Context()) {
		must(t, err)
		if seen[r.Name] {
			t.Fatalf("%s came twice", r.Name)
		}
		if seen[r.Name] = true; len(seen) > 20 {
			continue
		}
		must(t, s.Swap(t.Context(), r.Name, r.Octets, []byte("new")))
	}
	if len(seen) != many {
		t.Errorf("%d records of %d", len(seen), many)
	}
}

func swapsTogether(t *testing.T, s vault.Shelf) {
	must(t, s.Create(t.Context(), "users/1/key", []byte{1}))
	const workers, each = 4, 10
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := 0; n < each; {
				old, err := s.Get(t.Context(), "users/1/key")
				if err != nil {
					t.Error(err)
					return
				}
				switch err := s.Swap(t.Context(), "users/1/key", old, []byte{old[0] + 1}); {
				case err == nil:
					n++
				case !errors.Is(err, fs.ErrNotExist):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantRecord(t, s, "users/1/key", string([]byte{1 + workers*each}))
}

func cancelled(t *testing.T, s vault.Shelf) {
	must(t, s.Create(t.Context(), "users/1/key", []byte("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Whoever needs no network may do it all the same.
	if _, err := s.Get(ctx, "users/1/key"); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v, want %v or none", err, context.Canceled)
	}
	if err := s.Destroy(ctx, "users/1"); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Destroy = %v, want %v or none", err, context.Canceled)
	}
}
