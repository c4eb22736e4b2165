package quota

import "time"

const (
	span = time.Minute            // the quotas are per minute
	tick = 100 * time.Millisecond // how finely a window remembers; bounds its log to 601 entries
	// floorPart is the share of a limit that refusals never take away.
	floorPart = 16
	// creepPart is the share of a limit that comes back in a quiet minute.
	creepPart = 10
)

// window counts what was taken in the last 60 seconds and how much may be. Of
// two ways to keep a quota per minute, a bucket that refills would let twice
// the limit through in its first minute; this never does. Times are offsets
// from the start of the Project, so that a step of the wall clock is nothing.
type window struct {
	limit   int64 // 0: none
	allowed int64 // ≤ limit: what refusals left of it
	crept   time.Duration
	log     []spent // oldest first
	used    int64   // sum of log
}

type spent struct {
	tick  int64
	units int64
}

func newWindow(limit int64) *window { return &window{limit: limit, allowed: limit} }

// advance forgets what is older than a minute and lets the allowance creep up.
func (w *window) advance(now time.Duration) {
	old := 0
	for old < len(w.log) && w.log[old].expires() <= now {
		w.used -= w.log[old].units
		old++
	}
	if old > 0 {
		w.log = append(w.log[:0], w.log[old:]...)
	}
	if w.allowed >= w.limit {
		return
	}
	if quiet := int64((now - w.crept) / span); quiet > 0 {
		w.allowed = min(w.limit, w.allowed+quiet*max(1, w.limit/creepPart))
		w.crept += time.Duration(quiet) * span
	}
}

// expires is the first moment that is a whole minute after everything spent in
// this tick.
func (s spent) expires() time.Duration { return time.Duration(s.tick+1)*tick + span }

// room gives how many imports fit now. A limit below the cost of one import
// lets one through a minute.
func (w *window) room(want int) int { return w.roomWithin(want, w.allowed) }

// roomWithin is room where only a part of the allowance may be used.
func (w *window) roomWithin(want int, allowed int64) int {
	if w.limit == 0 {
		return want
	}
	n := int((allowed - w.used) / ImportUnits)
	if n <= 0 && w.used == 0 {
		n = 1
	}
	return max(0, min(want, n))
}

// take counts n imports.
func (w *window) take(now time.Duration, n int) {
	if w.limit == 0 || n == 0 {
		return
	}
	t, units := int64(now/tick), int64(n)*ImportUnits
	w.used += units
	if last := len(w.log) - 1; last >= 0 && w.log[last].tick == t {
		w.log[last].units += units
		return
	}
	w.log = append(w.log, spent{t, units})
}

// give takes n imports back: the oldest ones first, which keeps what remains
// in the log for longest.
func (w *window) give(n int) {
	back := int64(n) * ImportUnits
	for i := 0; i < len(w.log) && back > 0; i++ {
		part := min(back, w.log[i].units)
		w.log[i].units -= part
		w.used -= part
		back -= part
	}
}

// free gives the moment at which n imports fit, or as many as ever do.
func (w *window) free(now time.Duration, n int) time.Duration {
	return w.freeWithin(now, n, w.allowed)
}

func (w *window) freeWithin(now time.Duration, n int, allowed int64) time.Duration {
	need := max(ImportUnits, min(int64(n)*ImportUnits, allowed))
	used := w.used
	for _, s := range w.log {
		if used == 0 || used+need <= allowed {
			break
		}
		used -= s.units
		now = max(now, s.expires())
	}
	return now
}

// halve answers a refusal. The quiet time that follows is counted from then.
func (w *window) halve(then time.Duration) {
	w.allowed = max(w.allowed/2, w.limit/floorPart, min(w.limit, ImportUnits))
	w.crept = then
}

// idle reports whether forgetting this window would change nothing.
func (w *window) idle() bool { return w.used == 0 && w.allowed >= w.limit }
