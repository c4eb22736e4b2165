package probe

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

const (
	window = time.Hour
	// maxFailures is what a Limiter remembers, about 3 MB. A user who fails on
	// purpose fills no more than Limits.User places of it.
	maxFailures = 20_000
)

// Limits are how many logins may fail within an hour. Zero values are the
// defaults.
type Limits struct {
	Account  int // at one user name of one host, whoever tries; 0: 10
	UserHost int // of one user at one host, whatever the user name; 0: 20
	User     int // of one user in all; 0: 40
	// Host is how many at one host are normal; 0: 300. Beyond it, those who
	// have failed there themselves have to wait, and nobody else: one user's
	// guessing is no reason to refuse another.
	Host int
}

// A Limiter counts failed logins, so that nobody guesses passwords through us.
// It knows users, hosts and user names by a hash only. It may be used by many
// goroutines; each process has its own.
type Limiter struct {
	limits Limits
	seed   maphash.Seed

	mu     sync.Mutex
	failed []failure // oldest first
	counts map[uint64]int
}

// failure is a login that failed, under the keys that it counts for.
type failure struct {
	at    time.Time
	keys  [4]uint64
	saved uint64 // of a password that was kept: which one; else 0
}

// The places of a failure's keys.
const (
	byAccount = iota
	byUserHost
	byUser
	byHost
)

// NewLimiter makes a Limiter.
func NewLimiter(l Limits) *Limiter {
	for _, d := range []struct {
		limit *int
		value int
	}{{&l.Account, 10}, {&l.UserHost, 20}, {&l.User, 40}, {&l.Host, 300}} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
	return &Limiter{limits: l, seed: maphash.MakeSeed(), counts: map[uint64]int{}}
}

// Allow says whether the user may try to log in, with a Fault of class
// RateLimited if not. A login that is allowed counts as failed until done says
// otherwise; done must be called, and only its first call counts.
func (l *Limiter) Allow(user id.User, host, username string) (done func(failed bool), err error) {
	keys := l.keys(user, host, username)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.forget(now)
	if key, limit, over := l.over(keys); over {
		return nil, l.refusal(key, limit, now)
	}
	l.add(keys, 1)
	var once sync.Once
	return func(failed bool) { once.Do(func() { l.done(keys, failed) }) }, nil
}

func (l *Limiter) done(keys [4]uint64, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !failed {
		l.add(keys, -1)
		return
	}
	l.note(failure{at: time.Now(), keys: keys})
}

// note remembers a failure that is counted already.
func (l *Limiter) note(f failure) {
	if len(l.failed) == maxFailures {
		l.drop()
	}
	l.failed = append(l.failed, f)
}

// Failed counts a login of a mailbox that is kept, once for each password: what
// is tried again guesses nothing.
func (l *Limiter) Failed(user id.User, host, username string, password vault.Secret) {
	keys := l.keys(user, host, username)
	saved := maphash.Comparable(l.seed, [2]uint64{keys[byAccount], maphash.Bytes(l.seed, password.Reveal())})
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.forget(now)
	if slices.ContainsFunc(l.failed, func(f failure) bool { return f.saved == saved }) {
		return
	}
	l.add(keys, 1)
	l.note(failure{now, keys, saved})
}

// admit says whether a password may be kept; nothing is counted by it.
func (l *Limiter) admit(user id.User, host, username string) error {
	keys := l.keys(user, host, username)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.forget(now)
	if n := l.limits.Account; l.counts[keys[byAccount]] >= n {
		return l.refusal(keys[byAccount], n, now)
	}
	if n := l.limits.UserHost; l.counts[keys[byUserHost]] >= n {
		return l.refusal(keys[byUserHost], n, now)
	}
	return nil
}

func (l *Limiter) refusal(key uint64, limit int, now time.Time) error {
	return &mail.Fault{Class: mail.RateLimited, Code: "too_many_guesses", Scope: "user", Until: l.free(key, limit, now),
		Text: "too many logins have failed", Help: "look the password up at the provider, and try again when the time has passed"}
}

// over finds a limit that is reached.
func (l *Limiter) over(keys [4]uint64) (key uint64, limit int, over bool) {
	for i, limit := range [...]int{byAccount: l.limits.Account, byUserHost: l.limits.UserHost, byUser: l.limits.User} {
		if l.counts[keys[i]] >= limit {
			return keys[i], limit, true
		}
	}
	if l.counts[keys[byHost]] >= l.limits.Host && l.counts[keys[byUserHost]] > 0 {
		return keys[byUserHost], 1, true
	}
	return 0, 0, false
}

// free is when so many failures under key will be out of the window that there
// are fewer than limit.
func (l *Limiter) free(key uint64, limit int, now time.Time) time.Time {
	left := l.counts[key] - limit + 1
	for _, f := range l.failed {
		for _, k := range f.keys {
			if k == key {
				left--
			}
		}
		if left <= 0 {
			return f.at.Add(window)
		}
	}
	return now.Add(time.Minute) // it is logins under way that count
}

// forget drops what is older than the window.
func (l *Limiter) forget(now time.Time) {
	for len(l.failed) > 0 && now.Sub(l.failed[0].at) >= window {
		l.drop()
	}
}

// drop forgets the oldest failure.
func (l *Limiter) drop() {
	l.add(l.failed[0].keys, -1)
	l.failed = l.failed[1:]
}

func (l *Limiter) add(keys [4]uint64, n int) {
	for _, k := range keys {
		if l.counts[k] += n; l.counts[k] == 0 {
			delete(l.counts, k)
		}
	}
}

// keys are hashes: whose mailbox somebody tried is for nobody to read.
func (l *Limiter) keys(user id.User, host, username string) [4]uint64 {
	type key struct {
		kind           int
		user           id.User
		host, username string
	}
	host, username = strings.ToLower(host), strings.ToLower(strings.TrimSpace(username))
	return [4]uint64{
		byAccount:  maphash.Comparable(l.seed, key{kind: byAccount, host: host, username: username}),
		byUserHost: maphash.Comparable(l.seed, key{kind: byUserHost, user: user, host: host}),
		byUser:     maphash.Comparable(l.seed, key{kind: byUser, user: user}),
		byHost:     maphash.Comparable(l.seed, key{kind: byHost, host: host}),
	}
}
