package gmailtest

import (
	"fmt"
	"net/http"
	"time"
)

// Quota are Gmail's limits; 0 is no limit. Importing costs 25 units, taken when
// the upload begins, a label list 1, other label calls 5.
type Quota struct {
	UserUnitsPerMinute    int64 `json:"user_units_per_minute"`
	ProjectUnitsPerMinute int64 `json:"project_units_per_minute"`
	ProjectUnitsPerDay    int64 `json:"project_units_per_day"`
	BytesPerDay           int64 `json:"bytes_per_day"` // of one user
	Concurrent            int   `json:"concurrent"`    // requests of one user in flight
}

// SetQuota changes the limits; buckets start full.
func (s *Server) SetQuota(q Quota) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = quota{limits: q}
}

type quota struct {
	limits  Quota
	project bucket
	users   map[string]*bucket
	day     day
	bytes   map[string]*day
}

// bucket refills evenly over a minute.
type bucket struct {
	units float64
	at    time.Time
}

// need says how long it takes until cost units are there; 0 is now.
func (b *bucket) need(limit, cost int64, now time.Time) time.Duration {
	rate := float64(limit) / float64(time.Minute)
	if b.at.IsZero() {
		b.units, b.at = float64(limit), now
	}
	b.units = min(float64(limit), b.units+rate*float64(now.Sub(b.at)))
	b.at = now
	if b.units >= float64(cost) {
		return 0
	}
	return time.Duration((float64(cost)-b.units)/rate) + time.Millisecond
}

// day counts something for 24 hours from its first use.
type day struct {
	n    int64
	from time.Time
}

func (d *day) used(now time.Time) int64 {
	if now.Sub(d.from) >= 24*time.Hour {
		d.n, d.from = 0, now
	}
	return d.n
}

// carried counts the octets of a committed message.
func (q *quota) carried(email string, n int64, now time.Time) {
	if q.limits.BytesPerDay > 0 {
		d := q.userDay(email)
		d.used(now)
		d.n += n
	}
}

func (q *quota) userDay(email string) *day {
	if q.bytes == nil {
		q.bytes = map[string]*day{}
	}
	if q.bytes[email] == nil {
		q.bytes[email] = &day{}
	}
	return q.bytes[email]
}

func cost(at Point, r *http.Request) int64 {
	switch {
	case at == Open, at == Media:
		return 25
	case at == Label && r.Method == http.MethodGet:
		return 1
	case at == Label:
		return 5
	}
	return 0
}

// admit applies the quotas. It answers a refusal itself and gives nil, or
// gives what must be called when the request is over.
func (s *Server) admit(w http.ResponseWriter, u *user, at Point, r *http.Request) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refuse := s.quota.refuse(u, cost(at, r), time.Now()); refuse != nil {
		s.stats.RateRefused++
		refuse(w)
		return nil
	}
	s.stats.Units += cost(at, r)
	u.inFlight++
	s.stats.MaxInFlight = max(s.stats.MaxInFlight, u.inFlight)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		u.inFlight--
	}
}

// refuse gives the refusal of a request, or takes its units and gives nil.
func (q *quota) refuse(u *user, cost int64, now time.Time) func(http.ResponseWriter) {
	l := q.limits
	if l.Concurrent > 0 && u.inFlight >= l.Concurrent {
		return func(w http.ResponseWriter) {
			fail(w, http.StatusTooManyRequests, "rateLimitExceeded", "Too many concurrent requests for user", "RESOURCE_EXHAUSTED")
		}
	}
	if cost == 0 {
		return nil
	}
	if q.users == nil {
		q.users = map[string]*bucket{}
	}
	mine := q.users[u.email]
	if mine == nil {
		mine = &bucket{}
		q.users[u.email] = mine
	}
	if l.UserUnitsPerMinute > 0 {
		if d := mine.need(l.UserUnitsPerMinute, cost, now); d > 0 {
			return retryText(http.StatusForbidden, "PERMISSION_DENIED", now.Add(d))
		}
	}
	if d := q.userDay(u.email); l.BytesPerDay > 0 && d.used(now) >= l.BytesPerDay {
		return retryText(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", d.from.Add(24*time.Hour))
	}
	if l.ProjectUnitsPerDay > 0 && q.day.used(now)+cost > l.ProjectUnitsPerDay {
		return func(w http.ResponseWriter) {
			fail(w, http.StatusForbidden, "dailyLimitExceeded", "Daily Limit Exceeded", "")
		}
	}
	if l.ProjectUnitsPerMinute > 0 && q.project.need(l.ProjectUnitsPerMinute, cost, now) > 0 {
		return func(w http.ResponseWriter) {
			fail(w, http.StatusForbidden, "rateLimitExceeded", "Rate Limit Exceeded", "")
		}
	}
	mine.units -= float64(cost)
	q.project.units -= float64(cost)
	q.day.n += cost
	return nil
}

// retryText is the refusal that names its time in the text, as seen live: two
// blanks, no header.
func retryText(code int, status string, until time.Time) func(http.ResponseWriter) {
	message := fmt.Sprintf("User-rate limit exceeded.  Retry after %s", until.UTC().Format("2006-01-02T15:04:05.000Z"))
	return func(w http.ResponseWriter) {
		write(w, code, map[string]any{"error": envelope{Code: code, Message: message,
			Errors: []item{{Message: "User-rate limit exceeded.", Domain: "usageLimits", Reason: "rateLimitExceeded"}}, Status: status}})
	}
}
