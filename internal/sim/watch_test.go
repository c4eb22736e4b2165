package sim

import (
	"slices"
	"sync"
	"time"
)

// watch sees to it that a pass that finds nothing changed writes nothing. It
// judges the second of two such passes in a row: the first may have to put
// down that a mailbox is well again.
type watch struct {
	mu       sync.Mutex
	writes   []step
	empty    bool // this pass found nothing changed
	full     bool // it has read the ledger
	before   bool // and so did the one before
	sessions int
	ended    time.Time
	excused  bool // somebody pressed a button, or the server asks for another pause
	pause    time.Duration
}

// begin judges the last pass and begins the next.
func (w *watch) begin(b *box) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before && w.empty && !w.excused && len(w.writes) > 0 {
		b.sin("a pass that found nothing changed wrote %v", slices.Compact(w.writes))
	}
	w.before, w.empty, w.excused, w.writes, w.ended, w.sessions = w.empty, false, false, nil, time.Time{}, 0
	w.full = false
}

// wrote notes a write that was carried out. The registry is told late that a
// mailbox is clean, so this says nothing about the pass; nor does what comes
// long after its session, when a later one did not get as far as a job.
func (w *watch) wrote(at step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at == "clean" || !w.ended.IsZero() && time.Since(w.ended) > time.Second {
		return
	}
	w.writes = append(w.writes, at)
}

// looked notes that a pass has read the ledger, as it does when something has
// changed.
func (w *watch) looked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = true
}

func (w *watch) excuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.excused = true
}

// visited notes a session that went through to its end.
func (b *box) visited(s *session) {
	b.watch.mu.Lock()
	b.watch.sessions++
	empty := b.watch.sessions == 1 && !b.watch.full && s.did == trace{digest: true}
	if empty {
		b.w.empty.Add(1)
	}
	b.watch.empty, b.watch.ended = empty, time.Now()
	b.watch.excused = b.watch.excused || b.watch.pause != s.asked
	b.watch.pause = s.asked
	b.watch.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastVisit = time.Now()
}
