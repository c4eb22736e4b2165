package jobs

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Store is where the rows are. It may be used by many goroutines at once;
// account.ErrNone means that a row or a user is gone, and nothing is to be done.
type Store interface {
	// TakeSignals keeps the news of one delivery, unless its jti is known.
	TakeSignals(ctx context.Context, jti string, until time.Time, signals []account.Signal) (first bool, err error)
	Signals(ctx context.Context) ([]account.Signal, error)
	// Signal gives one of them, and whom it concerns.
	Signal(ctx context.Context, signal string) (account.Signal, []id.User, error)
	SignalDone(ctx context.Context, signal string) error

	Errands(ctx context.Context) ([]account.Errand, error)
	ErrandDone(ctx context.Context, receipt, what string) error
	ErrandFailed(ctx context.Context, receipt, what string) error

	Access(ctx context.Context, user id.User) (account.Access, error)
	Grant(ctx context.Context, user id.User) (account.Grant, error)
	EndOtherSessions(ctx context.Context, user id.User, keep session.ID) (int, error)

	// DropExpired forgets sessions, tokens and used values that have expired,
	// Sweep a user's audit lines from before some time and requests from a day
	// ago.
	DropExpired(ctx context.Context) error
	Sweep(ctx context.Context, user id.User, before time.Time) error
	// ToSweep gives up to most users who were not marked by Swept since a time,
	// who has waited longest first.
	ToSweep(ctx context.Context, since time.Time, most int) ([]id.User, error)
	Swept(ctx context.Context, users []id.User) error
	CountUsers(ctx context.Context) (int64, error)

	// Watch has a user looked at soon for what there is to tell him; AnyWatched
	// reports whether somebody is to be looked at now.
	Watch(ctx context.Context, user id.User) error
	AnyWatched(ctx context.Context) (bool, error)

	// AnyCustomerDue reports whether the one who bills is to be asked about
	// somebody; AllCustomersDue has it asked about everybody.
	AnyCustomerDue(ctx context.Context) (bool, error)
	AllCustomersDue(ctx context.Context) error

	// Due tells that there are new errands or signals, or somebody to be looked at.
	Due() <-chan struct{}
}

// Keys are the keys under the master keys.
type Keys interface {
	// RotationOrdered gives the master key under which all are to be wrapped;
	// "": that was not ordered. Rotate does it, and may be cut and called again.
	RotationOrdered(ctx context.Context) (to string, err error)
	Rotate(ctx context.Context) (moved int, err error)
}

// Google is asked and told about grants. A Fault of class Revoked means that
// there is no such grant any more.
type Google interface {
	Revoke(ctx context.Context, refresh vault.Secret) error
	Check(ctx context.Context, refresh vault.Secret) error
}

// Billing is the one who bills (billing.Desk). What it does may be done again.
type Billing interface {
	// Run asks about every customer that is due.
	Run(ctx context.Context) error
	// Cancel ends what a customer has subscribed to, and has him forgotten.
	Cancel(ctx context.Context, customer vault.Secret) error
}

// Users ends what works for a user and destroys, in this order. Both may be
// called again.
type Users interface {
	EndGrant(ctx context.Context, user id.User) error // Google has ended it
	EndUser(ctx context.Context, user id.User) error
}
