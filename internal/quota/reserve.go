package quota

import (
	"context"
)

// maxSize bounds what a mail server may announce for one message, so that sums
// of sizes never overflow.
const maxSize = 1 << 40

// Reserve takes the allowance for as many of the messages as fit now, in
// order, at least one; sizes holds the octets of each. If not even the first
// fits it fails with a RateLimited Fault of Scope "minute", "day", "user" or
// "project", whose Until says when to ask again. It blocks for the store of
// the day's counters and for nothing else.
//
// A message larger than the whole day's budget goes only as the first of a
// day; else it could never go.
func (b *Budget) Reserve(ctx context.Context, sizes []int64) (granted int, err error) {
	if len(sizes) == 0 {
		return 0, nil
	}
	p := b.project
	a, now, since := p.enter(b.user)
	n, fault := p.grant(a, len(sizes), now, since)
	p.mu.Unlock()
	defer p.leave(a)
	if fault != nil {
		return 0, fault
	}
	if p.limits.day() == (Amount{}) {
		return n, nil
	}

	day, end := dayOf(now)
	got, used, err := b.takeDay(ctx, day, sizes[:n])
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.untake(a, n)
		return 0, saved(err)
	}
	p.untake(a, n-got)
	if got == 0 {
		return 0, dayFault(used, p.limits.day(), size(sizes[0]), end)
	}
	if a.day < day {
		a.day, a.taken = day, Amount{}
	}
	if a.day == day {
		took := cost(sizes[:got])
		a.taken.Units += took.Units
		a.taken.Bytes += took.Bytes
	}
	return got, nil
}

// takeDay takes the longest run of sizes that fits into the day. The store
// decides; what it says is used makes the next attempt a shorter one, so it
// ends whatever others take or give back meanwhile.
func (b *Budget) takeDay(ctx context.Context, day string, sizes []int64) (int, Amount, error) {
	limit := b.project.limits.day()
	var used Amount
	for n := run(used, limit, sizes); n > 0; n = min(n-1, run(used, limit, sizes)) {
		var ok bool
		var err error
		used, ok, err = b.project.days.Take(ctx, day, b.user, cost(sizes[:n]), limit)
		if err != nil || ok {
			return n, used, err
		}
	}
	return 0, used, nil
}

// Refund gives back what was reserved for messages that were not imported.
// What was reserved before midnight stays spent.
func (b *Budget) Refund(ctx context.Context, messages int, bytes int64) {
	p := b.project
	messages, bytes = max(0, messages), max(0, bytes)
	a, now, _ := p.enter(b.user)
	defer p.leave(a)
	p.untake(a, messages)
	var back Amount
	day, _ := dayOf(now)
	if a.day == day {
		back = Amount{
			Units: min(int64(messages)*ImportUnits, a.taken.Units),
			Bytes: min(bytes, a.taken.Bytes),
		}
		a.taken.Units -= back.Units
		a.taken.Bytes -= back.Bytes
	}
	p.mu.Unlock()
	if back != (Amount{}) {
		p.giveDays(ctx, day, b.user, back)
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
