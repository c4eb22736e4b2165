package kit

import (
	"errors"
	"log/slog"
	"runtime"

	"github.com/asynkron/protoactor-go/actor"
)

// ErrPanicked is the reason every panic is given: what was really thrown may
// hold mail or a secret.
var ErrPanicked = errors.New("actor panicked")

// House is what all actors of a system share.
type House struct {
	Log      *slog.Logger
	Panicked func(kind string) // told of each panic; may be nil
	Hook     func(kind string) // tests only: runs before each message
}

// Props wraps an actor: create makes each incarnation, children are supervised
// by strategy. The queue is the small one: it keeps no buffer from a burst.
func (h *House) Props(kind string, strategy actor.SupervisorStrategy, create func() actor.Actor) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor { return &guarded{create(), h, kind} },
		actor.WithSupervisor(strategy), actor.WithMailbox(actor.UnboundedLockfree()))
}

// Root is Props for an actor without a parent. When it fails, it is stopped.
func (h *House) Root(kind string, strategy actor.SupervisorStrategy, create func() actor.Actor) *actor.Props {
	return h.Props(kind, strategy, create).Configure(actor.WithGuardian(stopAtOnce{}))
}

type guarded struct {
	inner actor.Actor
	house *House
	kind  string
}

func (g *guarded) Receive(c actor.Context) {
	defer func() {
		if recover() == nil {
			return
		}
		g.house.Log.Error("actor panicked", "code", origin())
		if g.house.Panicked != nil {
			g.house.Panicked(g.kind)
		}
		switch c.Message().(type) {
		case *actor.Stopping, *actor.Stopped:
			// The parent must be told that the child is gone.
		default:
			panic(ErrPanicked)
		}
	}()
	if g.house.Hook != nil {
		g.house.Hook(g.kind)
	}
	g.inner.Receive(c)
}

// origin names the function that panicked, and nothing of what it held.
func origin() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "runtime.gopanic" && f.Function != "" || !more {
			return f.Function
		}
	}
}
