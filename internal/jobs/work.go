package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/session"
)

// GiveUp is how long something is tried. Google forgets a refresh token that
// nobody uses by itself, and its owner can end the grant there at any time.
const GiveUp = 7 * 24 * time.Hour

// work is what the jobs do, whoever runs them.
type work struct {
	store  Store
	keys   Keys
	google Google
	users  Users
	log    *slog.Logger
	keep   time.Duration // audit lines

	notices func(context.Context) error // nil: nobody is told anything
	billing Billing                     // nil: nobody bills
}

// bill asks the one who bills about customers that are due.
func (w *work) bill(ctx context.Context, all bool) error {
	if w.billing == nil {
		return nil
	}
	if all {
		if err := w.store.AllCustomersDue(ctx); err != nil {
			return err
		}
	}
	return w.billing.Run(ctx)
}

// errNoBilling keeps an errand until billing is on again: somebody would go on
// paying.
var errNoBilling = errors.New("a subscription of a deleted account is still to be cancelled, and billing is off: set SMTPSYNC_STRIPE_SECRET_KEY, or cancel it at Stripe")

// cancel ends what a user who is wiped had subscribed to. It is never given up.
func (w *work) cancel(ctx context.Context, receipt, what string) error {
	errands, err := w.store.Errands(ctx)
	if err != nil {
		return err
	}
	for _, e := range errands {
		if e.Receipt != receipt || e.What != what {
			continue
		}
		if w.billing == nil {
			return errNoBilling
		}
		if err := w.billing.Cancel(ctx, e.Secret); err != nil {
			return err
		}
		w.log.Info("Stripe was told to cancel a subscription")
		return gone(w.store.ErrandDone(ctx, receipt, what))
	}
	return nil // done
}

// tell tells users what there is to tell, those whose time has come.
func (w *work) tell(ctx context.Context) error {
	if w.notices == nil {
		return nil // a job of before, when somebody was told
	}
	return w.notices(ctx)
}

// revoke tells Google to end a grant.
func (w *work) revoke(ctx context.Context, receipt, what string) error {
	errands, err := w.store.Errands(ctx)
	if err != nil {
		return err
	}
	for _, e := range errands {
		if e.Receipt != receipt || e.What != what {
			continue
		}
		err := w.google.Revoke(ctx, e.Secret)
		switch {
		case err == nil:
			w.log.Info("Google was told to end a grant")
			return gone(w.store.ErrandDone(ctx, receipt, what))
		case time.Since(e.Since) >= GiveUp:
			w.log.Error("Google could not be told to end a grant, and is no longer tried", "err", err)
			return gone(w.store.ErrandFailed(ctx, receipt, what))
		}
		return err
	}
	return nil // done, or moot
}

// rewrap wraps every key under the newest master key.
func (w *work) rewrap(ctx context.Context, to string) error {
	began := time.Now()
	moved, err := w.keys.Rotate(ctx)
	if err == nil && moved > 0 {
		w.log.Info("every key was wrapped under master key "+to, "dur_ms", time.Since(began).Milliseconds())
	}
	return err
}

// react does what an event of Google's asks for.
func (w *work) react(ctx context.Context, signal string) error {
	n, users, err := w.store.Signal(ctx, signal)
	if err != nil {
		return gone(err)
	}
	e := risc.Event{Kind: risc.Kind(n.Kind), Reason: n.Reason, At: n.At}
	var errs []error
	for _, u := range users {
		w.log.Info("Google told of an account", "user", u, "status", n.Kind)
		errs = append(errs, gone(w.reactFor(ctx, u, e)))
	}
	if err := errors.Join(errs...); err != nil {
		if time.Since(n.At) < GiveUp {
			return err
		}
		w.log.Error("an event of Google's could not be acted upon, and is no longer tried", "err", err)
	}
	return gone(w.store.SignalDone(ctx, signal))
}

func (w *work) reactFor(ctx context.Context, user id.User, e risc.Event) error {
	r := risc.React(e)
	if r.EndSessions {
		if _, err := w.store.EndOtherSessions(ctx, user, session.ID{}); err != nil {
			return err
		}
	}
	if r.Wipe {
		return w.users.EndUser(ctx, user)
	}
	if !r.Destroy && !r.Ask {
		return nil
	}
	a, err := w.store.Access(ctx, user)
	if err != nil || e.Before(a.GrantedAt) {
		return err
	}
	if !r.Destroy {
		return w.ask(ctx, user)
	}
	return w.users.EndGrant(ctx, user)
}

// ask finds out whether the grant is still there.
func (w *work) ask(ctx context.Context, user id.User) error {
	g, err := w.store.Grant(ctx, user)
	if err != nil {
		return err
	}
	err = w.google.Check(ctx, g.RefreshToken)
	if f, ok := mail.AsFault(err); ok && f.Class == mail.Revoked {
		return w.users.EndGrant(ctx, user)
	}
	return err
}

// gone takes it for done what has no row any more.
func gone(err error) error {
	if errors.Is(err, account.ErrNone) || errors.Is(err, session.ErrNone) {
		return nil
	}
	return err
}
