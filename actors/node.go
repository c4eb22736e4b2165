package actors

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// node is the root of the tree: the clock, the governor and a shard for each
// that has users at work.
type node struct {
	*tree
	kids  *nest[uint16]
	fatal func(error)
}

func newNode(t *tree, fatal func(error)) *node {
	n := &node{tree: t, fatal: fatal}
	n.kids = newNest(func(c actor.Context, key uint16, s *seat) *actor.PID {
		return c.Spawn(t.house.Props("shard", backoff, func() actor.Actor { return newShard(t, key, s) }))
	})
	return n
}

func (n *node) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		n.fixed(c)
	case forClock:
		c.Send(n.clock, m.msg)
	case forGovernor:
		c.Send(n.governor, m.msg)
	case work:
		if !n.kids.send(c, schedule.ShardOf(m.permit.User), m) {
			n.refuse(c, m)
		}
	case oneShot:
		if !n.kids.send(c, schedule.ShardOf(m.user), m) {
			m.pass.reply(result{err: ErrDrained})
		}
	case changed:
		if s := schedule.ShardOf(m.user); n.kids.has(s) {
			n.kids.send(c, s, m)
		} else {
			c.Send(n.clock, wake{user: m.user, failing: true})
		}
	case stopTimers:
		c.Send(n.clock, m)
		c.Send(n.governor, m)
	case leave[uint16]:
		n.kids.leave(c, m)
	case *actor.Terminated:
		n.childGone(c, m.Who)
	case *actor.Stopping:
		n.kids.shut = true
	case actor.AutoReceiveMessage, actor.SystemMessage:
		// lifecycle we do not react to
	default:
		n.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
}

// fixed starts clock and governor. Each knows the other, so their PIDs are there
// before they are; the clock comes second, since it begins with wants.
func (n *node) fixed(c actor.Context) {
	pid := func(name string) *actor.PID { return actor.NewPID(c.Self().Address, c.Self().Id+"/"+name) }
	n.clock, n.governor = pid("wheel"), pid("governor")
	for _, err := range []error{
		spawnNamed(c, "governor", n.house.Props("governor", backoff, func() actor.Actor { return newGovernor(n.tree) })),
		spawnNamed(c, "wheel", n.house.Props("wheel", backoff, func() actor.Actor { return newClock(n.tree) })),
	} {
		if err != nil {
			panic("actors: " + err.Error()) // a name twice: a bug
		}
	}
}

func spawnNamed(c actor.Context, name string, p *actor.Props) error {
	_, err := c.SpawnNamed(p, name)
	return err
}

// childGone: without clock or governor there is no node. A shard that gave up
// comes back with its next mailbox.
func (n *node) childGone(c actor.Context, who *actor.PID) {
	if who.Equal(n.clock) || who.Equal(n.governor) {
		n.fatal(errFixed)
		c.Stop(c.Self())
		return
	}
	n.kids.gone(c, who)
}
