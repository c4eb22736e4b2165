package schedule

import (
	"math"
	"testing"
	"time"
)

func TestETA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		messages         int
		bytes            int64
		units, day, used int64
		want             time.Time
	}{
		{"nothing to do", 0, 0, 6000, 500e6, 0, time.Time{}},
		{"no limits", 1000, 1e9, 0, 0, 0, time.Time{}},
		{"240 messages a minute", 2400, 10e6, 6000, 500e6, 0, noon.Add(10 * minute)},
		{"no limit of the day", 2400, 1e12, 6000, 0, 0, noon.Add(10 * minute)},
		{"fits into today", 240, 500e6, 6000, 500e6, 0, noon.Add(minute)},
		{"today is used up", 240, 500e6, 6000, 500e6, 500e6, noon.Add(20*hour + minute)}, // 08:00 UTC tomorrow
		{"more than used up", 240, 500e6, 6000, 500e6, 900e6, noon.Add(20*hour + minute)},
		{"half of it tomorrow", 240, 1000e6, 6000, 500e6, 0, noon.Add(20*hour + 30*second)},
		{"three days and a bit", 480, 1600e6, 6000, 500e6, 0, noon.Add(20*hour + 2*day + 7500*time.Millisecond)},
		{"the pace is the narrower one", 240 * 60 * 48, 501e6, 6000, 500e6, 0, noon.Add(48 * hour)},
		{"no limit of the minute", 10, 600e6, 0, 500e6, 0, noon.Add(20 * hour)},
		{"unknown sizes", 240, 0, 6000, 500e6, 0, noon.Add(minute)},
		{"absurd", math.MaxInt, math.MaxInt64, 1, 1, 0, noon.Add(20*hour + 20*365*day)},
	} {
		got := ETA(noon, c.messages, c.bytes, c.units, c.day, c.used)
		if d := got.Sub(c.want).Abs(); d > second && !(c.name == "absurd" && got.After(noon.Add(9*365*day))) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	early := time.Date(2026, 3, 1, 7, 59, 0, 0, time.UTC)
	if got, want := newDay(early), early.Add(minute); !got.Equal(want) {
		t.Errorf("a minute before the day ends the next begins at %v", got)
	}
	if got, want := newDay(early.Add(minute)), early.Add(minute+day); !got.Equal(want) {
		t.Errorf("as it begins the next begins at %v", got)
	}
}
