package admit

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Want is a mailbox that is due.
type Want struct {
	User id.User
	Box  id.Mailbox
	Lane uint64
	Priority
	Held bool // it has a connection already, and needs neither lane nor login
	Two  bool // a second connection would be of use
}

// Permit is what a pass has been given.
type Permit struct {
	ID    uint64
	User  id.User
	Box   id.Mailbox
	Lane  uint64
	Conns int // 0: the one it holds
	Prio  Priority
	Probe bool
}

// Connections a pass may open.
func (p Permit) Connections() int { return max(1, p.Conns) }

// Result is what a pass has learned about its lane.
type Result uint8

// The results.
const (
	Nothing Result = iota // it was cut short, or failed elsewhere
	Reached               // the server has answered
	Missed                // it could not be reached
	Slower                // it asks to slow down
)

// Ended is how a permit comes back.
type Ended struct {
	Result Result
	Unused bool // no login was tried: it is given back
}

// Desk hands out the permits of a node.
type Desk struct {
	limits  Limits
	lanes   map[uint64]*lane
	held    *lane // of those who need no lane
	users   map[id.User]*tenant
	queued  map[id.Mailbox]queued
	out     map[uint64]*grant
	rings   [priorities]ring[*lane]
	asleep  sleepers
	last    uint64 // permit
	open    int    // lanes
	full    bool
	refused func(kind string)
	left    func(lane uint64, until time.Time)
}

// queued is where a mailbox waits; its places in other lines are void.
type queued struct {
	lane *lane
	prio Priority
	two  bool
}

type tenant struct {
	running int
	retries int // of them, of mailboxes that have failed
	blocked ring[*line]
	lines   int
}

// count adds a permit, or takes it away.
func (t *tenant) count(p Permit, n int) {
	t.running += n
	if p.Prio == Retried {
		t.retries += n
	}
}

type grant struct {
	Permit
	begun bool
	at    time.Time
}

// New makes a desk. refused, if it is not nil, is told what a lane or user was
// short of.
func New(limits Limits, refused func(kind string)) *Desk {
	if refused == nil {
		refused = func(string) {}
	}
	d := &Desk{limits: limits, refused: refused, lanes: make(map[uint64]*lane), users: make(map[id.User]*tenant),
		queued: make(map[id.Mailbox]queued), out: make(map[uint64]*grant)}
	d.held = newLane(0, time.Time{}, limits)
	return d
}

// Tell has f told when a lane is left alone, until its next probe, and with a
// zero time when it is not any more.
func (d *Desk) Tell(f func(lane uint64, until time.Time)) { d.left = f }

// breaks takes note of what has become of a lane's breaker.
func (d *Desk) breaks(l *lane, was bool, until time.Time) {
	d.open += one(l.open) - one(was)
	switch {
	case d.left == nil || l.open == was && l.until.Equal(until):
	case l.open:
		d.left(l.key, l.until)
	case was:
		d.left(l.key, time.Time{})
	}
}

// Waiting is how many mailboxes wait.
func (d *Desk) Waiting() int { return len(d.queued) }

// Running is how many permits are out.
func (d *Desk) Running() int { return len(d.out) }

// Open is how many lanes are left alone.
func (d *Desk) Open() int { return d.open }

// Size is how many lanes and users are remembered.
func (d *Desk) Size() (lanes, users int) { return len(d.lanes), len(d.users) }

// Want queues a mailbox, or moves it ahead. ok is false when its line is full:
// it is to ask again later.
func (d *Desk) Want(now time.Time, w Want) (ok bool) {
	l := d.held
	if !w.Held {
		l = d.lane(now, w.Lane)
	}
	if q, there := d.queued[w.Box]; there {
		if q.prio <= w.Priority {
			return true
		}
		q.lane.waiting-- // its place there is void
	}
	key := lineKey{w.User, w.Priority}
	n := l.by[key]
	if w.Priority >= Polled && (l.waiting >= laneCap || n != nil && len(n.boxes) >= lineCap) {
		return false
	}
	if n == nil {
		n = &line{key: key, lane: l}
		n.place.of = n
		l.by[key] = n
		d.tenant(w.User).lines++
	}
	n.boxes = append(n.boxes, w.Box)
	l.waiting++
	d.queued[w.Box] = queued{l, w.Priority, w.Two}
	if n.place.in == nil {
		l.lines[w.Priority].push(&n.place)
	}
	d.offer(l)
	return true
}

func (d *Desk) lane(now time.Time, key uint64) *lane {
	l := d.lanes[key]
	if l == nil {
		l = newLane(key, now, d.limits)
		d.lanes[key] = l
	}
	return l
}

func (d *Desk) tenant(user id.User) *tenant {
	t := d.users[user]
	if t == nil {
		t = &tenant{}
		d.users[user] = t
	}
	return t
}

// offer puts a lane where Pump looks for it.
func (d *Desk) offer(l *lane) {
	for p := range l.lines {
		if l.lines[p].first != nil && !l.stalled {
			d.rings[p].push(&l.ready[p])
		} else {
			l.ready[p].leave()
		}
	}
}

// Pump gives the permits that can be given now.
func (d *Desk) Pump(now time.Time, give func(Permit)) {
	for len(d.asleep) > 0 && !d.asleep[0].wake.After(now) {
		l := heap.Pop(&d.asleep).(*lane)
		l.stalled, l.wake = false, time.Time{}
		d.offer(l)
	}
	for {
		if len(d.out) >= d.limits.Sessions {
			if len(d.queued) > 0 && !d.full {
				d.refused("sessions")
			}
			d.full = true
			return
		}
		p, ok := d.pick(now)
		if !ok {
			return
		}
		give(p)
	}
}

// pick finds the next in turn.
func (d *Desk) pick(now time.Time) (Permit, bool) {
	order := [priorities]Priority{Asked, Announced, Polled, Retried}
	// Drawn, not counted: what is short comes free in a rhythm, and a count would
	// let a lane's permits fall on the same turns for ever.
	switch rand.N(8) {
	case 0:
		order = [priorities]Priority{Retried, Polled, Asked, Announced}
	case 1:
		order = [priorities]Priority{Polled, Retried, Asked, Announced}
	}
	for _, prio := range order {
		for d.rings[prio].first != nil {
			l := d.rings[prio].first.of
			d.rings[prio].turn()
			if l != d.held {
				if short, wake := l.admits(now, d.limits); short != "" {
					d.refused(short)
					d.stall(l, wake)
					continue
				}
			}
			if p, ok := d.from(now, l, prio); ok {
				return p, true
			}
		}
	}
	return Permit{}, false
}

// from takes the next mailbox of a lane that can have one.
func (d *Desk) from(now time.Time, l *lane, prio Priority) (p Permit, ok bool) {
	defer d.offer(l)
	for l.lines[prio].first != nil {
		n := l.lines[prio].first.of
		t := d.users[n.key.user]
		if t.running >= d.limits.PerUser || prio == Retried && t.retries >= d.limits.retries() {
			d.refused("user")
			n.place.leave()
			t.blocked.push(&n.place)
			continue
		}
		box := n.boxes[0]
		n.boxes = n.boxes[1:]
		q, valid := d.queued[box]
		valid = valid && q.lane == l && q.prio == prio
		if len(n.boxes) == 0 {
			n.place.leave()
			delete(l.by, n.key)
			t.lines--
		} else if valid {
			l.lines[prio].turn()
		}
		if !valid { // dropped, or moved ahead
			d.forget(n.key.user, t)
			continue
		}
		delete(d.queued, box)
		l.waiting--
		return d.grant(now, l, t, n.key.user, box, q), true
	}
	return Permit{}, false
}

func (d *Desk) grant(now time.Time, l *lane, t *tenant, user id.User, box id.Mailbox, q queued) Permit {
	d.last++
	p := Permit{ID: d.last, User: user, Box: box, Lane: l.key, Prio: q.prio}
	if l != d.held {
		defer d.breaks(l, l.open, l.until)
		p.Conns, p.Probe = l.take(now, d.limits, q.two && 2*len(d.out) < d.limits.Sessions)
	}
	t.count(p, 1)
	d.out[p.ID] = &grant{Permit: p, at: now}
	return p
}
