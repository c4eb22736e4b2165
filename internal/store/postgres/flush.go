package postgres

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// flusher makes many writes of many ledgers one transaction and one round trip.
//
// Writes queue, and whoever finds nobody at it takes all that waits, sends it in
// one pipeline, answers everybody, and passes the lead to the first that came
// meanwhile. So a commit is shared by as many as there are at work, no timer is
// needed, and a lone write waits for nobody. There are a few such queues side by
// side, so that the next round trip begins before the last one is over; one user
// is always in the same.
type flusher struct {
	lanes [lanes]lane
}

const (
	lanes = 4
	// most is how many writes share a transaction: more would only make it longer.
	most = 4000
)

func (f *flusher) init(s *Store) {
	for i := range f.lanes {
		f.lanes[i].store = s
		f.lanes[i].still.L = &f.lanes[i].mu
	}
}

func (f *flusher) of(user id.User) *lane { return &f.lanes[int(user[len(user)-1])%lanes] }

// close refuses further writes and waits for those that are queued.
func (f *flusher) close() {
	for i := range f.lanes {
		f.lanes[i].close()
	}
}

// lane holds the writes that wait for the next transaction. It is bounded by the
// number of callers: each waits for its write.
type lane struct {
	store   *Store
	mu      sync.Mutex
	waiting []*write
	busy    bool      // somebody leads a batch
	still   sync.Cond // nobody does any more
	closed  bool
}

// write returns when w is durable or refused. Once queued it is not given up:
// whether it was done must be known.
func (n *lane) write(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return account.ErrNone
	}
	n.waiting = append(n.waiting, w)
	lead := !n.busy
	n.busy = true
	if !lead {
		w.turn = make(chan bool, 1)
	}
	n.mu.Unlock()
	if lead || <-w.turn {
		n.lead(w)
	}
	return w.err
}

// lead commits what waits and passes the lead on.
func (n *lane) lead(own *write) {
	// Those who were just answered get the chance to bring their next write.
	runtime.Gosched()
	n.mu.Lock()
	batch := n.take()
	n.mu.Unlock()
	n.store.flush(batch)
	for _, w := range batch {
		if w != own {
			w.turn <- false
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) > 0 {
		n.waiting[0].turn <- true
		return
	}
	n.busy = false
	n.still.Broadcast()
}

// message is what two writes of one transaction may not both be about: they are
// done in one statement, which would see neither of the two.
type message struct {
	user id.User
	box  int32
	id   [16]byte
}

// take gives the next batch and leaves the rest, in order. The first that waits,
// who leads, is always in it.
func (n *lane) take() []*write {
	batch, rest := make([]*write, 0, len(n.waiting)), n.waiting[:0:0]
	seen := make(map[message]bool, len(n.waiting))
	for _, w := range n.waiting {
		m := message{w.ledger.owner.user, w.ledger.n, [16]byte(w.pair[:16])}
		if seen[m] || len(batch) == most {
			rest = append(rest, w)
			continue
		}
		seen[m] = true
		batch = append(batch, w)
	}
	n.waiting = rest
	return batch
}

func (n *lane) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for n.busy {
		n.still.Wait()
	}
}

// flush does a batch in one transaction. Where the server refuses it, which write
// is to blame is not known, so it is tried in halves. Where the server does not
// answer, nobody knows whether it was done, and everybody is told so.
func (s *Store) flush(batch []*write) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	err := s.commit(ctx, batch)
	cancel()
	if s.observe != nil {
		s.observe(time.Since(began), len(batch))
	}
	switch {
	case err == nil:
	case len(batch) > 1 && ofOne(err):
		half := len(batch) / 2
		s.flush(batch[:half])
		s.flush(batch[half:])
	default:
		for _, w := range batch {
			w.err = gone(err)
		}
	}
}

// ofOne reports whether an error may come from one write among others: it breaks
// a rule of the tables, or met somebody else's lock.
func ofOne(err error) bool {
	class := sqlState(err)
	return len(class) == 5 && (class[:2] == "22" || class[:2] == "23" || class[:2] == "40" || class[:2] == "P0")
}
