package quota

import "time"

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
