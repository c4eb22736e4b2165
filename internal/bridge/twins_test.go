package bridge

import (
	"context"
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
