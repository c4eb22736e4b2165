package sim

import (
	"math/rand/v2"
	"time"
)

// live lets the world and the program go on for a while. Fate alone rolls
// world.dice: mail comes and goes, people press buttons, processes end.
func (w *world) live(p plan) {
	next := w.spread(p)
	end := time.Now().Add(p.time)
	for now := time.Now(); now.Before(end); now = time.Now() {
		gap := min(time.Duration(w.dice.ExpFloat64()*float64(next)), time.Until(end))
		w.until(now.Add(gap))
		w.happens(p)
	}
}

// spread is the mean time between two things that happen.
func (w *world) spread(p plan) time.Duration {
	return p.time / time.Duration(max(1, p.mail*len(w.boxes)*10/7))
}

// until waits, and buries and replaces processes that end meanwhile.
func (w *world) until(t time.Time) {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case d := <-w.dying:
			w.succeed(d)
		case <-w.current.Load().engine.Failed():
			w.current.Load().die(kill) // and the service manager starts it again
		}
	}
}

// succeed starts the successor of a process. One that was killed leaves some
// time in which nobody runs; a zombie goes on beside its successor.
func (w *world) succeed(d death) {
	if d.how == zombie {
		w.boot()
		time.Sleep(between(w.dice, time.Second, 10*time.Minute))
		d.p.bury()
		return
	}
	d.p.bury()
	time.Sleep(between(w.dice, time.Second, 2*time.Minute))
	if w.faults.strike("machine", "boot", nil) == clockBack {
		w.registry.ahead(5 * time.Hour)
	}
	w.boot()
}

// happens is one thing that happens.
func (w *world) happens(p plan) {
	b := w.boxes[w.dice.IntN(len(w.boxes))]
	current := w.current.Load()
	switch n := w.dice.IntN(100); {
	case n < 70:
		b.deliver(p.large)
	case n < 78:
		if l := b.drop.pick(w.dice, func(*letter) bool { return true }); l != nil {
			b.remove(l)
		}
	case n < 82:
		b.touch(w.dice)
	case n < 86:
		current.syncNow(b)
	case n < 90:
		current.pauseOrResume(b)
	case n < 93:
		b.way.Store(w.dice.Int64N(ways)) // other rules
	case n < 98:
		w.reconnect(b.u)
	default:
		if !current.doomed.Swap(true) {
			current.drain() // and the next one starts at once: an upgrade
			w.boot()
		}
	}
}

// touch is the owner reading a message with another program.
func (b *box) touch(r *rand.Rand) {
	l := b.drop.pick(r, func(*letter) bool { return true })
	if l == nil {
		return
	}
	b.drop.mu.Lock()
	defer b.drop.mu.Unlock()
	l.seen = true
}

// reconnect is a user who sees that Google is to be connected again.
func (w *world) reconnect(u *user) {
	if u.gmail.isGranted() && u.connected.Load() {
		return
	}
	u.gmail.connect()
	u.connected.Store(true)
	for _, b := range u.boxes {
		b.watch.excuse()
	}
	w.current.Load().engine.UserChanged(u.id)
}

// recover ends all faults and lets time go on until everything that waits has
// had its turn. People do what only they can do.
func (w *world) recover() {
	w.faults.stop()
	for _, b := range w.boxes {
		b.die(time.Time{})
		b.delay(0)
	}
	for _, u := range w.users {
		u.gmail.heal()
		w.reconnect(u)
	}
	for range 3 {
		for _, b := range w.boxes {
			w.current.Load().help(b)
		}
		w.until(time.Now().Add(26 * time.Hour)) // no wait is longer than 25
	}
}
