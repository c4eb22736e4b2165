// Package limit says how often somebody may do something: token buckets in
// memory, of which there is a bounded number.
//
// A bucket that is full again is as good as none, so it is dropped; when there
// is no room for another one, those that have waited longest go first. Whoever
// sends from ten thousand addresses thus gets what ten thousand buckets give
// and never our memory; what bounds him then is the class's bucket for all.
//
// Several web processes count each for itself: a limit is then that many times
// higher, which these limits can bear. What must not be (guessing passwords)
// is counted where the guesses leave, at the dialer.
package limit

import (
	"container/list"
	"math"
	"sync"
	"time"
)

// Rate is what a key may do: N in each Per, with a burst of N.
type Rate struct {
	N   int
	Per time.Duration
}

// Verdict is the answer, with what the RateLimit fields say.
type Verdict struct {
	OK    bool
	Left  int           // of the burst
	Reset time.Duration // until the bucket is full
	After time.Duration // when refused: until there is one again
}

// Limiter counts under one Rate.
type Limiter struct {
	rate Rate
	most int

	mu      sync.Mutex
	buckets map[string]*list.Element
	order   *list.List // of *bucket, the one used last in front
}

type bucket struct {
	key   string
	level float64
	at    time.Time
}

// New makes a Limiter of at most that many buckets.
func New(r Rate, most int) *Limiter {
	return &Limiter{rate: r, most: most, buckets: map[string]*list.Element{}, order: list.New()}
}

// Rate gives the rate.
func (l *Limiter) Rate() Rate { return l.rate }

// Take takes one of key's, if there is one.
func (l *Limiter) Take(key string) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := l.bucket(key, now)
	each := l.rate.Per / time.Duration(l.rate.N)
	b.level = min(float64(l.rate.N), b.level+float64(now.Sub(b.at))/float64(each))
	b.at = now
	ok := b.level >= 1
	if ok {
		b.level--
	}
	v := Verdict{OK: ok, Left: int(b.level), Reset: time.Duration((float64(l.rate.N) - b.level) * float64(each))}
	if !ok {
		v.After = time.Duration(math.Ceil((1 - b.level) * float64(each)))
	}
	return v
}

// bucket finds or makes one, and forgets at most two that are of no use.
func (l *Limiter) bucket(key string, now time.Time) *bucket {
	if e := l.buckets[key]; e != nil {
		l.order.MoveToFront(e)
		return e.Value.(*bucket)
	}
	for range 2 {
		last := l.order.Back()
		if last == nil {
			break
		}
		old := last.Value.(*bucket)
		if l.order.Len() < l.most && now.Sub(old.at) < l.rate.Per { // after Per it is full
			break
		}
		l.order.Remove(last)
		delete(l.buckets, old.key)
	}
	b := &bucket{key: key, level: float64(l.rate.N), at: now}
	l.buckets[key] = l.order.PushFront(b)
	return b
}

// Len is how many buckets there are.
func (l *Limiter) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.order.Len()
}
