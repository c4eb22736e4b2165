package quota

import (
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// The settings that a refusal names.
const (
	userMinuteSetting    = "SMTPSYNC_GMAIL_UNITS_PER_USER_MINUTE"
	projectMinuteSetting = "SMTPSYNC_GMAIL_UNITS_PER_PROJECT_MINUTE"
	projectDaySetting    = "SMTPSYNC_GMAIL_UNITS_PER_PROJECT_DAY"
	userDaySetting       = "SMTPSYNC_GMAIL_BYTES_PER_USER_DAY"
)

func minuteFault(whose, setting string, until time.Time) *mail.Fault {
	return &mail.Fault{
		Class: mail.RateLimited, Code: "budget", Scope: "minute", Until: until,
		Text: "this minute's budget of Gmail quota units for " + whose + " is used up",
		Help: fmt.Sprintf("it goes on at %s; the limit is %s", stamp(until), setting),
	}
}

// dayFault says which of the day's limits stopped a message of size octets.
func (b *Budget) dayFault(used Amount, size int64, end time.Time) *mail.Fault {
	limit, whole := b.allowedDay(), b.project.limits.day()
	budget := fmt.Sprintf("today's budget of %s for this Gmail account", octets(whole.Bytes))
	setting := userDaySetting
	over := used.Bytes >= limit.Bytes
	if fits(used.Bytes, size, limit.Bytes) {
		budget = fmt.Sprintf("today's budget of %d Gmail quota units for this installation", whole.Units)
		setting = projectDaySetting
		over = true
	}
	if b.old {
		budget = "what old mail may have of " + budget
	}
	scope := "day"
	if b.old { // new mail has an allowance of its own, and goes on
		scope = "history"
	}
	text := budget + " is used up"
	if !over {
		text = fmt.Sprintf("the next message (%s) does not fit into what is left of %s", octets(size), budget)
	}
	return &mail.Fault{
		Class: mail.RateLimited, Code: "budget", Scope: scope, Until: end, Text: text,
		Help: fmt.Sprintf("it goes on at %s; the limit is %s", stamp(end), setting),
	}
}

// stamp rounds up, so that who comes back then is not too early.
func stamp(t time.Time) string {
	return t.Add(time.Second - 1).Truncate(time.Second).UTC().Format(time.RFC3339)
}

// octets writes a size the way the settings take it.
func octets(n int64) string {
	for _, u := range []struct {
		unit int64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.unit {
			s := fmt.Sprintf("%.1f", float64(n)/float64(u.unit))
			if s[len(s)-2:] == ".0" {
				s = s[:len(s)-2]
			}
			return s + " " + u.name
		}
	}
	return fmt.Sprintf("%d octets", n)
}
