package actors

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/kit"
)

// Drain ends the engine in two steps. First all work: what has not begun an
// upload is cancelled at once, what uploads may end it, until ctx ends. Then
// the actors. It returns when nothing runs any more, or a second after ctx has
// ended with the error that something does; a second Drain waits for the same.
func (e *Engine) Drain(ctx context.Context) error {
	e.draining.Store(true)
	e.tracker.close(ErrDrained)
	e.send(stopTimers{})
	all := func(*piece) bool { return true }
	err := e.tracker.wait(ctx, all)
	if err != nil {
		e.tracker.cancel(all, ErrDrained)
		e.cancel(ErrDrained) // tasks too
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err != nil {
		err = e.tracker.wait(hard, all)
	}
	e.cleaner.flush(hard)
	e.stopping.Do(func() { e.system.Root.Stop(e.node) })
	select {
	case <-e.gone:
	case <-hard.Done():
		return context.Cause(hard)
	}
	e.tracker.cancel(all, ErrDrained) // what an actor started as it stopped
	if late := e.tracker.wait(hard, all); err == nil {
		err = late
	}
	e.cancel(ErrDrained)
	e.shutdown.Do(e.system.Shutdown)
	kit.Settle()
	return err
}

// grace is what cancelled work gets to end: of the two seconds that a process
// may take after its drain time, half.
const grace = time.Second
