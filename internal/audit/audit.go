// Package audit is the log of what became of each message: who sent it (the
// domain alone), when, how it ended and why, and how large it was. That is the
// whole of it: the columns are a closed set and hold nothing that was in a
// message.
//
// Lines are written by the ledger, in the transaction of the outcome they tell
// (see bridge.Ledger); here they are read, newest first: page by page (List),
// all of them as a stream (Lines), or counted for a chart (Stats). An id is a
// UUIDv7, so it says when and in what order; there is no second clock, and a
// range of time is a range of ids.
//
// A page ends where as many lines were found as were asked for, or where enough
// were looked at: what is rare in a long log is found over several pages, some
// of them short, so that nobody waits long for any. Only a page without a
// cursor is the last.
package audit

import (
	"encoding/binary"
	"iter"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Entry is one line.
type Entry struct {
	ID      id.Audit
	At      time.Time // TimeOf(ID)
	Mailbox id.Mailbox
	Domain  string // sender domain, A-label or "unknown"
	Status  mail.Status
	Reason  string // a code, and for refusals Gmail's reason
	Size    int64  // octets
}

// Filter narrows a page; its zero value means everything.
type Filter struct {
	Mailbox id.Mailbox
	Status  mail.Status
	Domain  string    // as it is in the log; with a dot in front: it and all below it
	From    time.Time // at or after
	To      time.Time // before
}

// OnDay narrows a filter to one day, in the zone of day.
func (f Filter) OnDay(day time.Time) Filter {
	y, m, d := day.Date()
	f.From = time.Date(y, m, d, 0, 0, 0, 0, day.Location())
	f.To = time.Date(y, m, d+1, 0, 0, 0, 0, day.Location()) // a day may have 23 hours
	return f
}

// Domains gives the domain that is wanted, and what those below it end with; ""
// for any, and for none.
func (f Filter) Domains() (domain, below string) {
	domain, found := strings.CutPrefix(f.Domain, ".")
	if found && domain != "" {
		below = f.Domain
	}
	return domain, below
}

// Page is one page, newest line first. Next asks for the page after it, "" at the end.
type Page struct {
	Entries []Entry
	Next    string
}

// MaxPage bounds the lines of one page.
const MaxPage = 1000

// TimeOf gives the time that a line's id holds (RFC 9562 section 5.7).
func TimeOf(a id.Audit) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(a[:8]) >> 16)).UTC()
}

// Bounds gives the range of ids that f leaves: low <= id < before.
func Bounds(f Filter) (low, before id.Audit) {
	for i := range before {
		before[i] = 0xff // no UUIDv7 reaches it
	}
	if !f.To.IsZero() {
		before = First(f.To)
	}
	if !f.From.IsZero() {
		low = First(f.From)
	}
	return low, before
}

// First gives the lowest id whose time is not before t.
func First(t time.Time) (a id.Audit) {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	binary.BigEndian.PutUint64(a[:8], uint64(max(0, ms))<<16)
	return a
}

// Limit brings a wanted page size into range; 0 means as many as a page holds.
func Limit(n int) int {
	if n <= 0 || n > MaxPage {
		return MaxPage
	}
	return n
}

// Stream yields the lines of all pages that page gives, one after the other.
func Stream(page func(cursor string) (Page, error)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for cursor, more := "", true; more; more = cursor != "" {
			p, err := page(cursor)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range p.Entries {
				if !yield(e, nil) {
					return
				}
			}
			cursor = p.Next
		}
	}
}
