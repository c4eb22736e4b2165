package actors

import (
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/kit"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// node starts a user actor for each user with work.
type node struct {
	log      *slog.Logger
	users    map[id.User]*actor.PID
	draining bool
	gone     chan struct{}
}

func (n *node) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case syncUser:
		if n.draining {
			m.pass.reply(result{err: ErrDrained})
			return
		}
		pid := n.users[m.user]
		if pid == nil {
			pid = c.Spawn(kit.Props(n.log, backoff, func() actor.Actor { return newUser(n.log) }))
			n.users[m.user] = pid
		}
		c.Send(pid, m)
	case drain:
		n.draining = true
		for _, pid := range n.users {
			c.Send(pid, m)
		}
		n.stopIfEmpty(c)
	case *actor.Terminated:
		for u, pid := range n.users {
			if pid.Equal(m.Who) {
				delete(n.users, u)
			}
		}
		n.stopIfEmpty(c)
	case *actor.Stopped:
		close(n.gone)
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		n.log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (n *node) stopIfEmpty(c actor.Context) {
	if n.draining && len(n.users) == 0 {
		c.Stop(c.Self())
	}
}
