package bridge

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// oneByOne grants one message and then wants a pause: a session for each.
type oneByOne struct {
	noBudget
	calls int
}

func (b *oneByOne) Reserve(context.Context, []int64) (int, error) {
	if b.calls++; b.calls%2 == 0 {
		return 0, &mail.Fault{Class: mail.RateLimited, Code: "out_of_budget", Text: "budget used up", Until: time.Now().Add(20 * time.Second)}
	}
	return 1, nil
}

// TestTwinsAreBothImportedWhenTheirSessionsDiffer: the first is in Gmail and
// its session over before the second is looked at.
func TestTwinsAreBothImportedWhenTheirSessionsDiffer(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k, message(1, 100), message(1, 100), message(2, 100), message(1, 100), message(3, 100))
				w.want(w.sync(Delete, func(p *Pass) { p.Budget = &oneByOne{} }), Report{Listed: 5, Imported: 5})
				w.arrived(Delete)
			})
		})
	}
}

// TestTwinsAreBothImportedWhereverTheProcessIsKilled: without ids nobody could
// tell afterwards which of them is left at the source.
func TestTwinsAreBothImportedWhereverTheProcessIsKilled(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		for _, step := range Steps() {
			t.Run(fmt.Sprint(k, "/", step), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					for n := range 12 {
						w := newWorld(t, k, message(1, 100), message(1, 100), message(2, 100), message(1, 100))
						var passed atomic.Int64
						_, _ = w.live(t.Context(), &life{
							mutate: func(p *Pass) { p.Budget, p.Parallel = &oneByOne{}, 1 },
							die:    func(s Step, wh When) bool { return s == step && passed.Add(1) == int64(n+1) },
						}, Delete)
						settleDown(t, w, Delete)
						if err := w.verify(Delete); err != nil {
							t.Errorf("passing %d: %v", n+1, err)
						}
					}
				})
			})
		}
	}
}

// silentLedger writes down nothing of what left the source.
type silentLedger struct {
	Ledger
	failures int // so often
}

func (l *silentLedger) Listed(ctx context.Context, absent, present []ledger.Key) error {
	if l.failures--; l.failures >= 0 && len(absent) > 0 {
		return &mail.Fault{Class: mail.Transient, Code: "store", Text: "the store does not answer"}
	}
	return l.Ledger.Listed(ctx, absent, present)
}

// TestTwinsAreBothImportedWhenOneIsNotShown: a message without id whose header
// does not come may be the twin, not imported yet, of the one that is to be
// deleted. Was the deletion not written down, it would be taken for that one.
func TestTwinsAreBothImportedWhenOneIsNotShown(t *testing.T) {
	never := func(Step, When) bool { return false }
	for name, die := range map[string]func(Step, When) bool{
		"killed after QUIT": func(s Step, wh When) bool { return s == StepClose && wh == After },
		"the store fails":   never,
	} {
		for hidden := 1; hidden <= 2; hidden++ {
			t.Run(fmt.Sprint(name, "/", hidden), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, nameless, message(1, 100))
					w.want(w.sync(Leave), Report{Listed: 1, Imported: 1})
					w.drop.add(message(1, 100))
					server := &odd{header: func(_ context.Context, ref mail.Ref) error {
						if ref.Number == hidden {
							return &mail.Fault{Class: mail.Undelivered, Code: "not_delivered"}
						}
						return nil
					}}
					_, _ = w.live(t.Context(), &life{die: die, mutate: func(p *Pass) {
						server.at(p)
						p.Ledger = &silentLedger{p.Ledger, 1 << 20}
					}}, Delete)
					settleDown(t, w, Delete)
					w.arrived(Delete)
				})
			})
		}
	}
}

// TestADeletionIsWrittenDownWhenTheStoreIsBackSoon: from then on an equal mail
// is another one.
func TestADeletionIsWrittenDownWhenTheStoreIsBackSoon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nameless, message(1, 100))
		w.want(w.sync(Delete, func(p *Pass) { p.Ledger = &silentLedger{p.Ledger, 2} }), Report{Listed: 1, Imported: 1})
		w.drop.add(message(1, 100))
		w.want(w.sync(Delete), Report{Listed: 1, Imported: 1})
		w.arrived(Delete)
	})
}

// TestATwinThatIsSetAsideIsKept: with the one in Gmail deleted, and that not
// written down, it would be taken for that one and deleted too.
func TestATwinThatIsSetAsideIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nameless, message(1, 100))
		w.want(w.sync(Leave), Report{Listed: 1, Imported: 1})
		w.drop.add(message(1, 100))
		never := &odd{fetch: func(_ fetch, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
			return func(yield func(*mail.Incoming, error) bool) {
				for _, ref := range refs {
					if !yield(&mail.Incoming{Ref: ref, Size: -1}, &mail.Fault{Class: mail.Undelivered, Code: "not_delivered"}) {
						return
					}
				}
			}
		}}
		for range maxAttempts {
			_, _ = w.live(t.Context(), &life{mutate: never.at}, Leave)
		}
		quit := func(s Step, wh When) bool { return s == StepClose && wh == After }
		_, _ = w.live(t.Context(), &life{die: quit}, Delete)
		w.want(w.sync(Delete), Report{Listed: 2, Already: 1, Refused: 1})
		if n := len(w.drop.mails); n != 2 {
			t.Errorf("%d messages are left, want both", n)
		}
	})
}
