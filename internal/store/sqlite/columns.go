package sqlite

import (
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
)

// number is a truth as a column holds it.
func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

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

// none turns the absence of a row into account.ErrNone.
func none(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return account.ErrNone
	}
	return err
}

// noneOf does so for a statement that has changed n rows.
func noneOf(n int64, err error) error {
	if err == nil && n == 0 {
		err = account.ErrNone
	}
	return err
}
