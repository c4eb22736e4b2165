package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/account/accounttest"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/quota/quotatest"
	"github.com/smtp-sync/smtp-sync/internal/rules/rulestest"
	"github.com/smtp-sync/smtp-sync/internal/schedule/scheduletest"
	"github.com/smtp-sync/smtp-sync/internal/session/sessiontest"
)

// restarted is a store that may be opened again on what is durable.
type restarted struct {
	*installation
	s *Store
}

func newRestarted(t *testing.T, i *installation) *restarted {
	return &restarted{i, i.open(t, Options{})}
}

func (w *restarted) Reopen(t *testing.T) {
	ok(t, w.s.Close())
	w.s = w.open(t, Options{})
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	accounttest.Run(t, func(t *testing.T) (accounttest.Store, func() accounttest.Store) {
		w := newRestarted(t, newInstallation(t))
		return w.s, func() accounttest.Store { w.Reopen(t); return w.s }
	})
}

func TestQuotaDays(t *testing.T) {
	t.Parallel()
	quotatest.Run(t, func(t *testing.T) quota.Days { return newInstallation(t).open(t, Options{}).Days() })
}

// ruleWorld is a store as the suite of rules sees it.
type ruleWorld struct{ s *Store }

func (w ruleWorld) Store() rulestest.Store                     { return w.s }
func (w ruleWorld) User(t *testing.T) id.User                  { return newUser(t, w.s) }
func (w ruleWorld) Mailbox(t *testing.T, u id.User) id.Mailbox { return newMailbox(t, w.s, u) }

func TestRules(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	rulestest.Run(t, func(t *testing.T) rulestest.World { return ruleWorld{i.open(t, Options{})} })
}

// wheelWorld is a store as the suite of a registry sees it.
type wheelWorld struct{ *restarted }

func (w wheelWorld) Registry(*testing.T) scheduletest.Registry { return w.s }
func (w wheelWorld) User(t *testing.T) id.User                 { return newUser(t, w.s) }
func (w wheelWorld) Mailbox(t *testing.T, u id.User, host string, port int) id.Mailbox {
	m, err := w.s.EnsureMailbox(t.Context(), u, account.Mailbox{
		Protocol: "pop3", Host: host, Port: port, Username: id.New[id.Mailbox]().String()})
	ok(t, err)
	return m.ID
}
func (w wheelWorld) Wipe(t *testing.T, u id.User, box id.Mailbox) {
	_, err := w.s.WipeMailbox(t.Context(), u, box)
	ok(t, err)
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	scheduletest.Run(t, func(t *testing.T) scheduletest.World { return wheelWorld{newRestarted(t, newInstallation(t))} })
}

// sessionWorld is a store as the suite of sessions sees it.
type sessionWorld struct{ *restarted }

func (w *sessionWorld) Store(*testing.T) sessiontest.Store { return w.s }
func (w *sessionWorld) User(t *testing.T) id.User          { return newUser(t, w.s) }
func (w *sessionWorld) Wipe(t *testing.T, u id.User) {
	_, err := w.s.WipeUser(t.Context(), u)
	ok(t, err)
}

func (w *sessionWorld) Count(t *testing.T) (n int) {
	ok(t, w.s.connected(t.Context(), func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM tokens) + (SELECT count(*) FROM used_once)").Scan(&n)
	}))
	return n
}

// The suite runs under fake time, in which the server, a process of its own, may
// not be started.
func TestSessions(t *testing.T) {
	t.Parallel()
	newDatabase(t)
	sessiontest.Run(t, func(t *testing.T) sessiontest.World {
		return &sessionWorld{newRestarted(t, newInstallation(t))}
	})
}
