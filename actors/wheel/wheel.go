// Package wheel keeps the time at which each of a million mailboxes is looked
// at next. It is a data structure: no clock, no goroutine, no lock; it belongs
// to one goroutine.
//
//	slots     one second each, 512 of them: what is due within 8½ minutes
//	overflow  what is due later; looked through once in 512 seconds
//
// A mailbox is an Entry of 88 octets in a slab, linked into its slot by index,
// 20 octets in a map by its id, and linked to the others of its user. Add, Arm,
// Disarm, firing and finding those of a user cost the same however many there
// are of others.
//
// Time is the number of seconds since the wheel began, on the monotonic clock
// of whoever turns it: a wall clock that jumps neither stops nor storms it.
package wheel

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

const (
	slots    = 512 // seconds
	chunk    = 4096
	none     = int32(-1)
	unlinked = int32(-2) // prev of an entry that is in no list
	overflow = slots     // the list after the slots
	farthest = 400 * 24 * time.Hour
)

// Flag is a bit of what the wheel's owner remembers of a mailbox.
type Flag uint8

// The flags.
const (
	Dirty   Flag = 1 << iota // claims may be under way: it is recovered first
	Queued                   // due, and waits for a permit
	Running                  // a pass runs
	Again                    // was asked for while it ran: once more at once
	Single                   // its passes use one connection to the source
	Parked                   // its connection waits for push
	Failed                   // its last pass has, at its mail server
)

// Entry is what is known of a registered mailbox.
type Entry struct {
	User  id.User
	Box   id.Mailbox
	Lane  uint64
	Every uint32 // seconds between polls; 0: the default
	Last  uint32 // the last sync that went through, in seconds since 1970; 0: not known
	Floor uint32 // seconds, at least, between two logins
	First uint32 // second at which it was due, where its queue was full since; 0: it was not
	Begun uint32 // the last pass, in seconds since the wheel began; 0: none yet
	Phase schedule.Phase
	Flags Flag
	Shaky uint8 // parked connections in a row that died young

	due              uint32
	self, prev, next int32
	kin              int32 // the next in the chain of its user
}

// Free is when, since the wheel began, the mail server may see the next login,
// if it is to be so long after the last.
func (e *Entry) Free(pause time.Duration) time.Duration {
	if e.Begun == 0 {
		return 0
	}
	return time.Duration(e.Begun)*time.Second + max(pause, time.Duration(e.Floor)*time.Second)
}

// Is reports whether any of the flags is set.
func (e *Entry) Is(f Flag) bool { return e.Flags&f != 0 }

// Set sets flags.
func (e *Entry) Set(f Flag) { e.Flags |= f }

// Clear takes flags away.
func (e *Entry) Clear(f Flag) { e.Flags &^= f }

// Owed is since when, in the wheel's time, the entry has been due.
func (e *Entry) Owed() time.Duration {
	if e.First > 0 {
		return time.Duration(e.First) * time.Second
	}
	return e.Due()
}

// Due is when the entry is or was due last, in seconds since the wheel began.
func (e *Entry) Due() time.Duration { return time.Duration(e.due) * time.Second }

// Armed reports whether the entry will fire.
func (e *Entry) Armed() bool { return e.prev != unlinked }

// Wheel is the schedule of a node. The zero Wheel is not ready: use New.
type Wheel struct {
	slabs [][]Entry
	used  int32 // entries ever handed out
	free  int32 // list by next
	index map[id.Mailbox]int32
	users users
	armed int

	now    uint32 // the next second to fire
	least  uint32 // seconds from now that may be armed
	head   [slots + 1]int32
	filled [slots / 64]uint64
}

// New makes an empty wheel at time 0.
func New() *Wheel {
	w := &Wheel{index: make(map[id.Mailbox]int32), users: newUsers(1), free: none}
	for i := range w.head {
		w.head[i] = none
	}
	return w
}

// Len is how many mailboxes are registered, Armed how many of them will fire.
func (w *Wheel) Len() int { return len(w.index) }

// Armed is how many mailboxes will fire.
func (w *Wheel) Armed() int { return w.armed }

// Add registers a mailbox of a user, unarmed, or finds it. The pointer is good
// until Remove.
func (w *Wheel) Add(user id.User, box id.Mailbox) (e *Entry, added bool) {
	if i, ok := w.index[box]; ok {
		return w.at(i), false
	}
	i := w.free
	if i != none {
		w.free = w.at(i).next
	} else {
		i = w.used
		w.used++
		if int(i)%chunk == 0 {
			w.slabs = append(w.slabs, make([]Entry, chunk))
		}
	}
	w.index[box] = i
	e = w.at(i)
	*e = Entry{User: user, Box: box, self: i, prev: unlinked, next: none}
	w.join(e)
	return e, true
}

// Find gives a registered mailbox, or nil.
func (w *Wheel) Find(box id.Mailbox) *Entry {
	if i, ok := w.index[box]; ok {
		return w.at(i)
	}
	return nil
}

// Remove forgets a mailbox.
func (w *Wheel) Remove(box id.Mailbox) {
	i, ok := w.index[box]
	if !ok {
		return
	}
	e := w.at(i)
	w.unlink(e)
	w.part(e)
	delete(w.index, box)
	*e = Entry{prev: unlinked, next: w.free}
	w.free = i
}

// All yields the entries, in no order.
func (w *Wheel) All(yield func(*Entry) bool) {
	for i := range w.used {
		if e := w.at(i); e.Box != (id.Mailbox{}) && !yield(e) {
			return
		}
	}
}

// Arm makes a mailbox due at a time since the wheel began; what has passed is
// due with the next turn.
func (w *Wheel) Arm(e *Entry, at time.Duration) {
	w.unlink(e)
	e.due = max(uint32((min(max(at, 0), farthest+time.Duration(w.now)*time.Second)+time.Second-1)/time.Second), w.now+w.least)
	w.link(e)
}

// Disarm takes the time from a mailbox. It fires no more.
func (w *Wheel) Disarm(e *Entry) { w.unlink(e) }

// Take disarms a mailbox that is due at a time for another reason than its own.
func (w *Wheel) Take(e *Entry, at time.Duration) {
	w.unlink(e)
	e.due = uint32(at / time.Second)
}

// Turn fires, in the order of their times, the mailboxes due up to now: they
// are disarmed first, so fire may arm them again, but not remove them.
func (w *Wheel) Turn(now time.Duration, fire func(*Entry)) {
	w.least = 1 // what fire arms for now is for the next second
	defer func() { w.least = 0 }()
	for end := uint32(now / time.Second); w.now <= end; {
		slot := w.now % slots
		for i := w.head[slot]; i != none; i = w.head[slot] {
			e := w.at(i)
			w.unlink(e)
			fire(e)
		}
		w.now++
		if w.now%slots == 0 {
			w.sift()
		}
	}
}

// Next is when Turn has something to do; false: never, as it stands.
func (w *Wheel) Next() (time.Duration, bool) {
	if w.armed == 0 {
		return 0, false
	}
	// What is in the overflow is due after the next sifting, but perhaps before
	// what is in the slots.
	sifting := w.now - w.now%slots + slots - 1
	start := w.now % slots
	for n := uint32(0); n <= slots; {
		slot := (start + n) % slots
		if word := w.filled[slot/64] >> (slot % 64); word != 0 {
			at := w.now + n + uint32(bits.TrailingZeros64(word))
			if w.head[overflow] != none {
				at = min(at, sifting)
			}
			return time.Duration(at) * time.Second, true
		}
		n += 64 - slot%64
	}
	return time.Duration(sifting) * time.Second, true
}

// Spread gives a mailbox its place within an interval: always the same, and
// evenly for all.
func Spread(box id.Mailbox, within time.Duration) time.Duration {
	h := (binary.LittleEndian.Uint64(box[8:]) ^ binary.LittleEndian.Uint64(box[:])) * 0x9e3779b97f4a7c15
	part, _ := bits.Mul64(h^h>>32*0x9e3779b97f4a7c15, uint64(max(within, 1)))
	return time.Duration(part)
}

func (w *Wheel) at(i int32) *Entry { return &w.slabs[i/chunk][i%chunk] }

// sift moves what has come within reach from the overflow to its slot.
func (w *Wheel) sift() {
	for i := w.head[overflow]; i != none; {
		e := w.at(i)
		next := e.next
		if e.due-w.now < slots {
			w.unlink(e)
			w.link(e)
		}
		i = next
	}
}

// list is where an entry belongs. Within the slots only this turn's seconds are
// told apart, so an entry beyond them waits in the overflow until the turn ends.
func (w *Wheel) list(e *Entry) uint32 {
	if e.due-w.now < slots {
		return e.due % slots
	}
	return overflow
}

func (w *Wheel) link(e *Entry) {
	i, l := e.self, w.list(e)
	w.armed++
	e.prev, e.next = none, w.head[l]
	if e.next != none {
		w.at(e.next).prev = i
	}
	w.head[l] = i
	if l != overflow {
		w.filled[l/64] |= 1 << (l % 64)
	}
}

// unlink takes an entry out of its list, found by its head where it is first.
func (w *Wheel) unlink(e *Entry) {
	if e.prev == unlinked {
		return
	}
	w.armed--
	if e.next != none {
		w.at(e.next).prev = e.prev
	}
	if e.prev != none {
		w.at(e.prev).next = e.next
	} else {
		// An entry of the overflow may have come within reach since.
		l := uint32(overflow)
		if w.head[l] != e.self {
			l = e.due % slots
		}
		w.head[l] = e.next
		if e.next == none && l != overflow {
			w.filled[l/64] &^= 1 << (l % 64)
		}
	}
	e.prev, e.next = unlinked, none
}
