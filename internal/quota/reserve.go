package quota

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// maxSize bounds what a mail server may announce for one message, so that sums
// of sizes never overflow.
const maxSize = 1 << 40

// userTurns is how many turns of a user's minute are worth coming back for.
const userTurns = 8

// Reserve takes the allowance for as many of the messages as fit now, in
// order, at least one; sizes holds the octets of each. If not even the first
// fits it fails with a RateLimited Fault of Scope "minute", "day", "user" or
// "project", whose Until says when to ask again. It blocks for the store of
// the day's counters and for nothing else, and for that only when the slice of
// the day that it holds is spent.
//
// A message larger than the whole day's budget goes only as the first of a
// day; else it could never go.
func (b *Budget) Reserve(ctx context.Context, sizes []int64) (granted int, err error) {
	if len(sizes) == 0 {
		return 0, nil
	}
	p := b.project
	a, now, since := p.enter(b.user)
	n, fault := b.grant(a, len(sizes), now, since)
	if fault != nil || p.limits.day() == (Amount{}) {
		p.mu.Unlock()
		return n, asError(fault)
	}
	got, l := b.spend(a, sizes[:n])
	if l.need == (Amount{}) {
		b.untake(a, n-got)
		b.settle(a, l, sizes[:got], Amount{}, false)
		p.mu.Unlock()
		return got, nil
	}
	a.busy++
	end := p.day.end
	p.mu.Unlock()

	got, used, err := b.take(ctx, &l, sizes[:got])
	if err != nil {
		got = 0
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	a.busy--
	b.untake(a, n-got)
	b.settle(a, l, sizes[:got], used, err == nil)
	if err != nil {
		return 0, saved(err)
	}
	if got == 0 {
		used = Amount{Units: max(0, used.Units-l.part.Units), Bytes: max(0, used.Bytes-l.part.Bytes)}
		return 0, b.dayFault(used, size(sizes[0]), end)
	}
	return got, nil
}

// grant takes up to n imports from both minutes, or says why there are none.
// p.mu is held.
func (b *Budget) grant(a *account, n int, now time.Time, since time.Duration) (int, *mail.Fault) {
	p := b.project
	if a.hold.on(now) {
		return 0, a.hold.fault("user", "this Gmail account", a.hold.until)
	}
	if p.hold.on(now) {
		wait := p.share.after(p.minute, a.flow(b.old), p.hold.until.Sub(p.start), since)
		return 0, p.hold.fault("project", "this installation", p.start.Add(wait))
	}
	allowed := a.minute.allowed
	if b.old {
		allowed -= allowed / oldLeaves
	}
	mine := a.minute.roomWithin(n, allowed)
	if mine == 0 {
		// A batch worth a session with the source, not the first import alone.
		until := a.minute.freeWithin(since, min(n, int(allowed/ImportUnits/userTurns)), allowed)
		return 0, minuteFault("this Gmail account", userMinuteSetting, p.start.Add(until))
	}
	n, until := p.share.grant(p.minute, a.flow(b.old), mine, since)
	if n == 0 {
		return 0, minuteFault("this installation", projectMinuteSetting, p.start.Add(until))
	}
	a.minute.take(since, n)
	p.minute.take(since, n)
	a.granted, a.last = true, since
	return n, nil
}

// untake gives n imports back to both minutes. p.mu is held.
func (b *Budget) untake(a *account, n int) {
	a.minute.give(n)
	b.project.minute.give(n)
	b.project.share.give(b.project.minute, a.flow(b.old), n)
}

// Refund gives back what was reserved for messages that were not imported.
// What was reserved before midnight stays spent. Of a minute that has passed
// nothing is left to give back: what comes late would be room that others have
// used since. So the minutes get no more than this user took within the last
// one, where that is counted, and nothing where he took nothing.
func (b *Budget) Refund(ctx context.Context, messages int, bytes int64) {
	p := b.project
	messages, bytes = max(0, messages), max(0, bytes)
	a, _, since := p.enter(b.user)
	b.untake(a, a.recent(messages, since))
	back := Amount{
		Units: min(int64(messages)*ImportUnits, a.taken.Units),
		Bytes: min(bytes, a.taken.Bytes),
	}
	a.taken.Units -= back.Units
	a.taken.Bytes -= back.Bytes
	p.day.units.left += back.Units
	a.bytes.left += back.Bytes
	// A crash should not waste more than a slice.
	surplus := p.unspent(a, byteSlice)
	surplus.Units = p.unspentUnits(maxUnits)
	day := p.day.name
	p.mu.Unlock()
	if surplus != (Amount{}) {
		p.giveDays(ctx, day, b.user, surplus)
	}
}

// run gives the length of the longest run of sizes that fits.
func run(used, limit Amount, sizes []int64) int {
	var want Amount
	for i, s := range sizes {
		want.Units += ImportUnits
		want.Bytes += size(s)
		ok := within(used.Units, want.Units, limit.Units) && within(used.Bytes, want.Bytes, limit.Bytes)
		if i == 0 { // one alone may be larger than the limit, on an untouched day
			ok = fits(used.Units, want.Units, limit.Units) && fits(used.Bytes, want.Bytes, limit.Bytes)
		}
		if !ok {
			return i
		}
	}
	return len(sizes)
}

func within(used, want, limit int64) bool { return limit == 0 || used+want <= limit }

func cost(sizes []int64) Amount {
	c := Amount{Units: int64(len(sizes)) * ImportUnits}
	for _, s := range sizes {
		c.Bytes += size(s)
	}
	return c
}

// size makes an announced size one to calculate with: unknown (-1) is 0.
func size(s int64) int64 { return max(0, min(s, maxSize)) }

func asError(f *mail.Fault) error {
	if f == nil {
		return nil // not a nil *Fault in an error
	}
	return f
}
