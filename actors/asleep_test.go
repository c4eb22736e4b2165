package actors

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// While the machine sleeps its monotonic clock stands still, and the wall clock
// goes on.
func TestWhatBecameDueWhileTheMachineSleptIsLookedAtSoonAfterItWakes(t *testing.T) {
	for name, c := range map[string]struct {
		jump        time.Duration
		least, most int // passes within half a minute, over ten mailboxes
	}{
		"a night":                    {8 * time.Hour, 10, 10},
		"a nap within the intervals": {3 * time.Minute, 0, 0},
		"set back by a day":          {-24 * time.Hour, 0, 0},
		"set ahead by ten years":     {87600 * time.Hour, 10, 10},
		"adjusted":                   {2 * time.Second, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				for range 10 {
					w.add(id.New[id.User](), 1)
				}
				w.prepare = func(_ *row, j *Job) error { j.Settings.PollEvery = time.Hour; return nil }
				var jump atomic.Int64
				w.start(Options{Limits: noLimits(), Policy: schedule.Policy{}}, func(o *Options) {
					o.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(jump.Load())) }
				})
				<-w.Ready()
				rest(6 * time.Minute) // each has had its first pass: the next are ¾ of an hour away
				before, _ := w.total()
				jump.Store(int64(c.jump))
				rest(30 * time.Second)
				after, _ := w.total()
				if n := after - before; n < c.least || n > c.most {
					t.Errorf("%d passes, want %d to %d", n, c.least, c.most)
				}
				rest(20 * time.Minute) // and no storm
				if again, _ := w.total(); again > after {
					t.Errorf("%d passes more", again-after)
				}
				w.stop(t)
			})
		})
	}
}
