package probe

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// try is a login that fails or not; it reports whether it was allowed.
func try(l *Limiter, user id.User, host, username string, failed bool) bool {
	done, err := l.Allow(user, host, username)
	if err == nil {
		done(failed)
	}
	return err == nil
}

// allowed counts how many failing logins are allowed of n.
func allowed(n int, one func(i int) bool) (count int) {
	for i := range n {
		if one(i) {
			count++
		}
	}
	return count
}

func TestFailedLoginsAreLimitedByWhoAndWhere(t *testing.T) {
	t.Parallel()
	ann := id.New[id.User]()
	for name, c := range map[string]struct {
		want int
		one  func(l *Limiter, i int) bool
	}{
		"one account": {10, func(l *Limiter, _ int) bool { return try(l, ann, "h.example", "bob", true) }},
		"one account, spelled otherwise": {10, func(l *Limiter, i int) bool {
			return try(l, ann, []string{"h.example", "H.EXAMPLE"}[i%2], []string{"bob", " BOB"}[i%2], true)
		}},
		"one account, many users":          {10, func(l *Limiter, _ int) bool { return try(l, id.New[id.User](), "h.example", "bob", true) }},
		"many accounts of one host":        {20, func(l *Limiter, i int) bool { return try(l, ann, "h.example", fmt.Sprint(i), true) }},
		"many hosts":                       {40, func(l *Limiter, i int) bool { return try(l, ann, fmt.Sprint(i, ".example"), "bob", true) }},
		"many of all":                      {999, func(l *Limiter, i int) bool { return try(l, id.New[id.User](), "h.example", fmt.Sprint(i), true) }},
		"logins that succeed, one account": {999, func(l *Limiter, _ int) bool { return try(l, ann, "h.example", "bob", false) }},
	} {
		l := NewLimiter(Limits{})
		if got := allowed(999, func(i int) bool { return c.one(l, i) }); got != c.want {
			t.Errorf("%s: %d allowed, want %d", name, got, c.want)
		}
	}
}

func TestWindowSlides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, ann := NewLimiter(Limits{}), id.New[id.User]()
		start := time.Now()
		for range 10 {
			try(l, ann, "h.example", "bob", true)
			time.Sleep(time.Minute)
		}
		_, err := l.Allow(ann, "h.example", "bob")
		if f, _ := mail.AsFault(err); f == nil || f.Class != mail.RateLimited || !f.Until.Equal(start.Add(time.Hour)) {
			t.Fatalf("Allow: %+v, want to wait until %v", f, start.Add(time.Hour))
		}
		time.Sleep(time.Until(start.Add(time.Hour)))
		if got := allowed(10, func(int) bool { return try(l, ann, "h.example", "bob", true) }); got != 1 {
			t.Errorf("%d allowed when the first is an hour old, want 1", got)
		}
		time.Sleep(2 * time.Hour)
		if try(l, ann, "other.example", "bob", false); len(l.failed) > 0 || len(l.counts) > 0 {
			t.Errorf("remembers %d failures, %d counts", len(l.failed), len(l.counts))
		}
	})
}

func TestManyLoginsAtOnceAreNoWayAround(t *testing.T) {
	t.Parallel()
	l, ann := NewLimiter(Limits{}), id.New[id.User]()
	var mu sync.Mutex
	var done []func(bool)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			d, err := l.Allow(ann, "h.example", "bob")
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			done = append(done, d)
		})
	}
	wg.Wait()
	if len(done) != 10 {
		t.Fatalf("%d logins under way, want 10", len(done))
	}
	for _, d := range done {
		d(false)
		d(true) // only the first call counts
	}
	if len(l.counts) > 0 || len(l.failed) > 0 || !try(l, ann, "h.example", "bob", false) {
		t.Error("logins that succeeded still count")
	}
}

func TestOneUsersGuessingDoesNotLockOthersOut(t *testing.T) {
	t.Parallel()
	l, ann := NewLimiter(Limits{Host: 5}), id.New[id.User]()
	if got := allowed(9, func(i int) bool { return try(l, ann, "h.example", fmt.Sprint(i), true) }); got != 5 {
		t.Errorf("%d allowed, want 5", got)
	}
	bob := id.New[id.User]()
	if !try(l, bob, "h.example", "bob", true) {
		t.Error("somebody who has not failed there is refused")
	}
	if try(l, bob, "h.example", "bob", true) {
		t.Error("somebody who has failed there is let in again")
	}
}

func TestMemoryOfFailuresIsBounded(t *testing.T) {
	t.Parallel()
	l := NewLimiter(Limits{})
	for i := range maxFailures + 5000 {
		try(l, id.New[id.User](), fmt.Sprint("h", i, ".example"), fmt.Sprint(i), true)
	}
	if len(l.failed) != maxFailures || len(l.counts) > 4*maxFailures {
		t.Errorf("%d failures, %d counts", len(l.failed), len(l.counts))
	}
}
