package ledger

import "time"

// Day counts from 1970-01-01 in UTC, until the year 2149. It is all that an
// entry tells about time: what is done with a message some days after its
// import needs no more, and two octets of it are enough for each of a million.
type Day uint16

const day = 24 * time.Hour

// DayOf gives the day of a time; one before 1970 is the first.
func DayOf(t time.Time) Day { return Day(max(0, t.Unix()) / int64(day/time.Second)) }

// String gives the date.
func (d Day) String() string {
	return time.Unix(0, 0).UTC().Add(time.Duration(d) * day).Format(time.DateOnly)
}

// Full gives how many whole days have passed at the time now since the day has
// ended: never too many, whatever the hour that the day stands for.
func (d Day) Full(now time.Time) int { return int(DayOf(now)) - int(d) - 1 }
