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

// oldLeaves is the part of a user's minute, and of the days, that old mail
// leaves to new mail: a tenth.
const oldLeaves = 10

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

	giving sync.WaitGroup // what idle users leave is on its way to the store

	mu     sync.Mutex
	minute *window
	share  share
	hold   hold
	day    day
	users  map[id.User]*account
	swept  time.Duration
}

// New makes the allowance of a project. days may be nil where limits has none
// for the day.
func New(limits Limits, days Days) *Project {
	if limits.day() != (Amount{}) && days == nil {
		panic("quota: limits for the day without a store for them")
	}
	p := &Project{
		limits: limits, days: days, start: time.Now(),
		minute: newWindow(limits.UnitsPerProjectMinute),
		users:  map[id.User]*account{},
	}
	p.share.level = max(usual(perMinute(p.minute)), leastBurst)
	return p
}

// Budget gives the handle of one user; all handles of a user share one budget.
func (p *Project) Budget(user id.User) *Budget { return &Budget{project: p, user: user} }

// Budget is the allowance of one user, as the bridge wants it (bridge.Budget).
type Budget struct {
	project *Project
	user    id.User
	old     bool
}

// History gives the same user's allowance for old mail. It gives way to new
// mail: it leaves a tenth of the user's minute and of the days alone, stops
// first when the project's minute runs low, and comes to a tenth of what a user
// with new mail gets when there is not enough for all.
func (b *Budget) History() *Budget { return &Budget{project: b.project, user: b.user, old: true} }

// Throttled notes a refusal by Gmail. Faults of other kinds, of mail servers
// and of Reserve itself teach nothing.
func (b *Budget) Throttled(f *mail.Fault) {
	if f == nil || f.Class != mail.RateLimited {
		return
	}
	p := b.project
	a, now, _ := p.enter(b.user)
	defer p.mu.Unlock()
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

// Held gives the time that Gmail has named for this user, if that is yet to
// come: what must outlive a restart. The short pauses that we choose ourselves
// need not.
func (b *Budget) Held() (until time.Time, ok bool) {
	p := b.project
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.users[b.user]
	if a == nil || !a.hold.named || !time.Now().Before(a.hold.until) {
		return time.Time{}, false
	}
	return a.hold.until, true
}

// Hold stops all grants to this user until then, as Held told it before a
// restart. It never makes a hold shorter.
func (b *Budget) Hold(until time.Time) {
	p := b.project
	a, now, _ := p.enter(b.user)
	defer p.mu.Unlock()
	if until.After(now) {
		a.hold.refused(now, until)
	}
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
