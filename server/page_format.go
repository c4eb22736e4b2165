package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// Moment is a time for its reader: for programs, in full, short, and how far
// away it is.
type Moment struct{ Stamp, Date, Clock, Short, Relative string }

// Moment gives a time in the zone of its reader.
func (f frame) Moment(t time.Time) Moment {
	at, today := t.In(f.Zone), f.Now.In(f.Zone)
	m := Moment{Stamp: t.UTC().Format(time.RFC3339), Date: at.Format(time.DateOnly), Clock: at.Format(time.TimeOnly), Short: at.Format("2006-01-02 15:04"), Relative: relative(t.Sub(f.Now))}
	if at.YearDay() == today.YearDay() && at.Year() == today.Year() {
		m.Short = at.Format("15:04")
	}
	return m
}

// Past reports whether a time is not to come any more.
func (f frame) Past(t time.Time) bool { return !t.After(f.Now) }

// relative says how far away a time is, in the words that browsers use as well.
func relative(d time.Duration) string {
	n, unit := int(math.Round(d.Seconds())), "second"
	switch s := max(n, -n); {
	case s >= 86400:
		n, unit = n/86400, "day"
	case s >= 3600:
		n, unit = n/3600, "hour"
	case s >= 60:
		n, unit = n/60, "minute"
	}
	if n < 0 {
		return ago(unit, -n)
	}
	return in(unit, n)
}

func in(unit string, n int) string {
	switch unit {
	case "day":
		return text.T("in.day", "n", n)
	case "hour":
		return text.T("in.hour", "n", n)
	case "minute":
		return text.T("in.minute", "n", n)
	}
	return text.T("in.second", "n", n)
}

func ago(unit string, n int) string {
	switch unit {
	case "day":
		return text.T("ago.day", "n", n)
	case "hour":
		return text.T("ago.hour", "n", n)
	case "minute":
		return text.T("ago.minute", "n", n)
	}
	return text.T("ago.second", "n", n)
}

// count writes a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// octets writes a size as people read it.
func octets(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n)/1000, 0
	for v >= 999.5 && unit < 4 {
		v, unit = v/1000, unit+1
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %cB", digits, v, "kMGTP"[unit])
}

// because puts the reason of a line of the audit into words. That of a rule is
// the one its plugin has for it.
func because(reason string) string {
	rest, failed := strings.CutPrefix(reason, "rule_failed")
	class, plugin, _ := strings.Cut(strings.TrimPrefix(rest, ":"), ":")
	switch {
	case failed && class == "label":
		return text.T("reason.rule.label")
	case failed && plugin != "":
		return text.T("reason.rule.failed", "plugin", plugin, "why", plugins.Class(class).Text())
	case failed:
		return text.T("reason.rule.unasked")
	}
	if said, ok := rulebook.Reason(reason); ok {
		return said
	}
	return text.Word("reason", reason)
}
