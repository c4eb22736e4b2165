package kit

import (
	"context"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// runs numbers the workers of the process, so that a Done of an earlier
// incarnation is never taken for one of this.
var runs atomic.Uint64

// Done is the one message a Worker sends.
type Done struct {
	Run      uint64
	Result   any
	Panicked bool
}

// Worker is one goroutine owned by an actor. It is used from that actor's
// Receive only.
type Worker struct {
	run    uint64
	cancel context.CancelCauseFunc
}

// Start runs work on a goroutine of its own. Its result comes to the actor as
// Done, a panic as Done with Panicked.
func (w *Worker) Start(ctx context.Context, c actor.Context, work func(context.Context) any) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.StartWith(ctx, cancel, c, work)
}

// StartWith is Start with a context of the caller's, and what cancels it.
func (w *Worker) StartWith(ctx context.Context, cancel context.CancelCauseFunc, c actor.Context, work func(context.Context) any) {
	if w.Running() {
		panic("kit: a worker is started twice")
	}
	w.cancel, w.run = cancel, runs.Add(1)
	self, root, run := c.Self(), c.ActorSystem().Root, w.run
	go func() {
		done := Done{Run: run, Panicked: true}
		defer func() {
			if done.Panicked {
				_ = recover() // what was thrown may hold mail
			}
			root.Send(self, done)
		}()
		done.Result = work(ctx)
		done.Panicked = false
	}()
}

// Running reports whether Done is still to come.
func (w *Worker) Running() bool { return w.run != 0 }

// Cancel asks the work to end; Done follows.
func (w *Worker) Cancel(cause error) {
	if w.cancel != nil {
		w.cancel(cause)
	}
}

// Took reports whether d is the answer of this worker, which is idle then.
func (w *Worker) Took(d Done) bool {
	if d.Run != w.run || w.run == 0 {
		return false
	}
	w.cancel(nil)
	w.run, w.cancel = 0, nil
	return true
}
