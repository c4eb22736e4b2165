package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/actors/kit"
)

// tree is what all actors of an engine share. None of it is guarded by an
// actor: the pieces look after themselves.
type tree struct {
	opts     Options
	house    *kit.House
	system   *actor.ActorSystem
	tracker  *tracker
	cleaner  *cleaner
	watchers *watchers
	unsaved  unsaved
	governed atomic.Bool // there has been a governor
	start    time.Time   // second 0 of the wheel
	slept    asleep
	ready    chan struct{}
	loaded   sync.Once

	ctx    context.Context // of all workers; ends with the engine
	cancel context.CancelCauseFunc

	// Set by the node before it has children. They stay good: a restart keeps
	// the PID.
	clock, governor *actor.PID

	draining  atomic.Bool
	shutdown  sync.Once
	lingering atomic.Int32 // users without work
	parked    atomic.Int32
	running   atomic.Int32
}

func newTree(o Options) *tree {
	t := &tree{opts: o, tracker: newTracker(), watchers: &watchers{}, start: time.Now(), ready: make(chan struct{})}
	t.house = &kit.House{Log: o.Log, Panicked: o.Metrics.ActorPanics, Hook: o.hook}
	t.system = kit.System(o.Log)
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.cleaner = newCleaner(t)
	return t
}

// now is the time on the wheel: monotonic, and what the machine has slept.
func (t *tree) now() time.Duration { return time.Since(t.start) + t.slept.total() }

func (t *tree) drained() bool { return t.draining.Load() }

// refuse gives back a permit that cannot be used.
func (t *tree) refuse(c actor.Context, m work) {
	c.Send(t.governor, freed{m.permit, admit.Ended{Unused: true}})
	c.Send(t.clock, ended{box: m.permit.Box, how: refused})
}

// tell sends from outside an actor.
func (t *tree) tell(to *actor.PID, msg any) { t.system.Root.Send(to, msg) }

// task runs f on a goroutine of its own, which Drain waits for. A panic in it
// is a bug that is logged, no more.
func (t *tree) task(f func(context.Context)) {
	t.tracker.task(t.ctx, func(ctx context.Context) {
		defer func() {
			if recover() != nil { // what was thrown may hold mail
				t.opts.Log.Error("task panicked")
				t.opts.Metrics.ActorPanics("worker")
			}
		}()
		f(ctx)
	})
}

// rootActor tells the engine when its node has stopped.
type rootActor struct {
	*node
	gone func()
}

func (r *rootActor) Receive(c actor.Context) {
	if _, ok := c.Message().(*actor.Stopped); ok {
		r.gone()
		return
	}
	r.node.Receive(c)
}
