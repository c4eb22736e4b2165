package schedule

import "time"

const (
	unitsAMessage = 25            // Gmail's price of an import
	dayEnds       = 8 * time.Hour // UTC: when the budgets of a day are new (see package quota)
)

// ETA estimates when a backlog will be in Gmail, from the two limits that
// decide it: quota units a minute and octets a day, of which usedToday are
// gone. A limit of 0 is none. Zero: there is nothing to do, or no limit and so
// nothing to tell.
func ETA(now time.Time, messages int, bytes, unitsPerUserMinute, bytesPerUserDay, usedToday int64) time.Time {
	if messages <= 0 || unitsPerUserMinute <= 0 && bytesPerUserDay <= 0 {
		return time.Time{}
	}
	var work time.Duration // at the pace of the minute budget
	if unitsPerUserMinute > 0 {
		work = scale(time.Minute, float64(messages)*unitsAMessage/float64(unitsPerUserMinute))
	}
	if bytesPerUserDay <= 0 {
		return now.Add(work)
	}
	left := bytes - max(bytesPerUserDay-max(usedToday, 0), 0) // after today
	if left <= 0 {
		return now.Add(work)
	}
	full := (left - 1) / bytesPerUserDay // days that are used up, then a part of one
	last := scale(work, float64(left-full*bytesPerUserDay)/float64(bytes))
	at := newDay(now).Add(scale(24*time.Hour, float64(full))).Add(last)
	if pace := now.Add(work); pace.After(at) {
		return pace
	}
	return at
}

// newDay is when the next budget of a day begins.
func newDay(now time.Time) time.Time {
	return now.UTC().Add(-dayEnds).Truncate(24 * time.Hour).Add(24*time.Hour + dayEnds)
}

// scale multiplies, up to ten years: a figure beyond is as good as never.
func scale(d time.Duration, by float64) time.Duration {
	const never = 10 * 365 * 24 * time.Hour
	if v := float64(d) * by; v < float64(never) {
		return time.Duration(v)
	}
	return never
}
