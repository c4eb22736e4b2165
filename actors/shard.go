package actors

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// shard supervises the users of one virtual shard that have work. It is there
// to keep the tree bushy: no actor has a hundred thousand children.
type shard struct {
	*tree
	key  uint16
	seat *seat
	kids *nest[id.User]
}

func newShard(t *tree, key uint16, s *seat) *shard {
	return &shard{tree: t, key: key, seat: s, kids: newNest(func(c actor.Context, key id.User, s *seat) *actor.PID {
		return c.Spawn(t.house.Props("user", backoff, func() actor.Actor { return newUser(t, key, s) }))
	})}
}

func (s *shard) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		if s.seat.adopted {
			wish(c, s.key, s.seat) // what its predecessor had is gone
		}
		s.seat.adopted = true
	case work:
		s.seat.seen++
		if !s.kids.send(c, m.permit.User, m) {
			s.refuse(c, m)
		}
	case oneShot:
		s.seat.seen++
		if !s.kids.send(c, m.user, m) {
			m.pass.reply(result{err: ErrDrained})
		}
	case changed:
		s.seat.seen++
		if s.kids.has(m.user) {
			s.kids.send(c, m.user, m)
		} else {
			c.Send(s.clock, wake{user: m.user, failing: true})
			s.leaveIfEmpty(c)
		}
	case leave[id.User]:
		s.kids.leave(c, m)
	case *actor.Terminated:
		if user, gaveUp := s.kids.gone(c, m.Who); gaveUp {
			c.Send(s.clock, suspect{user})
		}
		s.leaveIfEmpty(c)
	case *actor.Stopping, *actor.Restarting:
		s.kids.shut = true
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		s.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

func (s *shard) leaveIfEmpty(c actor.Context) {
	if s.kids.empty() && !s.kids.shut {
		wish(c, s.key, s.seat)
	}
}
