package quota

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Amount is what the day's counters count: the units of the whole project and
// the octets of one user.
type Amount struct {
	Units int64
	Bytes int64
}

// Days keeps the counters of each day, durably. Units are counted per day;
// Bytes per day and user. It may be used by many goroutines at once, and by
// several nodes. Counters of past days may be dropped.
type Days interface {
	// Take adds want to both counters, or to neither. It may add to a counter
	// if limit is 0 (none), if want is 0, if the sum stays within limit, or if
	// nothing was taken from that counter before (so that a message larger
	// than the limit can go at all). It gives the counters as they are
	// afterwards and whether want was added; that is durable when err is nil.
	Take(ctx context.Context, day string, user id.User, want, limit Amount) (used Amount, ok bool, err error)
	// Give subtracts back, never below zero. A day that is unknown is no error.
	Give(ctx context.Context, day string, user id.User, back Amount) error
	// Used gives the counters as they are.
	Used(ctx context.Context, day string, user id.User) (Amount, error)
}

// dayZone is where days end: Pacific standard time all year round.
var dayZone = time.FixedZone("UTC-8", -8*60*60)

// dayOf names the day of t and gives the time at which it ends.
func dayOf(t time.Time) (day string, end time.Time) {
	t = t.In(dayZone)
	y, m, d := t.Date()
	return t.Format(time.DateOnly), time.Date(y, m, d+1, 0, 0, 0, 0, dayZone)
}
