package plugins

import (
	"context"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// A user's rules may run ahead of their budget by what they may use in ten
// seconds; then messages wait, and where they would wait for longer than
// mostWait, a rule is left out.
const (
	ahead    = 10 * time.Second
	mostWait = 2 * time.Second
)

// What a call costs beside its fuel, a unit of which is a nanosecond at most where
// memory fits into a cache, and ten where it does not: its memory is copied back. A
// call that ended its process counts as all the time that it may take there.
const (
	priceOfPage    = 2 * time.Microsecond
	priceOfBigPage = 10 * time.Microsecond
	priceOfEnd     = runLimit
)

// budgets keep what each user's rules have used lately. The measure is fuel, not
// a clock: how busy the machine is changes nothing.
type budgets struct {
	each time.Duration // of a processor, a second and user; 0: no limit

	mu    sync.Mutex
	until map[string]time.Time // when what was used so far will have been earned
	sweep int                  // users at which those go who owe nothing
}

// wait waits until the rules of a user may run. It reports false if that is too
// far away. Its error is why ctx ended.
func (b *budgets) wait(ctx context.Context, user string) (may bool, err error) {
	if b.each == 0 {
		return true, nil
	}
	b.mu.Lock()
	d := time.Until(b.until[user].Add(-ahead)) // of nobody known: long past
	b.mu.Unlock()
	switch {
	case d <= 0:
		return true, nil
	case d > mostWait:
		return false, nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// spend takes what a call has cost.
func (b *budgets) spend(user string, cost time.Duration) {
	if b.each == 0 {
		return
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until == nil {
		b.until = map[string]time.Time{}
	}
	if len(b.until) >= b.sweep {
		for user, until := range b.until {
			if until.Before(now) {
				delete(b.until, user)
			}
		}
		b.sweep = max(64, 2*len(b.until))
	}
	until := b.until[user]
	if until.Before(now) {
		until = now
	}
	b.until[user] = until.Add(time.Duration(float64(cost) / b.each.Seconds()))
}

// cost is what asking the plugin about a message took of a processor.
func (p *Plugin) cost(fuel int64, f *Fault) time.Duration {
	if f != nil && f.Class == Died {
		return priceOfEnd
	}
	if pages := time.Duration(p.Report.Pages); pages > manifest.DefaultPages {
		return 10*time.Duration(fuel) + pages*priceOfBigPage
	}
	return time.Duration(fuel) + time.Duration(p.Report.Pages)*priceOfPage
}
