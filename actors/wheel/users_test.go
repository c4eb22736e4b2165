package wheel

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// TestAUsersMailboxesAreThoseThatWereAdded, against a plain map.
func TestAUsersMailboxesAreThoseThatWereAdded(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	w, model := New(), map[id.User]map[id.Mailbox]bool{}
	var users []id.User
	for range 50 {
		u := id.New[id.User]()
		users, model[u] = append(users, u), map[id.Mailbox]bool{}
	}
	of := func(u id.User) map[id.Mailbox]bool {
		got := map[id.Mailbox]bool{}
		for e := range w.Of(u) {
			if got[e.Box] || e.User != u {
				t.Fatalf("seed %d: %v comes twice, or is somebody else's", seed, e.Box)
			}
			got[e.Box] = true
		}
		return got
	}
	for step := range 5000 {
		u := users[r.IntN(len(users))]
		switch r.IntN(4) {
		case 0, 1:
			box := id.New[id.Mailbox]()
			w.Add(u, box)
			w.Add(u, box)
			model[u][box] = true
		case 2:
			for box := range model[u] {
				w.Remove(box)
				delete(model[u], box)
				break
			}
		case 3:
			if r.IntN(20) == 0 { // all of them, as they come
				for e := range w.Of(u) {
					w.Remove(e.Box)
				}
				clear(model[u])
			}
		}
		if got := of(u); !maps.Equal(got, model[u]) {
			t.Fatalf("seed %d step %d: %d mailboxes, want %d", seed, step, len(got), len(model[u]))
		}
	}
	for _, u := range users {
		if got := of(u); !maps.Equal(got, model[u]) {
			t.Errorf("seed %d: %d mailboxes, want %d", seed, len(got), len(model[u]))
		}
	}
}

// TestFindingAUsersMailboxesLooksAtFewOthers: however many there are.
func TestFindingAUsersMailboxesLooksAtFewOthers(t *testing.T) {
	t.Parallel()
	const all, each = 20_000, 3
	w := New()
	for range all {
		u := id.New[id.User]()
		for range each {
			w.Add(u, id.New[id.Mailbox]())
		}
	}
	longest := 0
	for _, head := range w.users.heads {
		n := 0
		for i := head; i != none; i = w.at(i).kin {
			n++
		}
		longest = max(longest, n)
	}
	if longest > 12*each { // of 12 users: with 20,000 of them one in ten thousand million tries
		t.Errorf("%d entries in one chain of %d", longest, all*each)
	}
}

// BenchmarkOf finds the mailboxes of users among a million.
func BenchmarkOf(b *testing.B) {
	w := New()
	users := make([]id.User, 333_333)
	for i := range users {
		users[i] = id.New[id.User]()
		for range 3 {
			w.Add(users[i], id.New[id.Mailbox]())
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for e := range w.Of(users[i%len(users)]) {
			_ = e
		}
	}
}
