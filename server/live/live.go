// Package live tells browsers what happens, as it happens: the state of a
// mailbox, lines of the audit, how many there were.
//
// A user's events are numbered and the last of them kept in a ring, so that a
// client that comes back goes on where it was. There is no queue per client:
// one that is slower than the ring is let go and told to begin anew (Behind).
// What happens between two ticks is put together, the newest state of a mailbox
// and a few of many audit lines, so that a ring covers some time however much
// mail arrives. Rings exist for those who listen and a little longer; for
// everybody else telling costs a look into a map.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
)

var (
	// ErrBehind: the reader is slower than events come.
	ErrBehind = errors.New("live: too slow")
	// ErrClosed: the process ends.
	ErrClosed = errors.New("live: closed")
	// ErrMany: the user has as many streams as are allowed.
	ErrMany = errors.New("live: too many streams")
)

const (
	size    = 128                    // events in a ring
	tick    = 250 * time.Millisecond // between two writes to rings
	linger  = 2 * time.Minute        // how long a ring waits for its reader to return
	lines   = 20                     // audit lines in one event
	perUser = 20                     // streams
	most    = 10_000                 // streams of all
)

// Event is one event as it goes over the wire.
type Event struct {
	ID   string
	Name string
	Data []byte
}

// Hub has the rings. Run must be running.
type Hub struct {
	epoch string // tells the numbers of this process from those of others

	mu      sync.Mutex
	made    uint64 // rings so far
	rings   map[id.User]*ring
	streams int
	closed  bool
}

type ring struct {
	epoch   string        // tells its numbers from those of the ring that was there before it
	events  []Event       // the last of them, as many as there were, at most size
	next    uint64        // number of the event to come; the first is 1
	changed chan struct{} // closed when there is one
	readers int
	left    time.Time // when the last reader went

	boxes   map[string]api.MailboxEvent
	entries []api.Entry
	omitted int
	tally   api.Tally
	counted bool
}

// New makes a Hub.
func New() *Hub {
	return &Hub{epoch: strconv.FormatUint(rand.Uint64(), 36), rings: map[id.User]*ring{}}
}

// Run writes what has happened to the rings, until ctx ends; then every reader
// gets ErrClosed.
func (h *Hub) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.flush()
		case <-ctx.Done():
			h.Close()
			return
		}
	}
}

// Close ends all streams.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for u := range h.rings {
		h.drop(u)
	}
}

// End ends the streams of a user who is gone.
func (h *Hub) End(user id.User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(user)
}

func (h *Hub) drop(user id.User) {
	if r := h.rings[user]; r != nil {
		close(r.changed)
		r.changed = nil
		delete(h.rings, user)
	}
}

// Mailbox tells how a mailbox is doing.
func (h *Hub) Mailbox(user id.User, e api.MailboxEvent) {
	h.tell(user, func(r *ring) { r.boxes[e.ID] = e })
}

// Audit tells of a line.
func (h *Hub) Audit(user id.User, e api.Entry) {
	h.tell(user, func(r *ring) {
		if r.entries = append(r.entries, e); len(r.entries) > lines {
			r.entries, r.omitted = r.entries[1:], r.omitted+1
		}
		r.tally.Count(e.Status, e.Size)
		r.counted = true
	})
}

func (h *Hub) tell(user id.User, f func(*ring)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rings[user]; r != nil {
		f(r)
	}
}

// flush makes events of what has happened.
func (h *Hub) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for user, r := range h.rings {
		if r.readers == 0 && time.Since(r.left) > linger {
			delete(h.rings, user)
			continue
		}
		before := r.next
		for _, e := range r.boxes {
			h.write(r, "mailbox", e)
		}
		clear(r.boxes)
		if len(r.entries) > 0 {
			h.write(r, "audit", api.AuditEvent{Entries: r.entries, Omitted: r.omitted})
			r.entries, r.omitted = nil, 0
		}
		if r.counted {
			h.write(r, "counters", r.tally)
			r.counted = false
		}
		if r.next != before {
			close(r.changed)
			r.changed = make(chan struct{})
		}
	}
}

func (h *Hub) write(r *ring, name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("live: %v", err)) // of our own types
	}
	e := Event{ID: r.id(r.next), Name: name, Data: data}
	if len(r.events) < size {
		r.events = append(r.events, e)
	} else {
		r.events[place(r.next)] = e
	}
	r.next++
}

// Reader is one stream. It is used by one goroutine.
type Reader struct {
	hub  *Hub
	user id.User
	ring *ring
	at   uint64
	// Anew: what the client has is of no use any more; it must load everything.
	Anew bool
}

// Join begins a stream after the event last; "" is from now on. The reader must
// be left.
func (h *Hub) Join(user id.User, last string) (*Reader, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	r := h.rings[user]
	if h.streams >= most || r != nil && r.readers >= perUser {
		return nil, ErrMany
	}
	if r == nil {
		h.made++
		r = &ring{next: 1, epoch: h.epoch + "." + strconv.FormatUint(h.made, 36), changed: make(chan struct{}), boxes: map[string]api.MailboxEvent{}}
		h.rings[user] = r
	}
	h.streams++
	r.readers++
	reader := &Reader{hub: h, user: user, ring: r, at: r.next}
	if last != "" {
		at, ok := r.after(last)
		reader.Anew = !ok
		if ok {
			reader.at = at
		}
	}
	return reader, nil
}

// place is where the event of a number is kept.
func place(number uint64) uint64 { return (number - 1) % size }

func (r *ring) id(number uint64) string { return r.epoch + "-" + strconv.FormatUint(number, 10) }

// after gives the number that follows last's, if the ring still has it.
func (r *ring) after(last string) (uint64, bool) {
	epoch, number, _ := strings.Cut(last, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	ok := err == nil && epoch == r.epoch && n < r.next && n+1+size >= r.next
	return n + 1, ok
}

// Last is the id of the event before those that come: who is cut off before
// the first of them goes on after it.
func (r *Reader) Last() string { return r.ring.id(r.at - 1) }

// Leave ends the stream.
func (r *Reader) Leave() {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	r.hub.streams--
	r.ring.readers--
	r.ring.left = time.Now()
}

// Next waits for events, until ctx ends, and gives them oldest first; none
// when ctx has ended. ErrBehind, ErrClosed.
func (r *Reader) Next(ctx context.Context) ([]Event, error) {
	for {
		events, changed, err := r.take()
		if err != nil || len(events) > 0 {
			return events, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func (r *Reader) take() (out []Event, changed <-chan struct{}, err error) {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	if r.ring.changed == nil {
		return nil, nil, ErrClosed
	}
	if r.at+size < r.ring.next {
		return nil, nil, ErrBehind
	}
	for ; r.at < r.ring.next; r.at++ {
		out = append(out, r.ring.events[place(r.at)])
	}
	return out, r.ring.changed, nil
}

// Streams is how many there are.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams
}
