// Package audit is the log of what became of each message: who sent it (the
// domain alone), when, how it ended and why, and how large it was. That is the
// whole of it: the columns are a closed set and hold nothing that was in a
// message.
//
// Lines are written by the ledger, in the transaction of the outcome they tell
// (see bridge.Ledger); here they are read, newest first, page by page. An id is
// a UUIDv7, so it says when and in what order; there is no second clock.
package audit

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
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
	Domain  string
	From    time.Time // at or after
	To      time.Time // before
}

// Page is one page, newest line first. Next asks for the page after it, "" at the end.
type Page struct {
	Entries []Entry
	Next    string
}

// MaxPage bounds the lines of one page.
const MaxPage = 1000

// ErrCursor: the cursor is none that a page gave.
var ErrCursor = errors.New("audit: not a cursor")

// TimeOf gives the time that a line's id holds (RFC 9562 section 5.7).
func TimeOf(a id.Audit) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(a[:8]) >> 16)).UTC()
}

// Bounds gives the range of ids that f and cursor leave: low <= id < before.
func Bounds(f Filter, cursor string) (low, before id.Audit, err error) {
	for i := range before {
		before[i] = 0xff // no UUIDv7 reaches it
	}
	if !f.To.IsZero() {
		before = first(f.To)
	}
	if !f.From.IsZero() {
		low = first(f.From)
	}
	if cursor == "" {
		return low, before, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != len(before) {
		return low, before, ErrCursor
	}
	if c := id.Audit(b); string(c[:]) < string(before[:]) {
		before = c
	}
	return low, before, nil
}

// first gives the lowest id whose time is not before t.
func first(t time.Time) (a id.Audit) {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	binary.BigEndian.PutUint64(a[:8], uint64(max(0, ms))<<16)
	return a
}

// Cut makes a page of the lines found, which are one more than limit if there
// are more to come.
func Cut(found []Entry, limit int) Page {
	if len(found) <= limit {
		return Page{Entries: found}
	}
	found = found[:limit]
	last := found[limit-1].ID
	return Page{Entries: found, Next: base64.RawURLEncoding.EncodeToString(last[:])}
}

// Limit brings a wanted page size into range; 0 means as many as a page holds.
func Limit(n int) int {
	if n <= 0 || n > MaxPage {
		return MaxPage
	}
	return n
}
