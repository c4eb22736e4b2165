package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/actors/wheel"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// This file is what others ask of the clock.

// loadedRows brings a part of the registry. ack is closed when it has been
// taken in, so that no more than one part is in memory.
type loadedRows struct {
	rows []schedule.Registered
	last bool
	ack  chan struct{}
}

const loadPart = 1024 // rows

// load reads the registry, again until it has been read to its end.
func (k *clock) load(c actor.Context) {
	if k.opts.Registry == nil {
		k.loaded.Do(func() { close(k.ready) })
		return
	}
	self := c.Self()
	k.task(func(ctx context.Context) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(k.life, stop)()
		for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, 30*time.Second) {
			err := k.read(ctx, self)
			if err == nil || k.life.Err() != nil {
				return
			}
			k.opts.Log.Error("registered mailboxes not loaded", "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	})
}

func (k *clock) read(ctx context.Context, self *actor.PID) error {
	hand := func(rows []schedule.Registered, last bool) error {
		ack := make(chan struct{})
		k.tell(self, loadedRows{rows, last, ack})
		select {
		case <-ack:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	rows := make([]schedule.Registered, 0, loadPart)
	for r, err := range k.opts.Registry.All(ctx) {
		if err != nil {
			return err
		}
		if rows = append(rows, r); len(rows) == loadPart {
			if err := hand(rows, false); err != nil {
				return err
			}
			rows = make([]schedule.Registered, 0, loadPart)
		}
	}
	return hand(rows, true)
}

func (k *clock) loadedRows(c actor.Context, m loadedRows) {
	defer close(m.ack)
	for _, r := range m.rows {
		if e, added := k.wheel.Add(r.Mailbox); added {
			k.place(c, e, r)
		}
	}
	k.opts.Metrics.Registered(k.wheel.Len())
	if m.last {
		k.loaded.Do(func() { close(k.ready) })
	}
}

// place arms a mailbox of the registry: one that has claims at once, one with a
// time at that time, all others spread over their interval (an hour at most, or
// a process that is restarted often would never come to them).
func (k *clock) place(c actor.Context, e *wheel.Entry, r schedule.Registered) {
	take(e, r)
	every := r.Every
	if every <= 0 {
		every = k.opts.Limits.PollEvery
	}
	spread := wheel.Spread(r.Mailbox, min(every, longSpread))
	switch {
	case r.Phase == schedule.Paused:
	case r.Dirty:
		e.Set(wheel.Dirty)
		k.want(c, e, admit.Announced, false)
	case r.Phase == schedule.Failing && r.Until.IsZero(): // until its user acts
	case r.Until.IsZero():
		k.in(e, spread)
	default:
		k.in(e, sane(time.Until(r.Until))+min(spread, time.Duration(float64(time.Minute)*spread.Seconds()/min(every, longSpread).Seconds())))
	}
}

// take copies what the registry says.
func take(e *wheel.Entry, r schedule.Registered) {
	e.User, e.Lane, e.Phase, e.Every = r.User, r.Lane, r.Phase, uint32(r.Every/time.Second)
	set(e, wheel.Failed, r.Phase == schedule.Waiting || r.Phase == schedule.Failing)
}

func (k *clock) register(c actor.Context, r schedule.Registered) {
	e, _ := k.wheel.Add(r.Mailbox)
	take(e, r)
	k.opts.Metrics.Registered(k.wheel.Len())
	if r.Phase == schedule.Paused {
		k.wheel.Disarm(e)
	} else {
		k.asked(c, e, 0)
	}
	k.changed(e, nil)
}

func (k *clock) forget(c actor.Context, s scope) {
	if e := k.find(s.user, s.box); e != nil {
		k.remove(c, e)
		return
	}
	if s != (scope{user: s.user}) {
		return
	}
	var all []*wheel.Entry
	for e := range k.wheel.All(&s.user) {
		all = append(all, e)
	}
	for _, e := range all {
		k.remove(c, e)
	}
}

func (k *clock) remove(c actor.Context, e *wheel.Entry) {
	c.Send(k.governor, drop{e.Box})
	k.cleaner.drop(e.Box)
	k.unsaved.drop(e.Box)
	k.watchers.tell(Change{User: e.User, Mailbox: e.Box, Gone: true})
	k.wheel.Remove(e.Box)
	k.opts.Metrics.Registered(k.wheel.Len())
}

func (k *clock) syncNow(c actor.Context, m syncNow) error {
	e := k.find(m.user, m.box)
	switch {
	case e == nil:
		return account.ErrNone
	case e.Phase == schedule.Paused:
		return ErrPaused
	case k.over:
		return ErrDrained
	}
	k.asked(c, e, pauseOf(e))
	return nil
}

func (k *clock) pause(c actor.Context, m pause) error {
	e := k.find(m.user, m.box)
	if e == nil {
		return account.ErrNone
	}
	e.Phase = schedule.Paused
	e.Clear(wheel.Queued | wheel.Again)
	e.First = 0
	k.wheel.Disarm(e)
	c.Send(k.governor, drop{e.Box})
	k.changed(e, nil)
	return nil
}

func (k *clock) resume(c actor.Context, m resume) error {
	e := k.find(m.user, m.box)
	if e == nil {
		return account.ErrNone
	}
	e.Phase = schedule.Idle
	k.asked(c, e, pauseOf(e))
	k.changed(e, nil)
	return nil
}

// status is what is known of a mailbox here.
func (k *clock) status(e *wheel.Entry) Status {
	s := Status{Phase: e.Phase, Pushed: e.Is(wheel.Parked)}
	if e.Last > 0 {
		s.LastSync = time.Unix(int64(e.Last), 0)
	}
	if e.Armed() || e.Is(wheel.Queued) {
		s.NextSync = time.Now().Add(max(e.Due()-k.now(), 0))
	}
	if until := k.alone[e.Lane]; e.Is(wheel.Queued) && !until.IsZero() && e.Phase != schedule.Paused {
		s.Phase, s.Reason, s.Until, s.NextSync = schedule.Waiting, unanswered, until, until
	}
	if e.Is(wheel.Running) && e.Phase != schedule.Paused {
		s.Phase, s.Backlog = schedule.Syncing, k.tracker.backlog(e.Box)
	}
	return s
}

// unanswered is why a mailbox waits whose server is left alone.
var unanswered = schedule.Reason{Code: "host_unreachable",
	Detail: "the mail server of this mailbox does not answer, to others neither",
	Help:   "it is tried with one mailbox every half minute, and all go on when it answers"}

// changed tells who watches. st is the state that a pass has left, if one has.
func (k *clock) changed(e *wheel.Entry, st *schedule.State) {
	if !k.watchers.any() {
		return
	}
	s := k.status(e)
	if st != nil && s.Reason == (schedule.Reason{}) {
		s.Reason, s.Until, s.Backlog = st.Reason, st.Until, st.Backlog
	}
	k.watchers.tell(Change{User: e.User, Mailbox: e.Box, Status: s})
}
