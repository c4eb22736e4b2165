package bridge

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// What a session with the source holds, and what two of them share.

func TestNoPOP3SessionRisksMoreDeletionsThanItsShare(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprint("imported by an earlier pass ", before), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const n = 5*maxDeletes/2 + 1
				w := newWorld(t, pop3)
				for i := range n {
					w.drop.add(message(i, 100))
				}
				if before {
					w.sync(Leave)
				}
				server, deletions := odd{}, map[int]int{}
				server.remove = func(all remove, refs []mail.Ref) error {
					deletions[server.dials] += len(refs)
					return all(refs)
				}
				if rep := w.sync(Delete, server.at); rep.Imported+rep.Already != n {
					t.Errorf("got %+v, want all %d", rep, n)
				}
				for s, d := range deletions {
					if d > maxDeletes {
						t.Errorf("session %d of %d deleted %d messages", s, server.dials, d)
					}
				}
				w.arrived(Delete)
			})
		})
	}
}

// TestLookingAtSlowHeadersEndsSometime: it takes longer than a session may
// last, and must not begin anew in each.
func TestLookingAtSlowHeadersEndsSometime(t *testing.T) {
	const n, slow = 130, 2 * maxSession / 130
	for name, c := range map[string]struct {
		kind   kind
		policy Disposal
		since  time.Time
		before bool // imported by an earlier pass
	}{
		"without ids":       {kind: nameless, policy: Leave},
		"with since":        {kind: pop3, policy: Leave, since: time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)},
		"before deletions":  {kind: pop3, policy: Delete, before: true},
		"without ids again": {kind: nameless, policy: Delete, before: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, c.kind)
				for i := range n {
					w.drop.add(message(i, 100))
				}
				if c.before {
					w.sync(Leave)
				}
				server := odd{header: func(ctx context.Context, _ mail.Ref) error { return sleep(ctx, slow) }}
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				rep, err := w.live(ctx, &life{mutate: func(p *Pass) { server.at(p); p.Since = c.since }}, c.policy)
				if err != nil || rep.Imported+rep.Already != n || server.dials > 6 {
					t.Errorf("got %+v, %v after %d logins; want all %d", rep, err, server.dials, n)
				}
				w.arrived(c.policy)
			})
		})
	}
}

// daily grants so many batches, and the rest tomorrow.
type daily struct {
	noBudget
	mu      sync.Mutex
	batches int
	granted int
}

func (b *daily) Reserve(_ context.Context, sizes []int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.batches--; b.batches < 0 {
		return 0, &mail.Fault{Class: mail.RateLimited, Code: "out_of_budget", Text: "budget used up", Until: time.Now().Add(5 * time.Hour)}
	}
	b.granted += len(sizes)
	return len(sizes), nil
}

func TestABudgetRefusalOnOneConnectionDoesNotCutTheOther(t *testing.T) {
	for batches := 1; batches < 6; batches++ {
		t.Run(fmt.Sprint(batches, " batches"), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, imap)
				for i := range 150 {
					w.drop.add(message(i, 100))
				}
				budget := &daily{batches: batches}
				rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) {
					p.Budget = budget
					p.Gmail = oddGmail{Importer: p.Gmail, put: func(ctx context.Context, _ mail.Chunk) error {
						if sleep(ctx, time.Second) != nil {
							return unknown()
						}
						return nil
					}}
				}}, Leave)
				if f, ok := mail.AsFault(err); !ok || f.Code != "out_of_budget" {
					t.Errorf("got %v, want out_of_budget", err)
				}
				if n := w.open(); rep.Imported != budget.granted || n != 0 {
					t.Errorf("%d were granted, %d imported, %d left in flight", budget.granted, rep.Imported, n)
				}
			})
		})
	}
}
