package ledger

import (
	"testing"
	"time"
)

func TestAFullDayIsNeverCountedTooEarly(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, hour := range []int{0, 1, 12, 23} {
		at := midnight.Add(time.Duration(hour) * time.Hour)
		d := DayOf(at)
		for h := range 24 * 9 {
			now := at.Add(time.Duration(h) * time.Hour)
			if n, most := d.Full(now), h/24; n > most || n < most-1 {
				t.Errorf("%d h after %v: %d full days", h, at, n)
			}
		}
	}
	if d := DayOf(midnight); d.String() != "2026-11-24" || DayOf(time.Unix(-5, 0)) != 0 {
		t.Errorf("%v", d)
	}
}
