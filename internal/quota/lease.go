package quota

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

const (
	giversAtOnce = 64 // fewer than the passes that a node runs

	unitSlice = 1000 // units of the project leased at once
	maxUnits  = 10 * unitSlice
	byteSlice = 8 << 20 // octets of a user leased at once, and kept after refunds, at most
)

// slice is what was leased of one counter of the day. The store knows it as
// used; it is spent in memory, which saves most mail a transaction.
type slice struct {
	used int64 // the counter when the store last told, what is left among it
	left int64 // leased and not spent
}

func (s slice) spent() int64 { return max(0, s.used-s.left) }

// day is the state of the project's day.
type day struct {
	name    string
	end     time.Time
	units   slice
	leasing bool // more units than one Reserve needs are on their way
}

// today brings the day up to date: what is left of yesterday's slices is void.
func (p *Project) today(now time.Time) {
	if !now.Before(p.day.end) {
		name, end := dayOf(now)
		p.day = day{name: name, end: end}
	}
}

func (a *account) today(p *Project) {
	if a.day != p.day.name {
		a.day, a.taken, a.bytes, a.slice = p.day.name, Amount{}, slice{}, 0
	}
}

// allowedDay is what b may use of a day: old mail leaves a tenth to new mail.
func (b *Budget) allowedDay() Amount {
	l := b.project.limits.day()
	if b.old {
		l.Units -= l.Units / oldLeaves
		l.Bytes -= l.Bytes / oldLeaves
	}
	return l
}

// lease is what one Reserve has taken out of the slices, and wants from the
// store beside it.
type lease struct {
	day   string
	part  Amount // out of the slices
	need  Amount // what they lack: nothing means that the store need not be asked
	more  Amount // what is worth taking with it
	back  Amount // to give back first
	extra bool   // it set day.leasing
}

// spend takes the longest run of sizes that the day seems to allow out of the
// slices. p.mu is held.
func (b *Budget) spend(a *account, sizes []int64) (int, lease) {
	p := b.project
	limit := b.allowedDay()
	l := lease{day: p.day.name}
	n := run(Amount{Units: p.day.units.spent(), Bytes: a.bytes.spent()}, limit, sizes)
	if n == 0 {
		// The store decides: others may have given something back.
		l.need = limited(cost(sizes[:1]), limit)
		return 1, l
	}
	want := limited(cost(sizes[:n]), limit)
	if limit.Bytes > 0 && want.Bytes > limit.Bytes {
		// The first of a day: so it is in the store only when nothing is leased.
		l.back.Bytes = a.bytes.left
		a.bytes = slice{}
	}
	l.part = Amount{Units: min(want.Units, p.day.units.left), Bytes: min(want.Bytes, a.bytes.left)}
	p.day.units.left -= l.part.Units
	a.bytes.left -= l.part.Bytes
	l.need = Amount{Units: want.Units - l.part.Units, Bytes: want.Bytes - l.part.Bytes}
	if l.need.Units > 0 && !p.day.leasing {
		l.more.Units = max(0, unitSlice-l.need.Units)
		l.extra = true
		p.day.leasing = true
	}
	if l.need.Bytes > 0 {
		// The first lease is what is needed: most mailboxes bring one mail.
		a.slice = min(byteSlice, max(2*a.slice, l.need.Bytes))
		l.more.Bytes = max(0, a.slice-l.need.Bytes)
	}
	return n, l
}

// take leases what l needs for the longest run of sizes that fits into the
// day; near its limit a lease is no more than that. It gives the counters as
// the store told them. No lock is held.
func (b *Budget) take(ctx context.Context, l *lease, sizes []int64) (n int, used Amount, err error) {
	limit := b.allowedDay()
	if l.back != (Amount{}) {
		b.project.giveDays(ctx, l.day, b.user, l.back)
	}
	for n = len(sizes); n > 0; {
		want := limited(cost(sizes[:n]), limit)
		l.need = Amount{Units: max(0, want.Units-l.part.Units), Bytes: max(0, want.Bytes-l.part.Bytes)}
		if l.need == (Amount{}) {
			l.more = Amount{}
			return n, used, nil
		}
		l.more = Amount{
			Units: clampTo(l.more.Units, limit.Units-used.Units-l.need.Units),
			Bytes: clampTo(l.more.Bytes, limit.Bytes-used.Bytes-l.need.Bytes),
		}
		all := Amount{Units: l.need.Units + l.more.Units, Bytes: l.need.Bytes + l.more.Bytes}
		var ok bool
		used, ok, err = b.project.days.Take(ctx, l.day, b.user, all, limit)
		if err != nil || ok {
			return n, used, err
		}
		if l.more == (Amount{}) {
			n--
		}
		l.more = Amount{}
		n = min(n, run(Amount{Units: max(0, used.Units-l.part.Units), Bytes: max(0, used.Bytes-l.part.Bytes)}, limit, sizes))
	}
	return 0, used, nil
}

// settle notes what became of a lease: sizes go, the rest of it is put back
// into the slices. asked says that used is news from the store. p.mu is held.
func (b *Budget) settle(a *account, l lease, sizes []int64, used Amount, asked bool) {
	p := b.project
	if p.day.name != l.day || a.day != l.day {
		return // what is left of a day that has ended is void
	}
	if l.extra {
		p.day.leasing = false
	}
	limit := b.allowedDay()
	spent := limited(cost(sizes), limit)
	if asked {
		p.day.units.used, a.bytes.used = used.Units, used.Bytes
		p.day.units.left += l.more.Units
		a.bytes.left += l.more.Bytes
	}
	p.day.units.left += max(0, l.part.Units-spent.Units)
	a.bytes.left += max(0, l.part.Bytes-spent.Bytes)
	a.taken.Units += spent.Units
	a.taken.Bytes += spent.Bytes
}

// limited leaves out what has no limit: it is not counted.
func limited(a, limit Amount) Amount {
	if limit.Units == 0 {
		a.Units = 0
	}
	if limit.Bytes == 0 {
		a.Bytes = 0
	}
	return a
}

func clampTo(n, most int64) int64 { return max(0, min(n, most)) }

// unspent takes what a has leased and not spent beyond keep out of its slice,
// to be given back to the store. p.mu is held.
func (p *Project) unspent(a *account, keep int64) Amount {
	if a.day != p.day.name {
		return Amount{}
	}
	return Amount{Bytes: a.bytes.cut(keep)}
}

// unspentUnits is the same for the project's units.
func (p *Project) unspentUnits(keep int64) int64 { return p.day.units.cut(keep) }

func (s *slice) cut(keep int64) int64 {
	back := max(0, s.left-keep)
	s.left -= back
	s.used = max(0, s.used-back)
	return back
}

// Close gives back to the day what was leased and not spent. The Project can
// be used afterwards; what it leases then wants another Close.
func (p *Project) Close(ctx context.Context) error {
	p.giving.Wait()
	back := map[id.User]Amount{}
	p.mu.Lock()
	p.today(time.Now())
	for u, a := range p.users {
		if left := p.unspent(a, 0); left != (Amount{}) {
			back[u] = left
		}
	}
	if units := p.unspentUnits(0); units > 0 {
		var u id.User
		for u = range back {
			break
		}
		back[u] = Amount{Units: units, Bytes: back[u].Bytes}
	}
	day := p.day.name
	p.mu.Unlock()
	return p.giveAll(ctx, day, back)
}

// giveAll gives back to the store for many users at a time, so that they share
// its commits.
func (p *Project) giveAll(ctx context.Context, day string, back map[id.User]Amount) error {
	var mu sync.Mutex
	var errs error
	var wg sync.WaitGroup
	room := make(chan struct{}, giversAtOnce)
	for u, amount := range back {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := p.days.Give(ctx, day, u, amount); err != nil {
				mu.Lock()
				errs = errors.Join(errs, saved(err))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs
}
