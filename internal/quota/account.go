package quota

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

const (
	sweepEvery = time.Minute
	// idleFor is how long a user's slice of the day waits for his next mail.
	idleFor = 10 * time.Minute
)

// account is what is known of one user: only while there is something to know.
type account struct {
	minute   *window
	hold     hold
	new, old flow
	granted  bool
	last     time.Duration // last grant
	busy     int           // calls that are at the store

	day   string // of what follows
	taken Amount // by this process, not given back
	bytes slice
	slice int64 // size of the next lease
}

func (a *account) flow(old bool) *flow {
	if old {
		return &a.old
	}
	return &a.new
}

// recent is how many of n imports can be of the last minute.
func (a *account) recent(n int, since time.Duration) int {
	switch {
	case !a.granted || since-a.last > span:
		return 0
	case a.minute.limit == 0:
		return n
	}
	return min(n, int(a.minute.used/ImportUnits))
}

// enter finds the user's account and brings the windows up to now. The lock is
// held when it returns.
func (p *Project) enter(user id.User) (*account, time.Time, time.Duration) {
	p.mu.Lock()
	now := time.Now()
	since := now.Sub(p.start)
	p.today(now)
	p.minute.advance(since)
	p.share.advance(p.minute, since)
	if since-p.swept >= sweepEvery {
		p.swept = since
		p.dropIdle(now, since)
	}
	a := p.users[user]
	if a == nil {
		a = &account{minute: newWindow(p.limits.UnitsPerUserMinute), new: flow{weight: 1}, old: flow{weight: forOld}}
		p.users[user] = a
	}
	a.minute.advance(since)
	a.today(p)
	return a, now, since
}

// dropIdle forgets accounts that are as good as new, once a minute, so that
// memory follows the users at work and not all that ever were. What is left of
// their slices goes back to the store, on a goroutine: nobody waits for it but
// Close. p.mu is held.
func (p *Project) dropIdle(now time.Time, since time.Duration) {
	back := map[id.User]Amount{}
	for u, a := range p.users {
		a.minute.advance(since)
		a.today(p)
		if a.busy > 0 || a.new.joined || a.old.joined || !a.minute.idle() || !a.hold.idle(now) {
			continue
		}
		if since-a.last < idleFor && a.taken != (Amount{}) {
			continue
		}
		if left := p.unspent(a, 0); left != (Amount{}) {
			back[u] = left
		}
		delete(p.users, u)
	}
	if len(back) == 0 {
		return
	}
	day := p.day.name
	p.giving.Go(func() { _ = p.giveAll(context.Background(), day, back) })
}
