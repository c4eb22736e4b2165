package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Marker is what the ledger of a pass asks before each claim. The first time it
// marks the mailbox dirty (Registry.Begin); once the engine drains it refuses,
// so that a pass ends with the uploads it has under way. Prepare makes one, puts
// it into the Job and before the ledger:
//
//	func (l marked) Claim(ctx context.Context, …) error {
//		if err := l.marker.Begin(ctx); err != nil {
//			return err
//		}
//		return l.Ledger.Claim(ctx, …)
//	}
//
// The zero Marker is ready, and allows everything until the engine has taken
// the Job. It may be used by many goroutines at once.
type Marker struct {
	may   func() error
	begin func(context.Context) error

	marked atomic.Bool
}

// Begin returns nil when a claim may be made.
func (m *Marker) Begin(ctx context.Context) error {
	if m.may == nil {
		return nil
	}
	if err := m.may(); err != nil {
		return err
	}
	if m.marked.Load() {
		return nil
	}
	// Two uploads that start a pass together may both mark: it is the same mark.
	if err := m.begin(ctx); err != nil {
		return err
	}
	m.marked.Store(true)
	return nil
}

// isMarked reports whether the pass has marked the mailbox; nil has not.
func (m *Marker) isMarked() bool { return m != nil && m.marked.Load() }

// cleaner takes marks away, many in one write. A pass that marks a mailbox
// whose mark is about to go keeps it: Begin and Clean of one mailbox never
// overlap.
type cleaner struct {
	*tree
	turn    *semaphore.Weighted // a Clean takes all of it
	mu      sync.Mutex
	pending map[id.Mailbox]struct{}
	armed   bool
}

const (
	everyone   = 1 << 40
	cleanEvery = 3 * time.Second
	cleanMost  = 1000 // mailboxes in one call
	storeTime  = 10 * time.Second
)

func newCleaner(t *tree) *cleaner {
	return &cleaner{tree: t, turn: semaphore.NewWeighted(everyone), pending: make(map[id.Mailbox]struct{})}
}

func (c *cleaner) begin(ctx context.Context, user id.User, box id.Mailbox) error {
	if err := c.turn.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer c.turn.Release(1)
	c.drop(box)
	return c.opts.Registry.Begin(ctx, user, box)
}

// drop keeps the mark of a mailbox.
func (c *cleaner) drop(box id.Mailbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, box)
}

// add takes the mark of a mailbox away, soon.
func (c *cleaner) add(box id.Mailbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[box] = struct{}{}
	if c.armed {
		return
	}
	c.armed = true
	time.AfterFunc(cleanEvery, func() { // Drain flushes by itself
		if !c.drained() {
			c.task(c.flush)
		}
	})
}

// flush takes away the marks that are pending. What cannot be written is left
// marked, which costs one early pass.
func (c *cleaner) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if c.turn.Acquire(ctx, everyone) != nil {
		return
	}
	defer c.turn.Release(everyone)
	for boxes := c.take(); len(boxes) > 0; boxes = c.take() {
		if err := c.opts.Registry.Clean(ctx, boxes); err != nil {
			c.opts.Log.Warn("marks not taken away", "err", err)
			return
		}
	}
}

func (c *cleaner) take() (boxes []id.Mailbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
	for box := range c.pending {
		if boxes = append(boxes, box); len(boxes) == cleanMost {
			break
		}
	}
	for _, box := range boxes {
		delete(c.pending, box)
	}
	return boxes
}
