package admit

import (
	"container/heap"
	"time"
)

// stall takes a lane away until it can be of use.
func (d *Desk) stall(l *lane, wake time.Time) {
	l.stalled, l.wake = true, wake
	if !wake.IsZero() {
		heap.Push(&d.asleep, l)
	}
	d.offer(l)
}

// rouse looks at a lane again after something has been given back.
func (d *Desk) rouse(l *lane) {
	if l.stalled && !l.wake.IsZero() {
		d.asleep.remove(l)
	}
	l.stalled, l.wake = false, time.Time{}
	d.offer(l)
}

// Next is when Pump may find something to do that no call has brought about.
func (d *Desk) Next() (time.Time, bool) {
	if len(d.asleep) == 0 {
		return time.Time{}, false
	}
	return d.asleep[0].wake, true
}

// sleepers are the stalled lanes by the time they wake.
type sleepers []*lane

func (s sleepers) Len() int           { return len(s) }
func (s sleepers) Less(i, j int) bool { return s[i].wake.Before(s[j].wake) }
func (s sleepers) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sleepers) Push(x any)        { *s = append(*s, x.(*lane)) }

// Pop removes the last, as package heap wants it.
func (s *sleepers) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func (s *sleepers) remove(l *lane) {
	for i, x := range *s {
		if x == l {
			heap.Remove(s, i)
			return
		}
	}
}
