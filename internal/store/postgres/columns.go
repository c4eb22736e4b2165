package postgres

import (
	"math"
	"time"
)

// nanos is a time as a column holds it: Unix nanoseconds, 0 for no time. What
// lies beyond their range, the years 1678 to 2262, counts as its edge.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() >= 2262:
		return math.MaxInt64
	}
	return t.UnixNano()
}

func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
