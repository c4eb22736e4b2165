package actors

import (
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Status is what a person may know of a mailbox now, from memory. Reason and
// Until are set while it waits for a server that does not answer; else they
// and Backlog are set in a Change that a pass brings about, and Backlog while
// one runs; else they are in the stored schedule.State. LastSync is zero until
// the first pass of this process.
type Status struct {
	Phase    schedule.Phase
	Reason   schedule.Reason
	Until    time.Time
	LastSync time.Time
	NextSync time.Time // zero: not scheduled
	Pushed   bool      // its server tells of new mail; NextSync is a net below that
	Backlog  schedule.Backlog
}

// Change tells that the status of a mailbox is another now.
type Change struct {
	User    id.User
	Mailbox id.Mailbox
	Status  Status
	Gone    bool // it has been forgotten
}

// watchers are told of changes. One that does not keep up misses some.
type watchers struct {
	mu   sync.Mutex
	each map[chan Change]struct{}
}

const watchBuffer = 256

func (w *watchers) add() (<-chan Change, func()) {
	c := make(chan Change, watchBuffer)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.each == nil {
		w.each = make(map[chan Change]struct{})
	}
	w.each[c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.each, c)
	}
}

func (w *watchers) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.each) > 0
}

func (w *watchers) tell(c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for to := range w.each {
		select {
		case to <- c:
		default:
		}
	}
}
