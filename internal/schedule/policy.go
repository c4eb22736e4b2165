package schedule

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Policy is how often mailboxes are looked at. The zero Policy works.
type Policy struct {
	Default time.Duration       // between two polls where the user has not chosen; 0: 5 min
	Rand    func(n int64) int64 // a number in [0, n); nil: math/rand/v2
	// What bounds the pace of a backlog, for its ETA; 0: no limit.
	UnitsPerUserMinute, BytesPerUserDay int64
}

const (
	defaultEvery = 5 * time.Minute
	pushEvery    = 20 * time.Minute // push dies silently at some servers: look anyway
	longest      = 25 * time.Hour   // no wait is longer, whoever asks for it
	shortest     = time.Second      // nor shorter, whatever fails
	goOn         = 5 * time.Second  // to the next pass over a backlog
	anew         = time.Minute      // after a pass that was none
	quietShare   = 12               // an interval grows by this part of the time without mail
)

// Next gives the state after a pass. A pass that was cancelled or fenced leaves
// everything as it was, but for a pause in case that somebody goes on, and no
// pass ends the pause of its user.
func (p Policy) Next(before State, set Settings, o Outcome) State {
	after := before
	if o.Err != nil && void(o.Err) {
		return p.untouched(after, set, o.Now)
	}
	if o.Floor > 0 || o.Err == nil {
		after.Floor = min(max(o.Floor, 0), longest/2)
	}
	after.Interval = p.adapted(before, set, o)
	if o.Err == nil {
		after = p.wentThrough(after, set, o)
	} else if f := faultOf(o.Err); f.Class == mail.RateLimited && f.Scope == "history" {
		after = p.historyWaits(after, set, o, f)
	} else {
		after = p.failed(after, set, o, f)
	}
	after.Backlog = p.estimated(after.Backlog, o)
	if before.Phase == Paused {
		after.Phase, after.Reason, after.Until = Paused, before.Reason, before.Until
	}
	return after
}

// estimated gives a backlog the time at which it will be done: by the pace of
// the pass, and not before the budgets allow. The budget of a day that refused
// is spent.
func (p Policy) estimated(b Backlog, o Outcome) Backlog {
	if b.Messages == 0 {
		return Backlog{}
	}
	used := int64(0)
	if f, ok := mail.AsFault(o.Err); ok && f.Class == mail.RateLimited && (f.Scope == "day" || f.Scope == "history") {
		used = p.BytesPerUserDay
	}
	if at := ETA(o.Now, b.Messages, b.Bytes, p.UnitsPerUserMinute, p.BytesPerUserDay, used); at.After(b.ETA) {
		b.ETA = at
	}
	return b
}

// void reports an end that says nothing about the mailbox.
func void(err error) bool {
	f, ok := mail.AsFault(err)
	return ok && f.Code == "cancelled" || errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrFenced)
}

// untouched is a state after a pass that says nothing about the mailbox. The
// pause is nothing that is Worth writing.
func (p Policy) untouched(s State, set Settings, now time.Time) State {
	if s.Phase == Paused || s.Phase == Failing && s.Until.IsZero() {
		return s
	}
	pause := max(anew, p.floor(s, set))
	if at := now.Add(pause + p.upTo(pause/5)); at.After(s.Until) {
		s.Until = at
	}
	return s
}

func (p Policy) wentThrough(s State, set Settings, o Outcome) State {
	s = p.source(s, set, o)
	s.Phase, s.Until = Idle, time.Time{}
	s.Class, s.Failures, s.First = 0, 0, time.Time{}
	s.LastSync, s.Digest, s.Backlog, s.Accepted = o.Now, o.Digest, o.Backlog, false
	// A backlog that does not shrink (each of its messages failed) waits for
	// the next poll like everything else.
	if o.Backlog.Messages > 0 && o.Imported > 0 {
		pause := max(goOn, p.floor(s, set))
		s.Until = o.Now.Add(pause + p.upTo(pause/5))
	}
	return s
}

// historyWaits is a pass that went through but for a backlog that its budget
// has no room for. New mail has an allowance of its own and is looked for as
// ever, so the mailbox is idle; the reason is for whoever watches the backlog.
func (p Policy) historyWaits(s State, set Settings, o Outcome, f *mail.Fault) State {
	o.Digest, o.Backlog = mail.Key{}, backlog(s, o)
	s = p.wentThrough(s, set, o)
	s.Reason = reason(f, reactionTo(f), State{Until: f.Until})
	s.Reason.Help += "; new mail is imported as it comes"
	s.Until = time.Time{}
	if pause := max(f.Until.Sub(o.Now), p.floor(s, set)); pause < p.every(s, set) {
		s.Until = o.Now.Add(pause + p.upTo(pause/20))
	}
	return s
}

// backlog is what is left after a pass that may have failed before it knew.
func backlog(s State, o Outcome) Backlog {
	if o.Backlog.Messages > 0 {
		return o.Backlog
	}
	if s.Backlog.Messages -= o.Imported; s.Backlog.Messages <= 0 {
		return Backlog{}
	}
	return s.Backlog
}

func (p Policy) failed(s State, set Settings, o Outcome, f *mail.Fault) State {
	if f.Code == massChange {
		s.Phase, s.Until, s.Digest = Paused, time.Time{}, mail.Key{}
		s.Class, s.Failures, s.First = 0, 0, time.Time{}
		s.Reason = Reason{Code: f.Code, Detail: f.Text, Help: f.Help}
		return s
	}
	r := reactionTo(f)
	// What was imported before it failed breaks the row: a connection that is
	// cut every hour of a long history is not a dead host.
	fresh := s.Failures == 0 || s.Class != f.Class || o.Imported > 0
	// A clock that went back leaves First in the future.
	fresh = fresh || s.Phase != Failing && (o.Now.Before(s.First) || r.within > 0 && o.Now.Sub(s.First) > r.within)
	if fresh {
		s.Class, s.Failures, s.First = f.Class, 0, o.Now
	}
	s.Failures++
	s.Digest, s.Backlog = mail.Key{}, backlog(s, o)

	s.Phase, s.Until = Waiting, time.Time{}
	if r.failing(s, o.Now) {
		s.Phase = Failing
	}
	if s.Phase == Waiting || !r.user {
		pause := max(p.pause(r, s, f, o.Now), p.floor(s, set))
		s.Until = o.Now.Add(min(pause, longest))
	}
	s.Reason = reason(advised(f, set), r, s)
	return s
}

// massChange is the code of a listing that its user is asked about: nothing is
// done before the answer.
const massChange = "mass_change"

// Accept notes the answer: go on.
func (s *State) Accept() { s.Accepted = s.Accepted || s.Phase == Paused && s.Reason.Code == massChange }

// pause is how long nothing is tried after a failure.
func (p Policy) pause(r reaction, s State, f *mail.Fault, now time.Time) time.Duration {
	d := min(r.first<<min(s.Failures-1, 20), r.last)
	if s.Phase == Failing && r.slow > 0 {
		d = r.slow
	}
	var named time.Duration
	if !f.Until.IsZero() {
		named = min(max(f.Until.Sub(now), shortest), longest)
	}
	switch {
	case named > 0 && r.exact:
		// Those who were told the same time do not come back together.
		return named + p.upTo(min(named/20, 5*time.Minute))
	case r.full:
		return max(named, d/10+p.upTo(d-d/10))
	}
	return max(named, d) + p.upTo(d/10)
}

// adapted is the interval after this pass; it is kept while nothing is polled,
// and where the user has chosen.
func (p Policy) adapted(before State, set Settings, o Outcome) time.Duration {
	if set.PollEvery > 0 || o.Err != nil && o.Imported == 0 {
		return before.Interval
	}
	base := orDefault(p.Default, defaultEvery)
	low, high := base*2/5, base*12
	every := orDefault(before.Interval, base)
	if !before.LastSync.IsZero() {
		every += min(max(o.Now.Sub(before.LastSync), 0), longest) / quietShare
	}
	if o.Imported > 0 {
		every = min(every/2, base)
	}
	return min(max(every, low), high)
}

// Due tells when the mailbox is to be looked at: jitter included, and never
// before now. ok is false while that depends on its user.
func (p Policy) Due(s State, set Settings, now time.Time) (at time.Time, ok bool) {
	switch s.Phase {
	case Paused:
		return time.Time{}, false
	case Waiting, Failing:
		if s.Until.IsZero() && s.Phase == Failing {
			return time.Time{}, false
		}
		return p.between(s.Until, now), true
	}
	switch {
	case !s.Until.IsZero():
		return p.between(s.Until, now), true
	case s.LastSync.IsZero(): // a new mailbox
		return p.between(now, now), true
	}
	last := s.LastSync
	if last.After(now) {
		last = now // the clock was ahead, or has gone back
	}
	return p.between(last.Add(p.spread(s, set)), now), true
}

// spread is the interval, up to a fifth shorter or longer, so that mailboxes
// that were added or started together drift apart.
func (p Policy) spread(s State, set Settings) time.Duration {
	every, floor := p.every(s, set), p.floor(s, set)
	low := max(every-every/5, floor)
	high := max(every, floor) * 6 / 5
	return low + p.upTo(high-low)
}

// every is the interval without jitter and floors.
func (p Policy) every(s State, set Settings) time.Duration {
	switch {
	case set.PollEvery > 0:
		return min(set.PollEvery, longest)
	case set.Push:
		return pushEvery
	}
	return orDefault(s.Interval, orDefault(p.Default, defaultEvery))
}

// relisted is how often, on average, a mailbox is listed although its digest
// says that nothing has changed.
const relisted = 24 * time.Hour

// Relist reports whether this pass does not believe the digest. A server that
// shows old counts for ever, by a stale cache, would hide mail behind it; by
// chance, so that nothing has to be remembered, about one pass a day looks.
func (p Policy) Relist(s State, set Settings) bool {
	return p.upTo(relisted) < p.every(s, set)
}

// Floor is the least time between two logins that nobody asks for.
func (p Policy) Floor(s State, set Settings) time.Duration { return p.floor(s, set) }

// floor is the least time between two logins: the provider's, or what the
// server asks for and a tenth more, since its clock is not ours.
func (p Policy) floor(s State, set Settings) time.Duration {
	return max(providerFloor(set), s.Floor+s.Floor/10, shortest)
}

// between makes a due time sensible: what is overdue is done within a second
// or so, but neither at once, which would make a loop of a state that does not
// change, nor together with everything else that is overdue.
func (p Policy) between(at, now time.Time) time.Time {
	if !at.After(now) {
		return now.Add(shortest/2 + p.upTo(shortest))
	}
	if last := now.Add(longest); at.After(last) {
		return last
	}
	return at
}

// Worth reports whether a state must be written: whether a person or the next
// start would miss something. A longer interval or a later LastSync is not, and
// another Until alone comes of no failure: that would have counted.
func Worth(before, after State) bool {
	return after.Phase != before.Phase || after.Reason.Code != before.Reason.Code ||
		after.Class != before.Class || after.Failures != before.Failures || !after.First.Equal(before.First) ||
		after.Floor != before.Floor || after.Digest != before.Digest ||
		after.Undone != before.Undone || !after.Asked.Equal(before.Asked) || after.Accepted != before.Accepted || after.Backlog.Messages != before.Backlog.Messages || after.Backlog.Bytes != before.Backlog.Bytes ||
		after.Interval < before.Interval || before.LastSync.IsZero() != after.LastSync.IsZero()
}

// upTo draws from [0, d].
func (p Policy) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	if p.Rand != nil {
		return time.Duration(p.Rand(int64(d) + 1))
	}
	return rand.N(d + 1)
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
