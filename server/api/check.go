package api

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// faults collects what is wrong.
type faults []Fault

func (f *faults) add(field, code, detail, help string) {
	*f = append(*f, Fault{Field: field, Code: code, Detail: detail, Help: help})
}

// fault takes over an adapter's Fault.
func (f *faults) fault(field string, err error) {
	if e, ok := mail.AsFault(err); ok {
		f.add(field, e.Code, e.Text, e.Help)
		return
	}
	f.add(field, "invalid", "this cannot be used", "")
}

// clean refuses what could be more than text where it is shown or sent: control
// characters (a line break in a user name would be a second command on the
// wire), line and paragraph separators, and bidirectional overrides, which make
// a name read as another.
func (f *faults) clean(field, s string) {
	if strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
	}) {
		f.add(field, "control_character", "there is a control character in it", "type it anew instead of pasting it")
	}
}

// text checks a text that is at most so many characters long.
func (f *faults) text(field, s string, most int) {
	f.clean(field, s)
	if utf8.RuneCountInString(s) > most {
		f.add(field, "too_long", fmt.Sprintf("it is longer than %d characters", most), "")
	}
}

// required reports whether there is something; if not, that is a fault.
func (f *faults) required(field, s, help string) bool {
	if s == "" {
		f.add(field, field+"_required", "this is required", help)
	}
	return s != ""
}

// oneOf checks a word.
func (f *faults) oneOf(field, s string, words ...string) {
	if !slices.Contains(words, s) {
		f.add(field, field+"_unknown", "it is none of "+strings.Join(words, ", "), "")
	}
}

// label checks the name of a Gmail label.
func (f *faults) label(field, s string) {
	if s == "" {
		return
	}
	f.text(field, s, 225)
	if strings.TrimSpace(s) != s || slices.Contains(strings.Split(s, "/"), "") {
		f.add(field, "label_invalid", "a label neither begins nor ends with a space or a slash, and has no empty part", "write Archive/Old mail")
	}
	if reserved[strings.ToUpper(s)] {
		f.add(field, "label_reserved", "Gmail keeps this name for itself", "choose another, such as Old mail")
	}
}

// reserved are the names that Gmail refuses for a label of a user.
var reserved = map[string]bool{"INBOX": true, "SENT": true, "DRAFT": true, "DRAFTS": true, "SPAM": true, "TRASH": true, "BIN": true,
	"UNREAD": true, "STARRED": true, "IMPORTANT": true, "CHAT": true, "CHATS": true, "SNOOZED": true, "SCHEDULED": true, "ALL MAIL": true,
	"CATEGORY_PERSONAL": true, "CATEGORY_SOCIAL": true, "CATEGORY_PROMOTIONS": true, "CATEGORY_UPDATES": true, "CATEGORY_FORUMS": true}

// history checks which history is wanted and gives its beginning.
func (f *faults) history(history, since string) (at time.Time) {
	if f.required("history", history, "all, new, or since with a date: what is to happen to the mail that is there already") {
		f.oneOf("history", history, "all", "new", "since")
	}
	switch {
	case history == "since" && since == "":
		f.add("since", "since_required", "the date is missing", "write 2024-01-31")
	case since == "":
	case history != "since":
		f.add("since", "since_unexpected", "a date goes with history since only", "")
	default:
		at = f.since(since)
	}
	return at
}

func (f *faults) since(s string) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 3000 {
			return t.UTC()
		}
	}
	f.add("since", "since_invalid", "it is no date", "write 2024-01-31")
	return time.Time{}
}

// within checks a duration.
func (f *faults) within(field string, d Duration, from, to time.Duration) {
	switch v := time.Duration(d); {
	case !d.Valid():
		f.add(field, "duration_invalid", "it is no duration", "write 90s, 5m or 12h")
	case v < from || v > to:
		f.add(field, field+"_range", fmt.Sprintf("it is not from %s to %s", Duration(from), Duration(to)), "")
	}
}
