package wheel

import (
	"encoding/binary"
	"math/bits"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// users are the chains of entries by user: a hash table whose links are in the
// entries. A chain has the mailboxes of a user and one more on average.
type users struct {
	heads []int32 // a power of two
}

func newUsers(n int) users {
	u := users{heads: make([]int32, n)}
	for i := range u.heads {
		u.heads[i] = none
	}
	return u
}

// chain gives the head of a user's chain. What tells users apart is random.
func (u users) chain(user id.User) *int32 {
	h := binary.LittleEndian.Uint64(user[8:]) * 0x9e3779b97f4a7c15
	i, _ := bits.Mul64(h, uint64(len(u.heads)))
	return &u.heads[i]
}

// Of yields the entries of a user, in no order. They may be removed meanwhile.
func (w *Wheel) Of(user id.User) func(yield func(*Entry) bool) {
	return func(yield func(*Entry) bool) {
		for i := *w.users.chain(user); i != none; {
			e := w.at(i)
			i = e.kin
			if e.User == user && !yield(e) {
				return
			}
		}
	}
}

// join links an entry that the index has already to those of its user.
func (w *Wheel) join(e *Entry) {
	if len(w.index) > len(w.users.heads) {
		w.users = newUsers(2 * len(w.users.heads))
		for other := range w.All {
			if other != e {
				w.users.link(other)
			}
		}
	}
	w.users.link(e)
}

func (u users) link(e *Entry) {
	head := u.chain(e.User)
	e.kin, *head = *head, e.self
}

func (w *Wheel) part(e *Entry) {
	at := w.users.chain(e.User)
	for *at != e.self {
		at = &w.at(*at).kin
	}
	*at = e.kin
}
