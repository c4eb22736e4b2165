package cli

import (
	"context"
	"database/sql"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/billing"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/jobs"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/internal/why"
	"github.com/smtp-sync/smtp-sync/server"
)

// store is where the product remembers: the sum of what its parts ask of one. No
// part knows which it is.
type store interface {
	server.Sessions
	server.Accounts
	server.Schedules
	actors.Registry
	oauth.Shelf
	jobs.Store
	rulebook.Store
	why.Store
	notify.Store
	billing.Store

	Stats(ctx context.Context, user id.User, w audit.Window) (audit.Stats, error)
	Decide(ctx context.Context, user id.User, line id.Audit, d audit.Decision) (id.Mailbox, error)
	EnsureUser(ctx context.Context, subject string) (account.User, error)
	FindUser(ctx context.Context, subject string) (account.User, error)
	DropGrant(ctx context.Context, user id.User) error
	DropRefused(ctx context.Context, user id.User, token vault.Secret) error

	// Take takes a user over and fences whoever worked for it before; Own gives it
	// to whom it belongs already.
	Take(ctx context.Context, user id.User) (owner, error)
	Own(ctx context.Context, user id.User) (owner, error)
	// Prepare gives all that a pass begins with.
	Prepare(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, schedule.State, error)
	// GmailWait is until when Gmail takes nothing, as it told a process before this.
	GmailWait(ctx context.Context, user id.User, before time.Time) (time.Time, error)
	Keys(ctx context.Context, user id.User, box id.Mailbox) (*vault.MailboxKeys, error)
	Rest(ctx context.Context, user id.User, box id.Mailbox) error

	Key(what string) vault.Secret
	Days() quota.Days
	Jobs(ctx context.Context) (*sql.DB, error)
	Ping(ctx context.Context) error
	Close() error
}

// owner gives the ledgers of one user, under one epoch.
type owner interface {
	Ledger(ctx context.Context, box id.Mailbox) (bridge.Ledger, error)
}

// ledgers is an owner over a store's own type of one.
type ledgers func(ctx context.Context, box id.Mailbox) (bridge.Ledger, error)

func (l ledgers) Ledger(ctx context.Context, box id.Mailbox) (bridge.Ledger, error) {
	return l(ctx, box)
}

func ledgersOf[L bridge.Ledger](open func(context.Context, id.Mailbox) (L, error)) owner {
	return ledgers(func(ctx context.Context, box id.Mailbox) (bridge.Ledger, error) {
		l, err := open(ctx, box)
		if err != nil {
			return nil, err
		}
		return l, nil
	})
}

// embedded is the store in a directory of this machine.
type embedded struct{ *sqlite.Store }

func (s embedded) Take(ctx context.Context, user id.User) (owner, error) {
	o, err := s.Store.Take(ctx, user)
	if err != nil {
		return nil, err
	}
	return ledgersOf(o.Ledger), nil
}

func (s embedded) Own(ctx context.Context, user id.User) (owner, error) {
	o, err := s.Store.Own(ctx, user)
	if err != nil {
		return nil, err
	}
	return ledgersOf(o.Ledger), nil
}
