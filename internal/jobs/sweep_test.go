package jobs

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
)

func TestSweepForgetsWhatHasExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		u := w.granted(t, "ann")
		use := func() bool {
			first, err := w.store.UseOnce(t.Context(), session.RISCEvent, "jti", time.Now().Add(time.Hour))
			ok(t, err)
			return first
		}
		ask := func() {
			_, _, err := w.store.StartRequest(t.Context(), u, "key", []byte("POST"))
			ok(t, err)
			ok(t, w.store.FinishRequest(t.Context(), u, "key", session.Answer{Status: 201}))
		}
		use()
		ask()
		ok(t, w.work.sweep(t.Context()))
		if use() || w.sessions(t, u) != 1 {
			t.Error("what lives was swept away")
		}
		time.Sleep(40 * day)
		ok(t, w.work.sweep(t.Context()))
		if !use() {
			t.Error("a used value is kept for ever")
		}
		e, err := w.store.Export(t.Context(), u)
		ok(t, err)
		if len(e.Asked)+len(e.Logins) != 0 {
			t.Errorf("requests and sessions left = %d, want none", len(e.Asked)+len(e.Logins))
		}
	})
}

// lines gives the sender domains in a user's audit log.
func (w *world) lines(t *testing.T, u id.User) (domains []string) {
	t.Helper()
	for line, err := range w.store.Lines(t.Context(), u, audit.Filter{}) {
		ok(t, err)
		domains = append(domains, line.Domain)
	}
	slices.Sort(domains)
	return domains
}

// later runs f in fake time that begins after every id made so far: an id is
// never older than the one before it, whatever the clock says. So its test must
// not run beside others.
func later(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	last := id.New[id.Audit]()
	ms := binary.BigEndian.Uint64(append(make([]byte, 2), last[:6]...)) // RFC 9562 5.7
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.UnixMilli(int64(ms) + 1)))
		f(t)
	})
}

// logged is a user with a mailbox, and how to note a message of it.
func (w *world) logged(t *testing.T) (u id.User, note func(domain string)) {
	t.Helper()
	u = w.granted(t, "ann")
	box, err := w.store.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "pop3", Host: "mail.example.org", Port: 995, Username: "ann"})
	ok(t, err)
	return u, func(domain string) {
		t.Helper()
		o, err := w.store.Own(t.Context(), u)
		ok(t, err)
		l, err := o.Ledger(t.Context(), box.ID)
		ok(t, err)
		ok(t, l.Record(t.Context(), ledger.Key{ID: mail.Key{byte(len(domain))}}, ledger.Outcome{Status: mail.Imported, Domain: domain}))
	}
}

// TestAuditLinesAreKeptAsLongAsWasSaid: not shorter, and no more than a day and
// an hour longer.
func TestAuditLinesAreKeptAsLongAsWasSaid(t *testing.T) {
	later(t, func(t *testing.T) {
		w := newWorld(t)
		u, note := w.logged(t)
		hours := func(n int) {
			for range n {
				ok(t, w.work.sweep(t.Context()))
				time.Sleep(time.Hour)
			}
		}
		note("old.example")
		time.Sleep(2 * day)
		note("later.example")
		time.Sleep(86 * day)
		hours(47)
		if got := w.lines(t, u); len(got) != 2 {
			t.Errorf("before the time is over: lines = %v, want both", got)
		}
		hours(26)
		if got := w.lines(t, u); len(got) != 1 || got[0] != "later.example" {
			t.Errorf("a day after it is over: lines = %v, want the later one", got)
		}
	})
}

// TestTheQueueSweeps: what an operator has set is what happens.
func TestTheQueueSweeps(t *testing.T) {
	later(t, func(t *testing.T) {
		w := newWorld(t)
		u, note := w.logged(t)
		db, err := w.store.Jobs(t.Context())
		ok(t, err)
		q, err := Start(t.Context(), Options{DB: db, Store: w.store, Keys: w.keys, Google: w.google, Users: w.users, Log: nobody, Keep: 30 * time.Minute})
		ok(t, err)
		note("a.example")
		time.Sleep(tidy + time.Minute)
		if got := w.lines(t, u); len(got) != 0 {
			t.Errorf("lines = %v, want none", got)
		}
		ok(t, q.Stop(t.Context()))
	})
}

// ranks is a store of many users of whom nothing is known but when they were
// swept.
type ranks struct {
	Store
	swept  map[id.User]time.Time
	broken map[id.User]bool
	each   func(id.User)
}

func (r *ranks) DropExpired(context.Context) error         { return nil }
func (r *ranks) CountUsers(context.Context) (int64, error) { return int64(len(r.swept)), nil }

func (r *ranks) ToSweep(_ context.Context, since time.Time, most int) (users []id.User, err error) {
	for u, at := range r.swept {
		if !at.After(since) {
			users = append(users, u)
		}
	}
	slices.SortFunc(users, func(a, b id.User) int { return r.swept[a].Compare(r.swept[b]) })
	return users[:min(len(users), most)], nil
}

func (r *ranks) Swept(_ context.Context, users []id.User) error {
	for _, u := range users {
		r.swept[u] = time.Now()
	}
	return nil
}

func (r *ranks) Sweep(_ context.Context, u id.User, _ time.Time) error {
	r.each(u)
	if r.broken[u] {
		return errors.New("its file is broken")
	}
	return nil
}

func manyUsers(n int) *ranks {
	r := &ranks{swept: map[id.User]time.Time{}, broken: map[id.User]bool{}, each: func(id.User) {}}
	for range n {
		r.swept[id.New[id.User]()] = time.Now()
	}
	return r
}

// TestUsersAreSweptInTurns: nobody is forgotten, and no hour has more than its
// share of the day, a week without power and a broken database notwithstanding.
func TestUsersAreSweptInTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users, share = 3000, 125
		r := manyUsers(users)
		for u := range r.swept {
			r.broken[u] = true
			break
		}
		opened, last := 0, map[id.User]time.Time{}
		r.each = func(u id.User) { opened++; last[u] = time.Now() }
		w := &work{store: r, log: nobody, keep: 90 * day}
		hour := func() {
			t.Helper()
			opened = 0
			ok(t, w.sweep(t.Context()))
			if opened > share {
				t.Fatalf("databases opened in an hour = %d, want %d at most", opened, share)
			}
			time.Sleep(time.Hour)
		}
		hour()
		if len(last) != 0 {
			t.Errorf("swept = %d users that are new", len(last))
		}
		for _, idle := range []time.Duration{0, 7 * day} {
			time.Sleep(idle)
			for range 48 {
				hour()
			}
			for u := range r.swept {
				if ago := time.Since(last[u]); ago > 25*time.Hour {
					t.Fatalf("somebody was swept %v ago, among %d (broken: %t)", ago, len(last), r.broken[u])
				}
			}
		}
	})
}

// TestASweepThatIsCutGoesOnWhereItWas: at the last mark.
func TestASweepThatIsCutGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := manyUsers(100)
		time.Sleep(day)
		w := &work{store: r, log: nobody, keep: 90 * day}
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		times := map[id.User]int{}
		r.each = func(u id.User) {
			if times[u]++; len(times) == 70 {
				cut()
			}
		}
		if err := w.sweep(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("sweep = %v, want %v", err, context.Canceled)
		}
		ok(t, w.sweep(t.Context()))
		ok(t, w.sweep(t.Context()))
		again := 0
		for _, n := range times {
			again += n - 1
		}
		if len(times) != 100 || again > chunk {
			t.Errorf("users swept = %d, again %d; want 100, and no more again than one mark is for", len(times), again)
		}
	})
}

// TestShortRetentionIsSweptOften: what is kept an hour is not there a day.
func TestShortRetentionIsSweptOften(t *testing.T) {
	t.Parallel()
	for keep, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, 5 * day: 5 * time.Hour, 30 * day: day, 400 * day: day} {
		if got := (&work{keep: keep}).period(); got != want {
			t.Errorf("kept for %v: swept every %v, want %v", keep, got, want)
		}
	}
}
