package actors

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
)

// mailbox runs one pass on a worker of its own and stops when it has ended.
// An incarnation that follows a panic runs the pass again.
type mailbox struct {
	log    *slog.Logger
	pass   pass
	worker kit.Worker
}

func (b *mailbox) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		run := b.pass.run
		b.worker.Start(b.pass.ctx, c, func(ctx context.Context) any {
			report, err := run(ctx)
			return result{report, err}
		})
	case kit.Done:
		b.finish(c, m)
	case drain:
		b.worker.Cancel(ErrDrained)
		if !b.worker.Running() {
			c.Stop(c.Self())
		}
	case *actor.Stopping, *actor.Restarting:
		b.worker.Cancel(ErrDrained) // a backstop: the ordinary way is drain
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		b.log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (b *mailbox) finish(c actor.Context, d kit.Done) {
	if !b.worker.Took(d) {
		return // of an earlier incarnation
	}
	if d.Panicked {
		panic(kit.ErrPanicked) // the user decides: again, or no more
	}
	b.pass.reply(d.Result.(result))
	c.Stop(c.Self())
}
