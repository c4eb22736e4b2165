package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// fillLog writes n lines of a mailbox, one each step until end. One in 500 is
// doubtful, one in 1000 failed; the others are imported, of 997 domains.
func fillLog(t testing.TB, s *Store, u id.User, box id.Mailbox, n int, step time.Duration, end time.Time) {
	t.Helper()
	first := end.Add(-time.Duration(n) * step).UnixMilli()
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		number, err := u.q.MailboxNumber(t.Context(), box[:])
		if err != nil {
			return err
		}
		return u.write(t.Context(), func() error {
			return u.conn.Exec(fmt.Sprintf(`
				WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < %d)
				INSERT INTO audit (id, mailbox, domain, status, reason, size)
				SELECT unhex(printf('%%012x7%%03x8%%015x', %d + n * %d, n %% 4096, n)), %d, 'd' || (n %% 997) || '.example.org',
					CASE WHEN n %% 1000 = 0 THEN 6 WHEN n %% 500 = 0 THEN 5 ELSE 2 END, '', 5000 + n %% 1000
				FROM n`, n-1, first, step.Milliseconds(), number))
		})
	}))
}

// TestRareLineIsFoundInALongLog: over pages of which each looks at so many
// lines and no more.
func TestRareLineIsFoundInALongLog(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "box")
	const lines = lookLines*looks + lookLines*3/2
	rare := audit.Entry{Mailbox: box, Domain: "rare.example", Status: mail.Imported, At: time.Now().Add(-lines * time.Second)}
	logWorld{s}.Append(t, u, rare)
	fillLog(t, s, u, box, lines, time.Second, time.Now().Add(-time.Minute))
	for _, f := range []audit.Filter{{Domain: "rare.example"}, {Domain: ".rare.example", Mailbox: box}, {Domain: "rare.example", Status: mail.Imported}} {
		first, err := s.List(t.Context(), u, f, "", 10)
		ok(t, err)
		if len(first.Entries) != 0 || first.Next == "" {
			t.Fatalf("%+v: the first page has %d lines and next %q: it looked at all of the log", f, len(first.Entries), first.Next)
		}
		second, err := s.List(t.Context(), u, f, first.Next, 10)
		ok(t, err)
		if len(second.Entries) != 1 || second.Entries[0].Domain != "rare.example" || second.Next != "" {
			t.Errorf("%+v: the second page = %+v, want the line and no next", f, second)
		}
	}
	// What an index leads to is found at once.
	p, err := s.List(t.Context(), u, audit.Filter{Status: mail.Failed}, "", 0)
	if err != nil || len(p.Entries) != (lines+999)/1000 || p.Next != "" {
		t.Errorf("failed = %d, %v, next %q; want %d on one page", len(p.Entries), err, p.Next, (lines+999)/1000)
	}
	n, err := s.DropAudit(t.Context(), u, time.Now().Add(-time.Hour))
	if err != nil || n < lines-3600 {
		t.Errorf("dropped = %d, %v", n, err)
	}
}

// TestNoPageReadsTheWholeLog asks SQLite how it would find the lines.
func TestNoPageReadsTheWholeLog(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	ok(t, s.inUser(t.Context(), newUser(t, s, "somebody"), func(u *userDB) error {
		for st, want := range map[*statement]string{
			sqlAuditAll: "SEARCH a USING PRIMARY KEY (id>? AND id<?)", sqlStepAll: "SEARCH audit USING PRIMARY KEY (id>? AND id<?)",
			sqlAuditMailbox: "SEARCH a USING INDEX audit_by_mailbox (mailbox=? AND id>? AND id<?)",
			sqlStepMailbox:  "SEARCH audit USING COVERING INDEX audit_by_mailbox (mailbox=? AND id>? AND id<?)",
			sqlAuditStatus:  "SEARCH a USING INDEX audit_by_status (status=? AND id>? AND id<?)",
			sqlStepStatus:   "SEARCH audit USING COVERING INDEX audit_by_status (status=? AND id>? AND id<?)",
			sqlTally:        "SEARCH audit USING PRIMARY KEY (id>? AND id<?)",
		} {
			var plan []string
			q, _, err := u.conn.Prepare("EXPLAIN QUERY PLAN " + st.sql)
			ok(t, err)
			for q.Step() {
				plan = append(plan, q.ColumnText(3))
			}
			ok(t, q.Close())
			if !slices.Contains(plan, want) || strings.Contains(strings.Join(plan, "\n"), "ORDER BY") {
				t.Errorf("plan = %q, want %q and no sorting", plan, want)
			}
		}
		return nil
	}))
}

// TestNoPageCompilesItsStatementAgain: other values need no other plan.
func TestNoPageCompilesItsStatementAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "box")
	now := time.Now()
	fillLog(t, s, u, box, 10, time.Hour, now)
	for i := range 5 {
		since := now.Add(-time.Duration(i) * time.Hour)
		for _, f := range []audit.Filter{{From: since}, {Mailbox: box, To: since}, {Status: mail.Failed, From: since}, {Domain: fmt.Sprintf("d%d.example.org", i)}} {
			_, err := s.List(t.Context(), u, f, "", i+1)
			ok(t, err)
		}
	}
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		for st, prepared := range u.stmts {
			if n := prepared.Status(sqlite3.STMTSTATUS_REPREPARE, false); n > 0 {
				t.Errorf("compiled again %d times: %s", n, st.sql)
			}
		}
		return nil
	}))
}

// TestTotalsOutliveTheLog: what a mailbox has brought is known when the lines
// about it are gone; what stands otherwise is what the ledger says now.
func TestTotalsOutliveTheLog(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box, empty := newMailbox(t, s, u, "box"), newMailbox(t, s, u, "empty")
	l := takeLedger(t, s, u, box)
	again := newKey()
	ok(t, l.Record(t.Context(), again, ledger.Outcome{Status: mail.Failed}))
	for n, status := range []mail.Status{mail.Imported, mail.Imported, mail.Skipped, mail.Rejected, mail.Doubtful} {
		ok(t, l.Record(t.Context(), newKey(), ledger.Outcome{Status: status, Size: int64(10 + n)}))
	}
	ok(t, l.Record(t.Context(), again, ledger.Outcome{Status: mail.Imported, Size: 100}))
	_, err := s.DropAudit(t.Context(), u, time.Now().Add(time.Hour))
	ok(t, err)
	got, err := s.Standing(t.Context(), u)
	ok(t, err)
	want := audit.Tally{mail.Imported: {Messages: 3, Bytes: 121}, mail.Skipped: {Messages: 1}, mail.Rejected: {Messages: 1}, mail.Doubtful: {Messages: 1}}
	if fmt.Sprint(got[box]) != fmt.Sprint(want) || got[empty] != nil {
		t.Errorf("standing = %v, want %v", got, want)
	}
}

// BenchmarkAuditPage reads pages of a user's log of a million lines.
func BenchmarkAuditPage(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{Exclusive: true})
	u := newUser(b, s, "somebody")
	box := newMailbox(b, s, u, "box")
	fillLog(b, s, u, box, 1_000_000, 7*time.Second, time.Now())
	middle, err := s.List(b.Context(), u, audit.Filter{To: time.Now().AddDate(0, 0, -40)}, "", 1)
	ok(b, err)
	for _, c := range []struct {
		name   string
		f      audit.Filter
		cursor string
		limit  int
	}{
		{"first", audit.Filter{}, "", 50}, {"middle", audit.Filter{}, middle.Next, 50}, {"long", audit.Filter{}, "", 1000},
		{"mailbox", audit.Filter{Mailbox: box}, middle.Next, 50}, {"doubtful", audit.Filter{Status: mail.Doubtful}, middle.Next, 50},
		{"domain", audit.Filter{Domain: "d5.example.org"}, middle.Next, 50}, {"nothing", audit.Filter{Domain: "x.example"}, middle.Next, 50},
		{"day", audit.Filter{Domain: ".example.org"}.OnDay(time.Now().AddDate(0, 0, -40)), "", 50},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				_, err := s.List(b.Context(), u, c.f, c.cursor, c.limit)
				ok(b, err)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
	for name, span := range map[string]time.Duration{"day": 24 * time.Hour, "quarter": 90 * 24 * time.Hour} {
		b.Run("stats-"+name, func(b *testing.B) {
			for b.Loop() {
				_, err := s.Stats(b.Context(), u, audit.WindowOf(time.Now(), span))
				ok(b, err)
			}
		})
	}
}
