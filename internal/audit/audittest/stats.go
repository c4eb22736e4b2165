package audittest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func belowDomain(t *testing.T, w World) {
	u := w.User(t)
	box := w.Mailbox(t, u)
	for n, d := range []string{"example.org", "a.example.org", "b.a.example.org", "notexample.org", "example.org.evil", "xample.org", "unknown"} {
		e := line(box, n)
		e.Domain = d
		w.Append(t, u, e)
	}
	for domain, want := range map[string]string{
		".example.org": "2 1 0 ", "example.org": "0 ", ".a.example.org": "2 1 ", ".org": "5 3 2 1 0 ", "%": "", ".%": "", "._xample.org": "", ".unknown": "6 ",
	} {
		if got := reasons(list(t, w, u, audit.Filter{Domain: domain}, "", 0).Entries); got != want {
			t.Errorf("domain %q: lines = %q, want %q", domain, got, want)
		}
	}
}

func aDay(t *testing.T, w World) {
	u := w.User(t)
	box := w.Mailbox(t, u)
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Skip("no time zones here")
	}
	day := time.Date(2026, 3, 29, 12, 0, 0, 0, vienna) // of 23 hours
	for n, at := range []time.Time{
		time.Date(2026, 3, 28, 22, 59, 59, 0, time.UTC), time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC),
		time.Date(2026, 3, 29, 21, 59, 59, 0, time.UTC), time.Date(2026, 3, 29, 22, 0, 0, 0, time.UTC),
	} {
		e := line(box, n)
		e.At = at
		w.Append(t, u, e)
	}
	if got := reasons(list(t, w, u, audit.Filter{Mailbox: box}.OnDay(day), "", 0).Entries); got != "2 1 " {
		t.Errorf("lines of the day = %q, want %q", got, "2 1 ")
	}
}

func allLines(t *testing.T, w World) {
	u, v := w.User(t), w.User(t)
	box := w.Mailbox(t, u)
	const many = audit.MaxPage + 5
	at := time.Now().Add(-time.Hour)
	var lines []audit.Entry
	for n := range many {
		lines = append(lines, line(box, n))
		lines[n].At = at.Add(time.Duration(n) * time.Millisecond)
	}
	w.Append(t, u, lines...)
	read := func(u id.User, f audit.Filter, most int) (n int) {
		for e, err := range w.Log(t).Lines(t.Context(), u, f) {
			if err != nil {
				t.Fatalf("lines = %v", err)
			}
			if want := fmt.Sprint(many - 1 - n); f.Domain == "" && e.Reason != want {
				t.Fatalf("line %d = %q, want %q", n, e.Reason, want)
			}
			if n++; n == most {
				break
			}
		}
		return n
	}
	for _, c := range []struct {
		user       id.User
		f          audit.Filter
		most, want int
	}{{u, audit.Filter{}, -1, many}, {u, audit.Filter{}, 7, 7}, {u, audit.Filter{Domain: "y.example"}, -1, 0}, {v, audit.Filter{}, -1, 0}} {
		if got := read(c.user, c.f, c.most); got != c.want {
			t.Errorf("lines = %d, want %d", got, c.want)
		}
	}
}

func statsCount(t *testing.T, w World) {
	u, v := w.User(t), w.User(t)
	a, b := w.Mailbox(t, u), w.Mailbox(t, u)
	win := audit.WindowOf(time.Date(2026, 5, 4, 12, 7, 0, 0, time.UTC), 24*time.Hour)
	add := func(step int, into time.Duration, box id.Mailbox, s mail.Status, size int64) {
		w.Append(t, u, audit.Entry{At: win.At(step).Add(into), Mailbox: box, Domain: "x.example", Status: s, Size: size})
	}
	add(-1, win.Step-time.Millisecond, a, mail.Doubtful, 1000)
	add(0, 0, a, mail.Imported, 1)
	add(0, win.Step-time.Millisecond, a, mail.Failed, 2)
	add(1, 0, a, mail.Imported, 4)
	add(1, 1, a, mail.Imported, 8)
	add(1, 2, b, mail.Rejected, 16)
	add(1, 3, b, mail.Doubtful, 32)
	add(win.Steps-1, win.Step-time.Millisecond, b, mail.Skipped, 64)
	add(win.Steps, 0, b, mail.Failed, 1000)
	got, err := w.Log(t).Stats(t.Context(), u, win)
	if err != nil {
		t.Fatalf("stats = %v", err)
	}
	want := audit.Tally{mail.Imported: {Messages: 3, Bytes: 13}, mail.Failed: {Messages: 1, Bytes: 2}, mail.Rejected: {Messages: 1, Bytes: 16},
		mail.Doubtful: {Messages: 1, Bytes: 32}, mail.Skipped: {Messages: 1, Bytes: 64}}
	if !maps.Equal(got.Totals, want) {
		t.Errorf("totals = %v, want %v", got.Totals, want)
	}
	if len(got.Series) != win.Steps || !maps.Equal(got.Series[1], audit.Tally{mail.Imported: {Messages: 2, Bytes: 12},
		mail.Rejected: {Messages: 1, Bytes: 16}, mail.Doubtful: {Messages: 1, Bytes: 32}}) || len(got.Series[2]) != 0 {
		t.Errorf("series = %v", got.Series)
	}
	if s := got.Strips[a]; len(got.Strips) != 2 || s[0] != mail.Failed || s[1] != mail.Imported || s[2] != "" {
		t.Errorf("strip of a mailbox = %v", s)
	}
	if s := got.Strips[b]; s[0] != "" || s[1] != mail.Doubtful || s[win.Steps-1] != mail.Skipped {
		t.Errorf("strip of the other = %v", s)
	}
	if s := got.Boxes[b]; len(got.Boxes) != 2 || len(s) != win.Steps || len(s[0]) != 0 || !maps.Equal(s[1], audit.Tally{mail.Rejected: {Messages: 1, Bytes: 16}, mail.Doubtful: {Messages: 1, Bytes: 32}}) {
		t.Errorf("series of a mailbox = %v", s)
	}
	if got, err = w.Log(t).Stats(t.Context(), v, win); err != nil || len(got.Totals) != 0 || len(got.Series) != win.Steps {
		t.Errorf("somebody else's stats = %+v, %v", got, err)
	}
}

func oldLinesGo(t *testing.T, w World) {
	u, v := w.User(t), w.User(t)
	box, theirs := w.Mailbox(t, u), w.Mailbox(t, v)
	limit := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	for n, at := range []time.Time{limit.AddDate(-1, 0, 0), limit.Add(-time.Millisecond), limit, limit.AddDate(0, 0, 1)} {
		e := line(box, n)
		e.At = at
		w.Append(t, u, e)
		e.Mailbox = theirs
		w.Append(t, v, e)
	}
	for _, want := range []int64{2, 0} {
		if n, err := w.Log(t).DropAudit(t.Context(), u, limit); err != nil || n != want {
			t.Errorf("dropped = %d, %v, want %d", n, err, want)
		}
	}
	if got := reasons(list(t, w, u, audit.Filter{}, "", 0).Entries); got != "3 2 " {
		t.Errorf("lines left = %q, want %q", got, "3 2 ")
	}
	if got := len(list(t, w, v, audit.Filter{}, "", 0).Entries); got != 4 {
		t.Errorf("somebody else's lines = %d, want 4", got)
	}
}
