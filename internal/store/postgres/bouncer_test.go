package postgres

import (
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/ledger/ledgertest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestLedgerThroughPgBouncer(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.bouncer = server.Bounce(t, 3)
	ledgertest.Run(t, func(t *testing.T) ledgertest.World { return newWorld(t, i) })
}

// TestUsersShareTheConnectionsOfPgBouncerAndNothingElse: many at once over two
// connections of the server, each of which is anybody's after each transaction.
func TestUsersShareTheConnectionsOfPgBouncerAndNothingElse(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.bouncer = server.Bounce(t, 2)
	s := i.open(t, Options{})
	const users, each = 12, 25
	var all sync.WaitGroup
	for range users {
		user := newUser(t, s)
		box := newMailbox(t, s, user)
		l := takeLedger(t, s, user, box)
		all.Go(func() {
			for n := range each {
				k := ledger.Key{ID: mail.Key(id.New[id.Audit]())}
				if err := l.Claim(t.Context(), ledger.Claim{Key: k, Session: secret("s"), Domain: "example.org"}); err != nil {
					t.Errorf("claim: %v", err)
				}
				if err := l.Settle(t.Context(), k, ledger.Outcome{Status: mail.Imported, Domain: user.String()}); err != nil {
					t.Errorf("settle: %v", err)
				}
				p, err := s.List(t.Context(), user, audit.Filter{}, "", 1000)
				if err != nil || len(p.Entries) != n+1 {
					t.Errorf("lines = %d, %v, want %d", len(p.Entries), err, n+1)
				}
				for _, e := range p.Entries {
					if e.Mailbox != box || e.Domain != user.String() {
						t.Errorf("a line of somebody else: %+v", e)
					}
				}
			}
		})
	}
	all.Wait()
}
