package quota

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Usage is what a person who runs the installation wants to see of the quotas.
type Usage struct {
	Minute  Spent // units of the project in the last 60 seconds
	Day     Spent // units of the project today
	Active  int   // users who were granted something in the last minute
	Waiting int   // of new and old mail each: told to come back for want of the project's minute
}

// Spent is how much of a limit is used.
type Spent struct {
	Used    int64
	Allowed int64 // what Gmail's refusals have left of Limit
	Limit   int64 // 0: none, and nothing is counted
}

// Usage gives the figures of now. It looks at every user at work: for a
// collector of metrics, not for each message.
func (p *Project) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	since := now.Sub(p.start)
	p.today(now)
	p.minute.advance(since)
	u := Usage{
		Minute: Spent{Used: p.minute.used, Allowed: p.minute.allowed, Limit: p.minute.limit},
		Day:    Spent{Used: p.day.units.spent(), Allowed: p.limits.UnitsPerProjectDay, Limit: p.limits.UnitsPerProjectDay},
	}
	for _, a := range p.users {
		if a.granted && since-a.last < span {
			u.Active++
		}
	}
	for _, f := range p.share.flows {
		if f.until != 0 && since <= f.until+patience {
			u.Waiting++
		}
	}
	return u
}

// BytesToday gives the octets of a user that Gmail has taken today, as far as
// they are counted: without a limit they are not.
func (p *Project) BytesToday(ctx context.Context, user id.User) (int64, error) {
	if p.limits.BytesPerUserDay == 0 {
		return 0, nil
	}
	day, leased := p.leased(user)
	used, err := p.days.Used(ctx, day, user)
	if err != nil {
		return 0, saved(err)
	}
	return max(0, used.Bytes-leased), nil
}

// leased gives the day, and what the store counts for a user that is not spent.
func (p *Project) leased(user id.User) (day string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.today(time.Now())
	if a := p.users[user]; a != nil && a.day == p.day.name {
		bytes = a.bytes.left
	}
	return p.day.name, bytes
}
