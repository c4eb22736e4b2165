package quota

import (
	"context"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// ImportUnits is what one users.messages.import costs: the table of 1 May 2026
// at developers.google.com/workspace/gmail/api/reference/quota. Whether Google
// counts the opening of an upload session beside it is not published; should
// it, the refusals teach us.
const ImportUnits = 25

// Limits are the quotas to stay within; 0 means no limit. The published ones
// are the defaults of the settings named in faults.go.
type Limits struct {
	UnitsPerUserMinute    int64
	UnitsPerProjectMinute int64
	UnitsPerProjectDay    int64
	BytesPerUserDay       int64
}

func (l Limits) day() Amount { return Amount{Units: l.UnitsPerProjectDay, Bytes: l.BytesPerUserDay} }

// Project is the allowance of one Google client project. It may be used by
// many goroutines at once; it holds its lock for arithmetic, never for I/O.
type Project struct {
	limits Limits
	days   Days
	start  time.Time // the monotonic zero of the windows

	mu     sync.Mutex
	minute *window
	hold   hold
	users  map[id.User]*account
	sweep  int // drop idle accounts when there are this many
}

// account is what is known of one user: only while there is something to know.
type account struct {
	minute *window
	hold   hold
	day    string // of taken
	taken  Amount // from that day by this process and not given back
	busy   int    // calls of Reserve and Refund under way
}

// New makes the allowance of a project. days may be nil where limits has none
// for the day.
func New(limits Limits, days Days) *Project {
	if limits.day() != (Amount{}) && days == nil {
		panic("quota: limits for the day without a store for them")
	}
	return &Project{
		limits: limits, days: days, start: time.Now(),
		minute: newWindow(limits.UnitsPerProjectMinute),
		users:  map[id.User]*account{}, sweep: 64,
	}
}

// Budget gives the handle of one user; all handles of a user share one budget.
func (p *Project) Budget(user id.User) *Budget { return &Budget{project: p, user: user} }

// enter finds the user's account, brings both windows up to now and keeps the
// account from being swept until leave. The lock is held when it returns.
func (p *Project) enter(user id.User) (*account, time.Time, time.Duration) {
	p.mu.Lock()
	now := time.Now()
	since := now.Sub(p.start)
	p.minute.advance(since)
	a := p.users[user]
	if a == nil {
		p.dropIdle(now, since)
		a = &account{minute: newWindow(p.limits.UnitsPerUserMinute)}
		p.users[user] = a
	}
	a.minute.advance(since)
	a.busy++
	return a, now, since
}

func (p *Project) leave(a *account) { p.mu.Lock(); a.busy--; p.mu.Unlock() }

// dropIdle forgets accounts that are as good as new, now and then, so that
// memory follows the users at work and not all that ever were.
func (p *Project) dropIdle(now time.Time, since time.Duration) {
	if len(p.users) < p.sweep {
		return
	}
	today, _ := dayOf(now)
	for u, a := range p.users {
		a.minute.advance(since)
		if a.busy == 0 && a.minute.idle() && a.hold.idle(now) && (a.day != today || a.taken == Amount{}) {
			delete(p.users, u)
		}
	}
	p.sweep = max(64, 2*len(p.users))
}

// Budget is the allowance of one user, as the bridge wants it (bridge.Budget).
type Budget struct {
	project *Project
	user    id.User
}

// Throttled notes a refusal by Gmail. Faults of other kinds, of mail servers
// and of Reserve itself teach nothing.
func (b *Budget) Throttled(f *mail.Fault) {
	if f == nil || f.Class != mail.RateLimited {
		return
	}
	p := b.project
	a, now, _ := p.enter(b.user)
	defer p.mu.Unlock()
	a.busy--
	switch f.Scope {
	case "project":
		if p.hold.refused(now, f.Until) && f.Until.IsZero() {
			p.minute.halve(p.hold.until.Sub(p.start))
		}
	case "user", "concurrent":
		if a.hold.refused(now, f.Until) && f.Until.IsZero() {
			a.minute.halve(a.hold.until.Sub(p.start))
		}
	case "day":
		until := f.Until
		if until.IsZero() {
			_, until = dayOf(now)
		}
		a.hold.refused(now, until)
	}
}

// grant takes up to n imports from both windows, or says why there are none.
func (p *Project) grant(a *account, n int, now time.Time, since time.Duration) (int, *mail.Fault) {
	if f := a.hold.fault(now, "user", "this Gmail account"); f != nil {
		return 0, f
	}
	if f := p.hold.fault(now, "project", "this installation"); f != nil {
		return 0, f
	}
	mine, all := a.minute.room(n), p.minute.room(n)
	if mine == 0 {
		return 0, minuteFault("this Gmail account", userMinuteSetting, p.start.Add(a.minute.free(since)))
	}
	if all == 0 {
		return 0, minuteFault("this installation", projectMinuteSetting, p.start.Add(p.minute.free(since)))
	}
	n = min(mine, all)
	a.minute.take(since, n)
	p.minute.take(since, n)
	return n, nil
}

// untake gives n imports back to both windows.
func (p *Project) untake(a *account, n int) {
	a.minute.give(n)
	p.minute.give(n)
}

// saved turns an error of the Days into a Fault.
func saved(err error) error {
	if _, ok := mail.AsFault(err); ok || err == nil {
		return err
	}
	return &mail.Fault{Class: mail.Transient, Code: "store", Text: "the day's budget could not be saved", Err: err}
}

// giveDays gives back to the day, also during a shutdown. What cannot be given
// back is lost to the day: the budget errs on the safe side.
func (p *Project) giveDays(ctx context.Context, day string, user id.User, back Amount) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = p.days.Give(ctx, day, user, back)
}
