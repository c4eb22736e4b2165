package mail

import (
	netmail "net/mail"
	"strconv"
	"strings"
	"time"
)

// maxDate is longer than any date; the rest of the field is comments or hostile.
const maxDate = 256

// Date gives the time of the Date field; false where it is missing or no
// date can be made out. A date that is absurd (year 1, year 9999) is still a
// date: whether to believe it is the caller's decision. A missing zone is UTC.
func (h *Header) Date() (time.Time, bool) {
	value := h.Get("Date")
	if len(value) > maxDate {
		value = value[:maxDate]
	}
	text, _, _ := strip(value, false, true)
	words := strings.Fields(numericZone(string(text)))
	clean := strings.Join(words, " ")
	if t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", clean); err == nil {
		return t, true // nearly all of them; net/mail tries dozens of forms one after the other
	}
	if t, err := netmail.ParseDate(clean); err == nil {
		return t, true
	}
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, clean); err == nil {
			return t, true
		}
	}
	return looseDate(clean)
}

// isoLayouts: what programs print that never read RFC 5322.
var isoLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -07:00",
	"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// zones are those of RFC 5322 4.3. Go's parser knows a zone by name only if
// this machine happens to be in it, so names are replaced beforehand; a name
// that is not here means UTC, as the RFC says.
var zones = map[string]string{
	"EDT": "-0400", "EST": "-0500", "CDT": "-0500", "CST": "-0600",
	"MDT": "-0600", "MST": "-0700", "PDT": "-0700", "PST": "-0800",
	// not in the RFC, but common
	"CET": "+0100", "CEST": "+0200", "MET": "+0100", "MEST": "+0200", "BST": "+0100", "JST": "+0900",
}

// numericZone replaces a trailing zone name by its offset and drops one that
// follows an offset (`+0100 CET`).
func numericZone(s string) string {
	words := strings.Fields(s)
	if len(words) < 2 {
		return s
	}
	last := &words[len(words)-1]
	if !isWord(*last) || clockSuffix(*last) || monthOf(*last) != 0 {
		return s
	}
	if before := words[len(words)-2]; before[0] == '+' || before[0] == '-' {
		return strings.Join(words[:len(words)-1], " ")
	}
	*last = offsetOf(*last)
	return strings.Join(words, " ")
}

func offsetOf(zone string) string {
	if offset, ok := zones[strings.ToUpper(zone)]; ok {
		return offset
	}
	return "+0000"
}

// looseDate makes a date of words in any order: a month's name, a clock, a
// zone, a day and a year. It serves ctime(3) dates, full names, hyphens,
// wrong commas and two- and three-digit years (RFC 5322 4.3).
func looseDate(s string) (time.Time, bool) {
	var d dateParts
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '/' })
	for i, word := range fields {
		if strings.Count(word, "-") == 2 && word[0] != '-' { // 03-Mar-2026
			for part := range strings.SplitSeq(word, "-") {
				if !d.take(part, i) {
					return time.Time{}, false
				}
			}
		} else if !d.take(word, i) {
			return time.Time{}, false
		}
	}
	return d.time()
}

// dateParts are the parts found so far.
type dateParts struct {
	month       time.Month // 0: none yet
	day, year   int
	hasDay      bool
	yearDigits  int // 0: no year yet
	clock       time.Duration
	hasClock    bool
	half        byte // 'a' or 'p' of AM and PM
	zoneSeconds int
}

// take finds out what word i of a date is; false if it can be no part of one.
func (d *dateParts) take(word string, i int) bool {
	switch {
	case word == "":
		return false
	case strings.ContainsRune(word, ':') && word[0] >= '0' && word[0] <= '9':
		return !d.hasClock && d.takeClock(word)
	case (word[0] == '+' || word[0] == '-') && d.hasClock:
		return d.takeOffset(word)
	case word[0] >= '0' && word[0] <= '9':
		return d.takeNumber(word)
	case clockSuffix(word):
		d.half = word[0] | 0x20
		return true
	case d.month == 0 && monthOf(word) != 0:
		d.month = monthOf(word)
		return true
	case d.hasClock && len(word) > 3 && strings.EqualFold(word[:3], "GMT"):
		return d.takeOffset(word[3:]) // GMT+0100
	case d.hasClock && isWord(word):
		return d.takeOffset(offsetOf(word))
	}
	return i == 0 // the day of the week says nothing new, in whatever language
}

func (d *dateParts) takeNumber(word string) bool {
	n, err := strconv.Atoi(strings.TrimRight(strings.ToLower(word), ".thsnrd")) // 3rd, 3.
	if err != nil {
		return false
	}
	switch {
	case !d.hasDay && len(word) <= 4 && n >= 1 && n <= 31 && word[0] != '0' || !d.hasDay && len(word) == 2:
		d.day, d.hasDay = n, true
	case d.yearDigits == 0 && len(word) <= 4:
		d.year, d.yearDigits = n, len(word)
	default:
		return false
	}
	return true
}

func (d *dateParts) takeClock(word string) bool {
	for _, layout := range []string{"15:4:5", "15:4", "3:4PM", "3:4:5PM"} {
		if t, err := time.Parse(layout, strings.ToUpper(word)); err == nil {
			d.hasClock = true
			d.clock = t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))
			return true
		}
	}
	return false
}

func (d *dateParts) takeOffset(word string) bool {
	t, err := time.Parse("-0700", strings.Replace(word, ":", "", 1))
	if err != nil {
		return false
	}
	_, d.zoneSeconds = t.Zone()
	return true
}

// time puts the parts together and refuses what is in no calendar.
func (d *dateParts) time() (time.Time, bool) {
	if !d.hasDay || d.yearDigits == 0 || d.month == 0 {
		return time.Time{}, false
	}
	switch { // RFC 5322 4.3
	case d.yearDigits <= 2 && d.year < 50:
		d.year += 2000
	case d.yearDigits <= 3:
		d.year += 1900
	}
	switch noon := 12 * time.Hour; {
	case d.half == 'p' && d.clock < noon:
		d.clock += noon
	case d.half == 'a' && d.clock >= noon:
		d.clock -= noon
	}
	day := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.FixedZone("", d.zoneSeconds))
	return day.Add(d.clock), day.Day() == d.day
}

// monthOf knows a month by its first three letters (March, Sept), 0 if none.
func monthOf(word string) time.Month {
	if len(word) < 3 || !isWord(word) {
		return 0
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(word[:3]))
	if i < 0 || i%3 != 0 {
		return 0
	}
	return time.Month(i/3 + 1)
}

func clockSuffix(word string) bool {
	return strings.EqualFold(word, "AM") || strings.EqualFold(word, "PM")
}

func isWord(s string) bool {
	for _, c := range []byte(s) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return s != ""
}
