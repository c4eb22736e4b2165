package sim

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// visit is what one pass has done, as far as it matters here.
type visit struct {
	read atomic.Bool // the ledger, or tried to: something has changed
}

// watch sees to it that a pass that finds nothing changed writes nothing. It
// judges the second of two such passes in a row: the first may have to put
// down that a mailbox is well again.
type watch struct {
	mu       sync.Mutex
	writes   []step
	by       *process
	empty    bool // this pass found nothing changed
	before   bool // and so did the one before
	sessions int
	ended    time.Time
	excused  bool // somebody pressed a button, or the server asks for another pause
	pause    time.Duration
}

// begin judges the last pass and begins the next, by a process that may be
// another one: it does not know what that has found.
func (w *watch) begin(b *box, by *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before && w.empty && !w.excused && len(w.writes) > 0 {
		b.sin("a pass that found nothing changed wrote %v", slices.Compact(w.writes))
	}
	w.before = w.empty && w.by == by
	w.by, w.empty, w.excused, w.writes, w.ended, w.sessions = by, false, false, nil, time.Time{}, 0
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

// owes notes a write that failed: the next pass makes up for it.
func (w *watch) owes() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.empty = false
}

func (w *watch) excuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.excused = true
}

// visited notes a session that went through to its end.
func (b *box) visited(s *session) {
	unchanged := s.did == trace{digest: true} && !s.visit.read.Load()
	if unchanged {
		b.hidden(s)
	}
	b.watch.mu.Lock()
	b.watch.sessions++
	empty := b.watch.sessions == 1 && unchanged
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

// hidden sees to it that what a pass took for unchanged left nothing to do: as
// many equal messages as were there have ended for good.
func (b *box) hidden(s *session) {
	ended := make(map[mail.Key]int)
	for _, e := range b.entries() {
		if e.State != ledger.Claimed && e.State != ledger.Failed {
			ended[e.Content]++
		}
	}
	for _, l := range s.shown {
		// One that was once not handed out may be set aside without its header.
		if ended[l.content]--; ended[l.content] < 0 && !b.wasTroubled(l.text) {
			b.sin("%s is hidden: a pass took it for known", l.name)
		}
	}
}
