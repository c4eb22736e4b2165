package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

var (
	// ErrDrained is the cause given to work that is cut short by Drain.
	ErrDrained = errors.New("actors: shutting down")
	// ErrGaveUp ends a pass whose mailbox panicked again and again.
	ErrGaveUp = errors.New("internal error: the sync of this mailbox failed repeatedly and was stopped")
)

// Run does one pass. It is called again after a panic.
type Run func(context.Context) (bridge.Report, error)

// Engine is the node: the root of the tree.
type Engine struct {
	system *actor.ActorSystem
	node   *actor.PID
	drain  sync.Once
	gone   chan struct{}
}

// Start brings the tree up.
func Start(log *slog.Logger) *Engine {
	e := &Engine{system: kit.System(log), gone: make(chan struct{})}
	e.node = e.system.Root.Spawn(kit.Props(log, backoff, func() actor.Actor {
		return &node{log: log, users: make(map[id.User]*actor.PID), gone: e.gone}
	}))
	return e
}

// backoff is how every child is supervised: five tries in ten minutes.
var backoff = kit.Backoff{First: 250 * time.Millisecond, Max: 30 * time.Second, Window: 10 * time.Minute, Limit: 5}

// result is what a pass ends with.
type result struct {
	report bridge.Report
	err    error
}

// Sync runs one pass over a mailbox and waits for its end. Cancelling ctx ends
// the pass with its cause; Sync returns when it has ended. Two passes over one
// mailbox never run at once.
func (e *Engine) Sync(ctx context.Context, user id.User, box id.Mailbox, run Run) (bridge.Report, error) {
	select {
	case <-e.gone:
		return bridge.Report{}, ErrDrained
	default:
	}
	answer := make(chan result, 1)
	e.system.Root.Send(e.node, syncUser{user: user, pass: pass{box: box, ctx: ctx, run: run, answer: answer}})
	select {
	case r := <-answer:
		return r.report, r.err
	case <-e.gone:
		select {
		case r := <-answer:
			return r.report, r.err
		default:
			return bridge.Report{}, ErrDrained
		}
	}
}

// Drain stops the tree in two steps: every worker is told to end and waited
// for, then its actor stops. It returns when all have, or when ctx ends.
func (e *Engine) Drain(ctx context.Context) error {
	e.drain.Do(func() { e.system.Root.Send(e.node, drain{}) })
	select {
	case <-e.gone:
		e.system.Shutdown()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
