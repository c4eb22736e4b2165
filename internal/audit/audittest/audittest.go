// Package audittest is the conformance suite of an audit log: how lines that
// the ledger wrote are read.
package audittest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Log is what reads lines.
type Log interface {
	List(ctx context.Context, user id.User, f audit.Filter, cursor string, limit int) (audit.Page, error)
	Lines(ctx context.Context, user id.User, f audit.Filter) iter.Seq2[audit.Entry, error]
	Stats(ctx context.Context, user id.User, w audit.Window) (audit.Stats, error)
	DropAudit(ctx context.Context, user id.User, before time.Time) (int64, error)
}

// World is a log and the way to write to it.
type World interface {
	Log(t *testing.T) Log
	User(t *testing.T) id.User
	Mailbox(t *testing.T, u id.User) id.Mailbox
	// Append writes lines of this user, as outcomes would; with a time in them,
	// as they would have then.
	Append(t *testing.T, u id.User, es ...audit.Entry)
}

type rule struct {
	name, rule string
	test       func(t *testing.T, w World)
}

// Run proves a log.
func Run(t *testing.T, fresh func(t *testing.T) World) {
	for _, c := range []rule{
		{"NewestFirst", "what happened last is what people look for", newestFirst},
		{"PagesMeet", "pages follow each other without a gap or an overlap, also while lines are added", pagesMeet},
		{"Filters", "mailbox, status, domain and time narrow the log, each alone and all together", filters},
		{"UsersAreApart", "nobody sees a line of somebody else", apart},
		{"BelowADomain", "a domain with a dot in front means it and all below it, and no other that ends alike", belowDomain},
		{"ADay", "a day is as long as it is where its user lives", aDay},
		{"BadCursor", "a cursor is opaque, not to be made up, and of use to its user alone", badCursor},
		{"PageIsBounded", "a page has at most as many lines as asked for, and never more than a thousand", bounded},
		{"AllLines", "a stream gives every line once, newest first, also beyond one page, and ends when its reader has enough", allLines},
		{"StatsCount", "each line counts in its step, for its mailbox and status, and outside the window nowhere", statsCount},
		{"OldLinesGo", "lines from before a time go, those from it on stay, and nobody else's are touched", oldLinesGo},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			})
			c.test(t, fresh(t))
		})
	}
}

func list(t *testing.T, w World, u id.User, f audit.Filter, cursor string, limit int) audit.Page {
	t.Helper()
	p, err := w.Log(t).List(t.Context(), u, f, cursor, limit)
	if err != nil {
		t.Fatalf("list = %v", err)
	}
	return p
}

func line(box id.Mailbox, n int) audit.Entry {
	return audit.Entry{Mailbox: box, Domain: "example.org", Status: mail.Imported, Reason: fmt.Sprint(n), Size: int64(n)}
}

func reasons(es []audit.Entry) string {
	var s strings.Builder
	for _, e := range es {
		s.WriteString(e.Reason + " ")
	}
	return s.String()
}

func newestFirst(t *testing.T, w World) {
	u := w.User(t)
	box := w.Mailbox(t, u)
	if p := list(t, w, u, audit.Filter{}, "", 10); len(p.Entries) != 0 || p.Next != "" {
		t.Errorf("empty log = %+v", p)
	}
	before := time.Now().Truncate(time.Millisecond)
	want := audit.Entry{Mailbox: box, Domain: "xn--bcher-kva.example", Status: mail.Rejected, Reason: "too_large", Size: 1 << 40}
	w.Append(t, u, line(box, 1))
	w.Append(t, u, want)
	p := list(t, w, u, audit.Filter{}, "", 10)
	if len(p.Entries) != 2 || p.Next != "" {
		t.Fatalf("page = %+v, want 2 lines and no next", p)
	}
	got := p.Entries[0]
	if got.At != audit.TimeOf(got.ID) || got.At.Before(before) || got.At.After(time.Now()) {
		t.Errorf("at = %v, want now", got.At)
	}
	want.ID, want.At = got.ID, got.At
	if got != want {
		t.Errorf("line = %+v, want %+v", got, want)
	}
}

func pagesMeet(t *testing.T, w World) {
	u := w.User(t)
	box := w.Mailbox(t, u)
	for n := range 7 {
		w.Append(t, u, line(box, n))
	}
	first := list(t, w, u, audit.Filter{}, "", 3)
	w.Append(t, u, line(box, 100))
	second := list(t, w, u, audit.Filter{}, first.Next, 3)
	third := list(t, w, u, audit.Filter{}, second.Next, 3)
	got := reasons(first.Entries) + "| " + reasons(second.Entries) + "| " + reasons(third.Entries)
	if want := "6 5 4 | 3 2 1 | 0 "; got != want || third.Next != "" {
		t.Errorf("pages = %q, next %q; want %q and none", got, third.Next, want)
	}
	if p := list(t, w, u, audit.Filter{}, "", 8); len(p.Entries) != 8 || p.Next != "" {
		t.Errorf("a page that holds all of it has %d lines and next %q", len(p.Entries), p.Next)
	}
}

func filters(t *testing.T, w World) {
	u := w.User(t)
	a, b := w.Mailbox(t, u), w.Mailbox(t, u)
	add := func(n int, box id.Mailbox, s mail.Status, domain string) {
		w.Append(t, u, audit.Entry{Mailbox: box, Domain: domain, Status: s, Reason: fmt.Sprint(n), Size: 1})
	}
	add(1, a, mail.Imported, "x.example")
	add(2, b, mail.Doubtful, "x.example")
	time.Sleep(2 * time.Millisecond) // ids count milliseconds
	middle := time.Now()
	time.Sleep(2 * time.Millisecond)
	add(3, a, mail.Failed, "y.example")
	add(4, a, mail.Imported, "y.example")
	add(5, b, mail.Doubtful, "y.example")
	for _, c := range []struct {
		f    audit.Filter
		want string
	}{
		{audit.Filter{}, "5 4 3 2 1 "},
		{audit.Filter{Mailbox: a}, "4 3 1 "},
		{audit.Filter{Mailbox: id.New[id.Mailbox]()}, ""},
		{audit.Filter{Status: mail.Doubtful}, "5 2 "},
		{audit.Filter{Status: mail.Imported}, "4 1 "},
		{audit.Filter{Status: mail.Skipped}, ""},
		{audit.Filter{Domain: "x.example"}, "2 1 "},
		{audit.Filter{Domain: "X.example"}, ""},
		{audit.Filter{From: middle}, "5 4 3 "},
		{audit.Filter{To: middle}, "2 1 "},
		{audit.Filter{From: middle, To: middle}, ""},
		{audit.Filter{Mailbox: a, Status: mail.Imported}, "4 1 "},
		{audit.Filter{Mailbox: b, Status: mail.Doubtful, Domain: "y.example", From: middle}, "5 "},
		{audit.Filter{Status: mail.Doubtful, Domain: "x.example", To: middle}, "2 "},
	} {
		if got := reasons(list(t, w, u, c.f, "", 0).Entries); got != c.want {
			t.Errorf("%+v: lines = %q, want %q", c.f, got, c.want)
		}
		// The same, one line at a time.
		got, cursor := "", ""
		for range 6 {
			p := list(t, w, u, c.f, cursor, 1)
			got += reasons(p.Entries)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if got != c.want {
			t.Errorf("%+v, one by one: lines = %q, want %q", c.f, got, c.want)
		}
	}
}

func apart(t *testing.T, w World) {
	u, v := w.User(t), w.User(t)
	box := w.Mailbox(t, u)
	w.Append(t, u, line(box, 1))
	for _, f := range []audit.Filter{{}, {Mailbox: box}} {
		if p := list(t, w, v, f, "", 0); len(p.Entries) != 0 {
			t.Errorf("another user's lines with %+v = %+v", f, p.Entries)
		}
	}
}

func badCursor(t *testing.T, w World) {
	u, v := w.User(t), w.User(t)
	box := w.Mailbox(t, u)
	for n := range 3 {
		w.Append(t, u, line(box, n))
	}
	good := list(t, w, u, audit.Filter{}, "", 1).Next
	bad := []string{"x", "AAAA", "*", good[1:], good + "A", strings.Repeat("A", len(good)), good + "=", strings.ToLower(good)}
	for i := range good {
		flipped := []byte(good)
		if flipped[i] = 'A'; good[i] == 'A' {
			flipped[i] = 'Q'
		}
		bad = append(bad, string(flipped))
	}
	for _, c := range bad {
		if _, err := w.Log(t).List(t.Context(), u, audit.Filter{}, c, 0); !errors.Is(err, audit.ErrCursor) {
			t.Errorf("cursor %q: %v, want %v", c, err, audit.ErrCursor)
		}
	}
	if _, err := w.Log(t).List(t.Context(), v, audit.Filter{}, good, 0); !errors.Is(err, audit.ErrCursor) {
		t.Errorf("somebody else's cursor: %v, want %v", err, audit.ErrCursor)
	}
}

func bounded(t *testing.T, w World) {
	u := w.User(t)
	box := w.Mailbox(t, u)
	for n := range 5 {
		w.Append(t, u, line(box, n))
	}
	for limit, want := range map[int]int{1: 1, 4: 4, 5: 5, 9: 5, 0: 5, -1: 5, 1 << 30: 5} {
		if got := len(list(t, w, u, audit.Filter{}, "", limit).Entries); got != want {
			t.Errorf("lines with limit %d = %d, want %d", limit, got, want)
		}
	}
}
