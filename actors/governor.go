package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/admit"
)

// governor gives out the node's permits. After a restart it counts those of the
// passes that run; what was queued is asked for again.
type governor struct {
	*tree
	desk   *admit.Desk
	timer  *time.Timer // for what a lane waits for
	broom  *time.Timer // for Sweep; runs while there is anything to sweep
	swept  bool        // the broom is armed
	quiets []quiesce
	over   bool
}

const sweepEvery = 15 * time.Second

func newGovernor(t *tree) *governor {
	g := &governor{tree: t, desk: admit.New(t.opts.Limits.admission(), t.opts.Metrics.PermitRefused)}
	g.desk.Tell(func(lane uint64, until time.Time) { g.tell(g.clock, leftAlone{lane, until}) })
	return g
}

func (g *governor) Receive(c actor.Context) {
	now := time.Now()
	switch m := c.Message().(type) {
	case *actor.Started:
		for _, p := range g.tracker.permits() {
			g.desk.Began(now, p)
		}
		if g.governed.Swap(true) { // the queues went with the one before
			c.Send(g.clock, lost{})
		}
	case *actor.Stopping, *actor.Restarting:
		g.stop()
		for _, q := range g.quiets {
			close(q.answer) // the tracker says the rest
		}
		g.quiets = nil
		return
	case stopTimers:
		g.over = true
		g.stop()
	case want:
		if !g.desk.Want(now, m.Want) {
			g.opts.Metrics.PermitRefused("queue")
			c.Send(g.clock, postponed{m.Box})
		}
	case drop:
		g.desk.Drop(m.box)
	case began:
		g.desk.Began(now, m.permit)
	case freed:
		g.desk.Release(now, m.permit, m.ended)
	case quiesce:
		g.quiets = append(g.quiets, m)
	case pump: // the timer of a lane
	case sweep:
		g.swept = false
		g.desk.Sweep(now, func(p admit.Permit) { c.Send(g.clock, ended{box: p.Box, how: refused}) })
	case actor.AutoReceiveMessage, actor.SystemMessage:
		return // lifecycle we do not react to
	default:
		g.house.Log.Error("unknown message", "status", fmt.Sprintf("%T", m))
	}
	g.pump(c, now)
	g.answer()
}

// pump gives what can be given, and sets the timers.
func (g *governor) pump(c actor.Context, now time.Time) {
	if g.over {
		return
	}
	g.desk.Pump(now, func(p admit.Permit) { c.Send(g.clock, offer{p}) })
	g.opts.Metrics.Queued(g.desk.Waiting())
	g.opts.Metrics.Breaker(g.desk.Open())
	g.opts.Metrics.Budget("sessions", int64(g.desk.Running()), int64(g.opts.Limits.Sessions))
	if at, ok := g.desk.Next(); ok {
		g.timer = g.set(c, g.timer, at.Sub(now), pump{})
	}
	if lanes, users := g.desk.Size(); !g.swept && lanes+users > 0 {
		g.swept = true
		g.broom = g.set(c, g.broom, sweepEvery, sweep{})
	}
}

func (g *governor) set(c actor.Context, t *time.Timer, d time.Duration, msg any) *time.Timer {
	if t != nil {
		t.Reset(d)
		return t
	}
	self := c.Self()
	return time.AfterFunc(d, func() { g.tell(self, msg) })
}

func (g *governor) stop() {
	for _, t := range []*time.Timer{g.timer, g.broom} {
		if t != nil {
			t.Stop()
		}
	}
}

// answer tells those who wait for permits to come back.
func (g *governor) answer() {
	kept := g.quiets[:0]
	for _, q := range g.quiets {
		if g.desk.Out(q.scope.user, q.scope.box) {
			kept = append(kept, q)
		} else {
			close(q.answer)
		}
	}
	g.quiets = kept
}
