package actors

import (
	"context"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// shot runs one pass that somebody waits for and stops when it has ended. An
// incarnation that follows a panic runs the pass again.
type shot struct {
	*tree
	user   id.User
	pass   shotPass
	worker kit.Worker
}

func (s *shot) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		s.worker.Start(s.pass.ctx, c, s.run)
	case kit.Done:
		if !s.worker.Took(m) {
			return // of an earlier incarnation
		}
		if m.Panicked {
			s.opts.Metrics.ActorPanics("worker")
			panic(kit.ErrPanicked) // the user decides: again, or no more
		}
		s.pass.reply(m.Result.(result))
		c.Stop(c.Self())
	case *actor.Stopping, *actor.Restarting:
		s.worker.Cancel(ErrDrained) // a backstop: the ordinary way is the tracker's
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		s.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (s *shot) run(ctx context.Context) any {
	p := &piece{kind: aPass, user: s.user, box: s.pass.box}
	ctx, err := s.tracker.enter(ctx, p)
	if err != nil {
		return result{err: err}
	}
	defer s.tracker.leave(p)
	report, err := s.pass.run(ctx)
	return result{report, err}
}
