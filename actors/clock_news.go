package actors

import (
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/actors/wheel"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// ended puts a mailbox back on the wheel.
func (k *clock) ended(c actor.Context, m ended) {
	e := k.wheel.Find(m.box)
	if e == nil {
		return
	}
	more := e.Is(wheel.Again)
	e.Clear(wheel.Running | wheel.Again | wheel.Parked)
	set(e, wheel.Dirty, m.marked || m.how == refused && e.Is(wheel.Dirty))
	if m.how == gone {
		k.remove(c, e)
		return
	}
	if m.settled {
		k.learn(e, m.state)
		set(e, wheel.Single, m.single)
		set(e, wheel.Parked, m.parked)
		e.Floor = uint32(m.floor / time.Second)
		if m.brought {
			e.Shaky = 0
		}
		defer k.changed(e, &m.state)
	}
	switch {
	case e.Phase == schedule.Paused || e.Is(wheel.Queued):
	case more:
		k.asked(c, e, pauseOf(e))
	case m.how == panicked:
		k.in(e, retryNet)
	case m.how != finished:
		k.in(e, time.Second+rand.N(4*time.Second))
	case m.armed:
		k.in(e, m.due)
	}
}

// learn takes over what a pass has found out.
func (k *clock) learn(e *wheel.Entry, s schedule.State) {
	if e.Phase != schedule.Paused { // by a person, meanwhile
		e.Phase = s.Phase
	}
	failed := s.Phase == schedule.Waiting || s.Phase == schedule.Failing
	set(e, wheel.Failed, failed && s.Class != mail.RateLimited && s.Class != mail.Grant && s.Class != mail.Revoked)
	e.Every = uint32(s.Interval / time.Second)
	if !s.LastSync.IsZero() {
		e.Last = uint32(s.LastSync.Unix())
	}
}

func set(e *wheel.Entry, f wheel.Flag, on bool) {
	if e.Clear(f); on {
		e.Set(f)
	}
}

// one is what happens to one mailbox without anybody asking.
func (k *clock) one(c actor.Context, msg any) {
	var box id.Mailbox
	switch m := msg.(type) {
	case postponed:
		box = m.box
	case announced:
		box = m.box
	case unparked:
		box = m.box
	case again:
		box = m.box
	}
	e := k.wheel.Find(box)
	if e == nil {
		return
	}
	switch m := msg.(type) {
	case postponed:
		if e.Is(wheel.Queued) {
			e.Clear(wheel.Queued)
			e.First = uint32(max(e.Owed()/time.Second, 1)) // its lag is not over
			k.in(e, 15*time.Second+rand.N(30*time.Second))
		}
	case announced:
		k.want(c, e, admit.Announced, true)
	case again:
		if !busy(e) {
			k.want(c, e, admit.Polled, false)
		}
	case unparked:
		e.Clear(wheel.Parked)
		if m.lasted >= steady {
			e.Shaky = 0
		}
		pause := shakyFirst << e.Shaky
		e.Shaky = min(e.Shaky+1, shakyMost)
		if !busy(e) && e.Phase == schedule.Idle {
			floor := time.Duration(e.Floor) * time.Second
			k.in(e, max(pause/2+rand.N(pause), floor-m.lasted))
		}
	}
}

// several is what happens to many mailboxes: a user's, or where the governor was
// lost all of the wheel's, which takes some ten milliseconds for a million.
func (k *clock) several(c actor.Context, msg any) {
	switch m := msg.(type) {
	case wake:
		for e := range k.wheel.Of(m.user) {
			switch {
			case m.failing && e.Is(wheel.Running):
				e.Set(wheel.Again) // it may be failing with the grant of before
			case !busy(e) && (e.Phase == schedule.Failing) == m.failing:
				k.want(c, e, admit.Announced, false)
			}
		}
	case lost:
		clear(k.alone)
		for e := range k.wheel.All {
			if e.Is(wheel.Queued) {
				k.want(c, e, admit.Polled, false)
			}
		}
	case suspect:
		for e := range k.wheel.Of(m.user) {
			k.giveUp(e.User, e.Box)
		}
	}
}

// gaveUp: a mailbox that panicked again and again shows it, and is left alone
// for long.
func (k *clock) gaveUp(m gaveUp) {
	e := k.find(m.user, m.box)
	if e == nil || e.Phase == schedule.Paused {
		return
	}
	k.learn(e, m.state)
	if !busy(e) {
		k.in(e, m.due)
	}
	k.changed(e, &m.state)
}
