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
	mu      sync.Mutex
	writes  []step
	empty   bool // this pass found nothing changed
	before  bool // and so did the one before
	excused bool // somebody pressed a button
}

// begin judges the last pass and begins the next.
func (w *watch) begin(b *box) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before && w.empty && !w.excused && len(w.writes) > 0 {
		b.w.sin("%s: a pass that found nothing changed wrote %v", b.name, slices.Compact(w.writes))
	}
	w.before, w.empty, w.excused, w.writes = w.empty, false, false, nil
}

// wrote notes a write that was carried out. The registry is told late that a
// mailbox is clean, so this says nothing about the pass.
func (w *watch) wrote(at step) {
	if at == "clean" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, at)
}

func (w *watch) excuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.excused = true
}

// visited notes a session that went through to its end.
func (b *box) visited(s *session) {
	empty := s.did == trace{digest: true}
	if empty {
		b.w.empty.Add(1)
	}
	b.watch.mu.Lock()
	b.watch.empty = empty
	b.watch.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastVisit = time.Now()
}
