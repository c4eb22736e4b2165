package gmail

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A wait is never shorter or longer than this, whatever Gmail says.
const (
	minRetry = time.Second
	maxRetry = 24 * time.Hour
)

// Gmail names the time in the error's text, not in a header:
// "User-rate limit exceeded.  Retry after 2026-09-16T03:57:19.386Z (Mail sending)".
var retryText = regexp.MustCompile(`(?i)retry after\s+(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))`)

// retryAfter gives the time before which it makes no sense to ask again, if
// the answer names one. Asking earlier moves it further out.
func retryAfter(h http.Header, message string, now time.Time) (time.Time, bool) {
	until := time.Time{}
	if m := retryText.FindStringSubmatch(message); m != nil {
		until, _ = time.Parse(time.RFC3339Nano, m[1])
	}
	// RFC 9110 10.2.3: seconds or a date. The later of both counts.
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		var t time.Time
		if s, err := strconv.ParseUint(v, 10, 64); err == nil {
			t = now.Add(time.Duration(min(s, uint64(maxRetry/time.Second))) * time.Second)
		} else if d, err := http.ParseTime(v); err == nil {
			t = d
		}
		if t.After(until) {
			until = t
		}
	}
	if until.IsZero() {
		return until, false
	}
	wait := min(max(until.Sub(now), minRetry), maxRetry) // Sub saturates
	return now.Add(wait), true
}
