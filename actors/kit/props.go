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

// Props wraps an actor: new makes each incarnation, children are supervised by
// strategy.
func Props(log *slog.Logger, strategy actor.SupervisorStrategy, create func() actor.Actor) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor { return &guarded{create(), log} },
		actor.WithSupervisor(strategy))
}

type guarded struct {
	inner actor.Actor
	log   *slog.Logger
}

func (g *guarded) Receive(c actor.Context) {
	defer func() {
		if recover() == nil {
			return
		}
		g.log.Error("actor panicked", "code", origin())
		switch c.Message().(type) {
		case *actor.Stopping, *actor.Stopped:
			// The parent must be told that the child is gone.
		default:
			panic(ErrPanicked)
		}
	}()
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
