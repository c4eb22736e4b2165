package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/actors/wheel"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// clock owns the wheel: it knows every registered mailbox and is where all that
// concerns the schedule of one comes together. A restart loads the wheel anew.
//
//	armed --due--> queued --offer--> running --ended--> armed
//
// At most one want of a mailbox is with the governor, and at most one permit of
// it is on its way or in use.
type clock struct {
	*tree
	wheel *wheel.Wheel
	timer *time.Timer
	at    time.Duration        // when the timer fires; -1: it does not
	over  bool                 // drained
	alone map[uint64]time.Time // the lanes that are left alone

	life context.Context // ends with this incarnation: nobody takes what is loaded any more
	end  context.CancelFunc
}

const (
	shakyMost  = 6               // doublings of the pause after a parked connection died
	shakyFirst = 5 * time.Second // the first pause
	steady     = 5 * time.Minute // a connection that lived so long was good
	retryNet   = 2 * time.Minute // a mailbox whose supervision has lost it after a panic
	longSpread = time.Hour       // first due times after a start
)

func newClock(t *tree) *clock {
	k := &clock{tree: t, wheel: wheel.New(), at: -1, alone: make(map[uint64]time.Time)}
	k.life, k.end = context.WithCancel(context.Background())
	return k
}

func (k *clock) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		k.load(c)
		return
	case *actor.Stopping, *actor.Restarting:
		k.end()
		k.stop()
		return
	case stopTimers:
		k.over = true
		k.stop()
	case tick:
		k.at = -1
		if d := k.slept.look(time.Since(k.start), k.opts.wall().Sub(k.start.Round(0))); d > 0 {
			k.opts.Log.Info("the machine has slept, or its clock was set", "dur_ms", d)
		}
		if !k.over {
			k.wheel.Turn(k.now(), func(e *wheel.Entry) { k.want(c, e, admit.Polled, false) })
		}
	case loadedRows:
		k.loadedRows(c, m)
	case register:
		k.register(c, m.row)
	case forget:
		k.forget(c, m.scope)
		m.answer <- nil
	case syncNow:
		m.answer <- k.syncNow(c, m)
	case pause:
		m.answer <- k.pause(c, m)
	case resume:
		m.answer <- k.resume(c, m)
	case askStatus:
		e := k.find(m.user, m.box)
		if e == nil {
			m.answer <- answered{}
		} else {
			m.answer <- answered{k.status(e), true}
		}
	case offer:
		k.offered(c, m.permit)
	case leftAlone:
		if k.alone[m.lane] = m.until; m.until.IsZero() {
			delete(k.alone, m.lane)
		}
	case gaveUp:
		k.gaveUp(m)
	case ended:
		k.ended(c, m)
	case wake, suspect, lost:
		k.several(c, m)
	case postponed, announced, unparked, again:
		k.one(c, m)
	case actor.AutoReceiveMessage, actor.SystemMessage:
		return // lifecycle we do not react to
	default:
		k.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
	k.rearm(c)
}

// rearm sets the one timer to the next time at which something is due.
func (k *clock) rearm(c actor.Context) {
	k.opts.Metrics.Armed(k.wheel.Armed())
	next, ok := k.wheel.Next()
	if !ok || k.over || next == k.at {
		return
	}
	k.at = next
	d := min(max(next-k.now(), 0), sleepCheck)
	if k.timer == nil {
		self := c.Self()
		k.timer = time.AfterFunc(d, func() { k.tell(self, tick{}) })
		return
	}
	k.timer.Reset(d)
}

func (k *clock) stop() {
	if k.timer != nil {
		k.timer.Stop()
	}
}

// find gives a mailbox of a user, or nil.
func (k *clock) find(user id.User, box id.Mailbox) *wheel.Entry {
	if e := k.wheel.Find(box); e != nil && e.User == user {
		return e
	}
	return nil
}

// in arms a mailbox.
func (k *clock) in(e *wheel.Entry, d time.Duration) { k.wheel.Arm(e, k.now()+d) }

// busy reports whether the mailbox is wanted or worked on already.
func busy(e *wheel.Entry) bool { return e.Is(wheel.Queued | wheel.Running) }

// want makes a mailbox due.
func (k *clock) want(c actor.Context, e *wheel.Entry, p admit.Priority, held bool) {
	if k.over || e.Phase == schedule.Paused {
		return
	}
	if e.Is(wheel.Running) {
		e.Set(wheel.Again)
		return
	}
	if !e.Is(wheel.Queued) {
		k.wheel.Take(e, k.now())
	}
	e.Set(wheel.Queued)
	if !k.alone[e.Lane].IsZero() {
		k.changed(e, nil) // it waits, and says so
	}
	if p == admit.Polled && e.Is(wheel.Failed) {
		p = admit.Retried
	}
	c.Send(k.governor, want{admit.Want{User: e.User, Box: e.Box, Lane: e.Lane, Priority: p, Held: held, Two: !e.Is(wheel.Single)}})
}

// asked makes a mailbox due because somebody has asked, and not sooner than its
// server takes the next login: who asks again and again logs in no oftener. Its
// status says when it is.
func (k *clock) asked(c actor.Context, e *wheel.Entry, pause time.Duration) {
	now, free := k.now(), e.Free(pause)
	switch {
	case busy(e) || free <= now || k.over:
		k.want(c, e, admit.Asked, false)
	case !e.Armed() || e.Due() > free:
		k.wheel.Arm(e, free)
		k.changed(e, nil)
	}
}

// impatience is how long after its last try a mailbox that has failed is tried
// because somebody asks. A wrong password must not become a locked account.
const impatience = 30 * time.Second

func pauseOf(e *wheel.Entry) time.Duration {
	if e.Is(wheel.Failed) {
		return impatience
	}
	return 0
}

// offered sends a permit down to its mailbox, unless that has gone or been
// paused since.
func (k *clock) offered(c actor.Context, p admit.Permit) {
	e := k.find(p.User, p.Box)
	if e == nil || e.Phase == schedule.Paused || e.Is(wheel.Running) || k.over {
		c.Send(k.governor, freed{p, admit.Ended{Unused: true}})
		return
	}
	k.wheel.Disarm(e)
	e.Clear(wheel.Queued)
	e.Set(wheel.Running)
	e.Begun = uint32(max(k.now()/time.Second, 1))
	k.opts.Metrics.Lag(k.now() - e.Owed())
	e.First = 0
	m := work{permit: p, every: time.Duration(e.Every) * time.Second, dirty: e.Is(wheel.Dirty)}
	if e.Last > 0 {
		m.last = time.Unix(int64(e.Last), 0)
	}
	c.Send(c.Parent(), m)
	k.changed(e, nil)
}
