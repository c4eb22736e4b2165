package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// nest is the children of an actor by key. A child is spawned by the first
// message for it and leaves when it has nothing to do; what comes for it while
// it leaves waits and is given to its successor, so that there are never two
// and nothing is lost.
type nest[K comparable] struct {
	spawn func(c actor.Context, key K, seat *seat) *actor.PID
	kids  map[K]*kid
	keys  map[string]K // by the id of the child's PID
	// shut: the parent stops or restarts. A child spawned now would keep it from
	// that for ever, since the library has told its children to stop already.
	shut bool
}

type kid struct {
	pid     *actor.PID
	seat    *seat
	sent    uint64
	leaving bool
	queue   []any
}

// seat is what outlives the incarnations of a child. It belongs to the child
// while that lives, then to its parent.
type seat struct {
	seen    uint64 // messages of the parent's
	retry   bool   // a mailbox: its pass has panicked
	adopted bool   // it has had an incarnation before
}

func newNest[K comparable](spawn func(actor.Context, K, *seat) *actor.PID) *nest[K] {
	return &nest[K]{spawn: spawn, kids: make(map[K]*kid), keys: make(map[string]K)}
}

// send hands a message to a child, which is spawned if need be; false: not any
// more.
func (n *nest[K]) send(c actor.Context, key K, msg any) bool {
	if n.shut {
		return false
	}
	k := n.kids[key]
	if k == nil {
		k = &kid{seat: &seat{}}
		k.pid = n.spawn(c, key, k.seat)
		n.kids[key] = k
		n.keys[k.pid.Id] = key
	}
	if k.leaving {
		k.queue = append(k.queue, msg)
		return true
	}
	k.sent++
	c.Send(k.pid, msg)
	return true
}

// has reports whether there is such a child.
func (n *nest[K]) has(key K) bool { return n.kids[key] != nil }

func (n *nest[K]) empty() bool { return len(n.kids) == 0 }

// leave lets a child go that asks to.
func (n *nest[K]) leave(c actor.Context, l leave[K]) {
	k := n.kids[l.key]
	if k == nil || k.leaving || k.sent != l.seen {
		return // there is more for it to do; it will ask again
	}
	k.leaving = true
	c.Stop(k.pid)
}

// gone takes note that a child has stopped, and reports whether it had given up:
// nobody wanted it to.
func (n *nest[K]) gone(c actor.Context, who *actor.PID) (key K, gaveUp bool) {
	key, ours := n.keys[who.Id]
	if !ours || n.shut {
		return key, false
	}
	k := n.kids[key]
	delete(n.keys, who.Id)
	delete(n.kids, key)
	for _, msg := range k.queue {
		n.send(c, key, msg)
	}
	return key, !k.leaving
}

// wish asks the parent for leave.
func wish[K comparable](c actor.Context, key K, s *seat) {
	if p := c.Parent(); p != nil {
		c.Send(p, leave[K]{key, s.seen})
	}
}
