package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// nest is the children of an actor by key. A child is spawned by the first
// message for it and leaves when it has nothing to do; what comes for it while
// it leaves waits and is given to its successor, so that there are never two
// and nothing is lost.
//
// A few children are a list, since ten thousand users with one mailbox that
// waits for push must not cost a map each; many are two maps.
type nest[K comparable] struct {
	spawn func(c actor.Context, key K, seat *seat) *actor.PID
	few   []*kid[K]
	many  map[K]*kid[K]
	byPID map[string]*kid[K] // of many
	// shut: the parent stops or restarts. A child spawned now would keep it from
	// that for ever, since the library has told its children to stop already.
	shut bool
}

// aFew children are kept in the list.
const aFew = 16

type kid[K comparable] struct {
	key     K
	pid     *actor.PID
	sent    uint64
	leaving bool
	queue   []any
	seat    seat
}

// seat is what outlives the incarnations of a child. It belongs to the child
// while that lives, then to its parent.
type seat struct {
	seen    uint64 // messages of the parent's
	retry   bool   // a mailbox: its pass has panicked
	adopted bool   // it has had an incarnation before
}

func newNest[K comparable](spawn func(actor.Context, K, *seat) *actor.PID) *nest[K] {
	return &nest[K]{spawn: spawn}
}

func (n *nest[K]) find(key K) *kid[K] {
	if n.many != nil {
		return n.many[key]
	}
	for _, k := range n.few {
		if k.key == key {
			return k
		}
	}
	return nil
}

func (n *nest[K]) findPID(who *actor.PID) *kid[K] {
	if n.many != nil {
		return n.byPID[who.Id]
	}
	for _, k := range n.few {
		if k.pid.Equal(who) {
			return k
		}
	}
	return nil
}

func (n *nest[K]) add(k *kid[K]) {
	if n.many == nil && len(n.few) < aFew {
		n.few = append(n.few, k)
		return
	}
	if n.many == nil {
		n.many, n.byPID = make(map[K]*kid[K]), make(map[string]*kid[K])
		for _, k := range n.few {
			n.many[k.key], n.byPID[k.pid.Id] = k, k
		}
		n.few = nil
	}
	n.many[k.key], n.byPID[k.pid.Id] = k, k
}

func (n *nest[K]) remove(k *kid[K]) {
	if n.many == nil {
		n.few = slices.DeleteFunc(n.few, func(x *kid[K]) bool { return x == k })
		return
	}
	delete(n.many, k.key)
	delete(n.byPID, k.pid.Id)
	if len(n.many) == 0 {
		n.many, n.byPID = nil, nil
	}
}

// send hands a message to a child, which is spawned if need be; false: not any
// more.
func (n *nest[K]) send(c actor.Context, key K, msg any) bool {
	if n.shut {
		return false
	}
	k := n.find(key)
	if k == nil {
		k = &kid[K]{key: key}
		k.pid = n.spawn(c, key, &k.seat)
		n.add(k)
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
func (n *nest[K]) has(key K) bool { return n.find(key) != nil }

func (n *nest[K]) empty() bool { return len(n.few)+len(n.many) == 0 }

// leave lets a child go that asks to.
func (n *nest[K]) leave(c actor.Context, l leave[K]) {
	k := n.find(l.key)
	if k == nil || k.leaving || k.sent != l.seen {
		return // there is more for it to do; it will ask again
	}
	k.leaving = true
	c.Stop(k.pid)
}

// gone takes note that a child has stopped, and reports whether it had given up:
// nobody wanted it to.
func (n *nest[K]) gone(c actor.Context, who *actor.PID) (key K, gaveUp bool) {
	k := n.findPID(who)
	if k == nil || n.shut {
		return key, false
	}
	n.remove(k)
	for _, msg := range k.queue {
		n.send(c, k.key, msg)
	}
	return k.key, !k.leaving
}

// wish asks the parent for leave.
func wish[K comparable](c actor.Context, key K, s *seat) {
	if p := c.Parent(); p != nil {
		c.Send(p, leave[K]{key, s.seen})
	}
}
