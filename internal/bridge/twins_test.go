package bridge

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

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
