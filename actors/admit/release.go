package admit

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Began tells that a permit is used. One that this desk has not given (it was
// given by one before it, or taken back) is counted from now on.
func (d *Desk) Began(now time.Time, p Permit) {
	if g := d.out[p.ID]; g != nil && g.Box == p.Box {
		g.begun = true
		return
	}
	d.last = max(d.last, p.ID)
	d.out[p.ID] = &grant{Permit: p, begun: true, at: now}
	d.tenant(p.User).count(p, 1)
	if p.Conns > 0 {
		d.lane(now, p.Lane).conns += p.Conns
	}
}

// Release gives a permit back. An unknown one is ignored.
func (d *Desk) Release(now time.Time, p Permit, e Ended) {
	g := d.out[p.ID]
	if g == nil || g.Box != p.Box {
		return
	}
	delete(d.out, p.ID)
	d.full = false
	t := d.users[p.User]
	t.count(p, -1)
	for t.blocked.first != nil {
		n := t.blocked.first.of
		n.place.leave()
		n.lane.lines[n.key.prio].push(&n.place)
		d.offer(n.lane)
	}
	d.forget(p.User, t)
	if p.Lane == 0 && p.Conns == 0 {
		return // it was held: it says nothing about a server
	}
	l := d.lane(now, p.Lane)
	l.conns -= p.Conns
	defer d.breaks(l, l.open, l.until)
	if e.Unused && d.limits.Logins > 0 {
		l.tokens += float64(p.Conns)
	}
	switch e.Result {
	case Reached:
		l.reached()
	case Missed:
		l.missed(now, p.User, p.Probe)
	case Slower:
		l.reached()
		l.slow(now, p.User, d.limits)
	case Nothing:
		if p.Probe {
			l.probing, l.until = false, now
		}
	}
	d.rouse(l)
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *Desk) forget(user id.User, t *tenant) {
	if t.running == 0 && t.lines == 0 {
		delete(d.users, user)
	}
}

// Drop takes a mailbox out of its queue.
func (d *Desk) Drop(box id.Mailbox) {
	if q, ok := d.queued[box]; ok {
		delete(d.queued, box)
		q.lane.waiting--
	}
}

// Out reports whether a permit of the user (of the mailbox, unless that is
// zero) has been given and not come back.
func (d *Desk) Out(user id.User, box id.Mailbox) bool {
	for _, g := range d.out {
		if g.User == user && (box == id.Mailbox{} || g.Box == box) {
			return true
		}
	}
	return false
}

// Sweep forgets what is idle, and takes back permits that nobody has begun to
// use: their way was cut by a crash.
func (d *Desk) Sweep(now time.Time, lost func(Permit)) {
	for _, g := range d.out {
		if !g.begun && now.Sub(g.at) >= offerTime {
			d.Release(now, g.Permit, Ended{Unused: true})
			lost(g.Permit)
		}
	}
	for key, l := range d.lanes {
		if l.idle(now, d.limits) {
			was := l.open
			l.open = false // nobody has wanted it for long, or it was not
			d.breaks(l, was, l.until)
			delete(d.lanes, key)
		}
	}
}
