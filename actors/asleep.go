package actors

import (
	"sync/atomic"
	"time"
)

// asleep is how long the machine has slept since the start. The monotonic clock
// stands still meanwhile, and with it the wheel and every timer: a laptop that
// is opened in the morning would look for mail five minutes later, or hours.
//
// Only the wall clock goes on, which may jump for other reasons as well. So it
// is asked for nothing but this: where it has gained on the monotonic one, the
// wheel gains the same; where it has lost, or jumps by years, nothing is undone
// and no more than a day is gained. At worst each mailbox is looked at once too
// early, as the limits let it.
type asleep struct {
	gained atomic.Int64
	ahead  time.Duration // of the wall clock, when last looked at; belongs to the clock
}

const (
	sleepCheck = 20 * time.Second // how long after waking it is noticed, at most
	jitterMost = 5 * time.Second  // what a clock that is being adjusted gains between two looks
)

func (a *asleep) total() time.Duration { return time.Duration(a.gained.Load()) }

// look compares the time since the start on both clocks, and gives what has
// just been gained.
func (a *asleep) look(monotonic, wall time.Duration) time.Duration {
	gain := wall - monotonic - a.ahead
	a.ahead += gain
	if gain <= jitterMost {
		return 0
	}
	gain = min(gain, farthest)
	a.gained.Add(int64(gain))
	return gain
}
