package sim

import (
	"sync"
	"time"
)

// budget is how Gmail counts: strictly, whatever the program thinks. Units
// come back evenly over a minute; octets count for the day in California.
type budget struct {
	w *world

	mu       sync.Mutex
	users    map[*user]*bucket
	project  bucket
	days     map[userDay]int64
	excuse   map[*user]time.Time // when something held up what had been reserved; nil: for all
	spent    int64
	refusals int
}

type userDay struct {
	u   *user
	day string
}

// bucket refills evenly over a minute.
type bucket struct {
	units float64
	at    time.Time
}

func newBudget(w *world) *budget {
	return &budget{w: w, users: make(map[*user]*bucket), days: make(map[userDay]int64), excuse: make(map[*user]time.Time)}
}

func (b *bucket) take(limit, units int64, now time.Time) bool {
	if b.at.IsZero() {
		b.units = float64(limit)
	}
	b.units = min(float64(limit), b.units+float64(limit)*now.Sub(b.at).Minutes())
	b.at = now
	if b.units < float64(units) {
		return false
	}
	b.units -= float64(units)
	return true
}

// disturbed notes that something holds up requests for which there is a
// budget already, of one user or of all: they may come when others have
// theirs. A process that starts knows nothing of the minute before.
func (b *budget) disturbed(u *user) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.excuse[u] = later(b.excuse[u], time.Now())
}

// sleeps is disturbed for as long as the machine sleeps.
func (b *budget) sleeps(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.excuse[nil] = later(b.excuse[nil], until)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// excused reports whether too many requests of u have a cause outside the program.
func (b *budget) excused(u *user, now time.Time) bool {
	return now.Sub(b.excuse[nil]) < 5*time.Minute || now.Sub(b.excuse[u]) < 5*time.Minute
}

// take takes units, or gives Gmail's refusal: a sin, unless it has an excuse.
func (b *budget) take(u *user, units int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	mine := b.users[u]
	if mine == nil {
		mine = &bucket{}
		b.users[u] = mine
	}
	who := ""
	switch {
	case !mine.take(b.w.limits.UnitsPerUserMinute, units, now):
		who = "user"
	case !b.project.take(b.w.limits.UnitsPerProjectMinute, units, now):
		who = "project"
	default:
		b.spent += units
		return nil
	}
	b.refusals++
	if !b.excused(u, now) {
		b.w.sin("%s: more units than the %s has in a minute", u.name, who)
	}
	return refusal(who, time.Time{})
}

var california = time.FixedZone("UTC-8", -8*60*60)

// carry counts the octets of a message that is in Gmail now.
func (b *budget) carry(u *user, octets int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	d := userDay{u, now.In(california).Format(time.DateOnly)}
	alone := b.days[d] == 0 // one message may be larger than the day
	b.days[d] += octets
	if b.days[d] > b.w.limits.BytesPerUserDay && !alone && !b.excused(u, now) {
		b.w.sin("%s: %d octets in a day, more than %d", u.name, b.days[d], b.w.limits.BytesPerUserDay)
	}
}
