package plugins

import (
	"math/bits"
	"sync"
	"time"
)

// A plugin that fails for a user rests: three times in a row, or five times in
// twenty messages, and it is left out for ten minutes, then for twice as long
// each time that it fails its next message, up to a day.
const (
	failuresInRow = 0b111
	failuresOfMax = 5
	remembered    = 20
	firstRest     = 10 * time.Minute
	longestRest   = 24 * time.Hour
)

type breakerKey struct {
	user   string
	plugin Digest
}

// breakers hold what failed lately; who never fails has none.
type breakers struct {
	mu sync.Mutex
	by map[breakerKey]*breaker
}

type breaker struct {
	recent uint32 // a bit for each of the last messages, the last one lowest: it failed
	rest   time.Duration
	until  time.Time // it rests; zero: it does not
	trying bool      // the message after the rest is being looked at
}

// allow reports whether the plugin may be asked for this user now.
func (b *breakers) allow(key breakerKey) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	br := b.by[key]
	if br == nil || br.until.IsZero() {
		return true
	}
	if br.trying || time.Now().Before(br.until) {
		return false
	}
	br.trying = true
	return true
}

// unasked takes an allowance back: the message was not looked at after all.
func (b *breakers) unasked(key breakerKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if br := b.by[key]; br != nil {
		br.trying = false
	}
}

// note remembers how a message went.
func (b *breakers) note(key breakerKey, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	br := b.by[key]
	if br == nil {
		if !failed {
			return
		}
		if b.by == nil {
			b.by = map[breakerKey]*breaker{}
		}
		br = &breaker{}
		b.by[key] = br
	}
	br.recent = (br.recent<<1 | uint32(b2i(failed))) & (1<<remembered - 1)
	switch {
	case failed && (br.trying || br.recent&failuresInRow == failuresInRow || bits.OnesCount32(br.recent) >= failuresOfMax):
		br.rest = min(max(2*br.rest, firstRest), longestRest)
		br.until, br.recent = time.Now().Add(br.rest), 0
	case br.trying:
		br.until = time.Time{}
	}
	br.trying = false
	if br.recent == 0 && br.until.IsZero() {
		delete(b.by, key) // it has been good for long
	}
}
