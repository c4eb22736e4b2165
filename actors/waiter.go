package actors

import (
	"context"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// waiter is a parked connection and the goroutine that waits on it. There are
// ten thousand of them for hours, so it is ended by closing the connection and
// not by a context, which would cost as much as all else about it; its channels
// are made when somebody waits on them.
type waiter struct {
	piece piece

	mu      sync.Mutex
	parked  Parked // nil: taken, or closed
	noticed bool   // Wait has returned, and the connection is good
	wanted  bool   // a pass takes over, with or without the connection
	over    bool   // the goroutine has done its work
	empty   chan struct{}
	ended   chan struct{}
}

func newWaiter(user id.User, box id.Mailbox, p Parked) *waiter {
	w := &waiter{piece: piece{kind: aWait, user: user, box: box}, parked: p}
	w.piece.cancel = func(error) { w.close() }
	return w
}

// close ends the wait, and the connection unless a pass has it.
func (w *waiter) close() {
	if p := w.empties(); p != nil {
		p.Close()
	}
}

// empties gives the connection to the caller, the first time.
func (w *waiter) empties() (p Parked) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, w.parked = w.parked, nil; w.empty != nil && p != nil {
		close(w.empty)
	}
	return p
}

// notices notes that the mailbox has changed, and gives what is closed when the
// connection is needed no more.
func (w *waiter) notices() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.empty = make(chan struct{})
	if w.parked == nil {
		close(w.empty)
	}
	w.noticed = w.parked != nil
	return w.empty
}

// take ends the wait for a pass that is about to begin, and gives it the
// connection if that is good: while it waits it is not.
func (w *waiter) take(ctx context.Context) Parked {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	w.wanted = true
	noticed := w.noticed
	if !w.over && w.ended == nil {
		w.ended = make(chan struct{})
	}
	over, ended := w.over, w.ended
	w.mu.Unlock()
	if noticed {
		return w.empties()
	}
	w.close()
	if !over {
		select {
		case <-ended:
		case <-ctx.Done():
		}
	}
	return nil
}

// end tells who waits that the goroutine has done its work.
func (w *waiter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.ended != nil {
		close(w.ended)
	}
}

func (w *waiter) isWanted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wanted
}

// waitForPush is the work of a waiter's goroutine.
func (t *tree) waitForPush(w *waiter, p Parked, self *actor.PID) {
	defer w.end()
	defer w.close()
	if _, err := t.tracker.enter(t.ctx, &w.piece); err != nil {
		return
	}
	defer t.tracker.leave(&w.piece)
	t.opts.Metrics.Parked(int(t.parked.Add(1)))
	defer func() { t.opts.Metrics.Parked(int(t.parked.Add(-1))) }()
	begun := w.piece.begun
	defer func() {
		w.close()
		if !w.isWanted() {
			t.tell(t.clock, unparked{w.piece.box, time.Since(begun)})
		}
	}()
	if p.Wait(context.Background()) != nil { // w.close ends it
		return
	}
	empty := w.notices()
	t.tell(self, noticed{waiter: w})
	<-empty
}
