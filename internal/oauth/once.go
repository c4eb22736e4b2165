package oauth

import (
	"cmp"
	"sync"
	"time"
)

// onceMax bounds the memory for used states: two generations of it, some 3 MiB
// each when full. Beyond it the oldest are forgotten, and a code that comes
// twice is refused by Google alone.
const onceMax = 1 << 15

// once remembers which states were used, for as long as their flows live. It
// keeps two generations and drops the older one when the younger one is full or
// FlowLife old.
type once struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	begun      time.Time
	max        int // 0 is onceMax
}

// take reports whether a state is used for the first time.
func (o *once) take(state string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.young == nil || len(o.young) >= cmp.Or(o.max, onceMax) || now.Sub(o.begun) >= FlowLife {
		o.old, o.young, o.begun = o.young, map[string]struct{}{}, now
	}
	if _, used := o.old[state]; used {
		return false
	}
	if _, used := o.young[state]; used {
		return false
	}
	o.young[state] = struct{}{}
	return true
}
