// Package crossaccount does what Google's security events ask for
// (Cross-Account Protection): it is the inbox behind package risc.
//
//	sessions end -> work stops -> tokens and what came from Google are destroyed
//	             -> the mailboxes say that they wait for a new grant
//
// All of it is done before the delivery is answered, and its jti is remembered
// afterwards: what a crash or a full disk interrupts is delivered again. Doing
// it twice, or late, does no harm: sessions and grants that began after the
// event stay as they are. So nothing has to be kept between the delivery and
// the deed, and five seconds are enough for both.
//
// To ask Google whether a grant still holds takes Google: that is done
// afterwards (Run), and is no loss where a restart forgets it, since the next
// upload asks the same.
package crossaccount

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Store is what is kept of users.
type Store interface {
	// UseOnce tells whether this is the first use of a value until then.
	UseOnce(ctx context.Context, kind session.Kind, value string, until time.Time) (first bool, err error)
	// FindUser gives the user whom Google calls sub; account.ErrNone.
	FindUser(ctx context.Context, sub string) (account.User, error)
	// UserOfToken gives the user whose refresh token the event names by its
	// mark; account.ErrNone.
	UserOfToken(ctx context.Context, e risc.Event) (id.User, error)
	Grant(ctx context.Context, user id.User) (account.Grant, error)
	// DropRefused destroys what Google gave with this token, and nothing that
	// came with a newer one.
	DropRefused(ctx context.Context, user id.User, token vault.Secret) error
	Sessions(ctx context.Context, user id.User) ([]session.Session, error)
	EndSession(ctx context.Context, user id.User, s session.ID) error
	Mailboxes(ctx context.Context, user id.User) ([]account.Mailbox, error)
	Registered(ctx context.Context, user id.User, box id.Mailbox) (schedule.Registered, error)
}

// Engine is what works (actors.Engine).
type Engine interface {
	// StopUser returns when nothing works for the user any more.
	StopUser(ctx context.Context, user id.User) error
	UserChanged(user id.User)
	Register(r schedule.Registered)
}

// Inbox takes events (risc.Inbox). It may be used by many goroutines at once.
type Inbox struct {
	Store  Store
	Engine Engine
	// Wipe destroys a user with everything.
	Wipe func(ctx context.Context, user id.User) error
	// Ask asks Google whether a grant still holds: nil, or why not.
	Ask func(ctx context.Context, refresh vault.Secret) error
	Log *slog.Logger

	asks chan id.User
}

// maxAsks bounds what waits for Run; what is more is found out by the next
// upload.
const maxAsks = 256

// New makes an Inbox of its fields.
func New(i Inbox) *Inbox {
	i.asks = make(chan id.User, maxAsks)
	return &i
}

// Take implements risc.Inbox.
func (i *Inbox) Take(ctx context.Context, jti string, events []risc.Event) (first bool, err error) {
	ctx = context.WithoutCancel(ctx) // whoever waits: what has begun is done
	for _, e := range events {
		if err := i.act(ctx, e); err != nil {
			return false, fmt.Errorf("%s: %w", e.Kind, err)
		}
	}
	return i.Store.UseOnce(ctx, session.RISCEvent, jti, time.Now().Add(risc.Remember))
}

// act does what one event asks for.
func (i *Inbox) act(ctx context.Context, e risc.Event) error {
	r := risc.React(e)
	i.Log.Info("security event", "status", string(e.Kind))
	if r == (risc.Reaction{}) {
		return nil
	}
	user, err := i.user(ctx, e)
	if errors.Is(err, account.ErrNone) {
		return nil // nobody of ours, or no longer
	}
	if err != nil {
		return err
	}
	if r.EndSessions {
		if err := i.endSessions(ctx, user, e); err != nil {
			return err
		}
	}
	if r.Wipe {
		return gone(i.Wipe(ctx, user))
	}
	if r.Destroy {
		return i.destroy(ctx, user, e)
	}
	if r.Ask {
		select {
		case i.asks <- user:
		default:
		}
	}
	return nil
}

func (i *Inbox) user(ctx context.Context, e risc.Event) (id.User, error) {
	if e.Kind == risc.TokenRevoked {
		return i.Store.UserOfToken(ctx, e)
	}
	u, err := i.Store.FindUser(ctx, e.Sub)
	return u.ID, err
}

// endSessions ends those that began before the event.
func (i *Inbox) endSessions(ctx context.Context, user id.User, e risc.Event) error {
	all, err := i.Store.Sessions(ctx, user)
	if err != nil {
		return gone(err)
	}
	for _, s := range all {
		if e.Before(s.Created) {
			continue
		}
		if err := i.Store.EndSession(ctx, user, s.ID); gone(err) != nil {
			return err
		}
	}
	return nil
}

// destroy ends what works for the user, then destroys what Google gave, unless
// that was given after the event.
func (i *Inbox) destroy(ctx context.Context, user id.User, e risc.Event) error {
	g, err := i.Store.Grant(ctx, user)
	if err != nil {
		return gone(err)
	}
	if e.Before(g.GrantedAt) || e.Kind == risc.TokenRevoked && !e.Matches(g.RefreshToken) {
		return nil
	}
	return i.end(ctx, user, g)
}

// end is the order of every revocation: stop, destroy, and back into the
// schedule, where the mailboxes say what they wait for.
func (i *Inbox) end(ctx context.Context, user id.User, g account.Grant) error {
	boxes, err := i.Store.Mailboxes(ctx, user)
	if err != nil {
		return gone(err)
	}
	if err := gone(i.Engine.StopUser(ctx, user)); err != nil {
		i.back(ctx, user, boxes)
		return err
	}
	err = gone(i.Store.DropRefused(ctx, user, g.RefreshToken))
	i.back(ctx, user, boxes)
	return err
}

func (i *Inbox) back(ctx context.Context, user id.User, boxes []account.Mailbox) {
	i.Engine.UserChanged(user)
	for _, b := range boxes {
		if r, err := i.Store.Registered(ctx, user, b.ID); err == nil {
			i.Engine.Register(r)
		}
	}
}

// Run asks Google about grants that may have ended, until ctx ends.
func (i *Inbox) Run(ctx context.Context) {
	for {
		select {
		case user := <-i.asks:
			if err := i.ask(ctx, user); err != nil && ctx.Err() == nil {
				i.Log.Warn("a grant could not be looked at", "user", user, "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (i *Inbox) ask(ctx context.Context, user id.User) error {
	g, err := i.Store.Grant(ctx, user)
	if err != nil {
		return gone(err)
	}
	err = i.Ask(ctx, g.RefreshToken)
	if mail.ClassOf(err) != mail.Revoked {
		return err // nil, or the next upload finds out
	}
	return i.end(context.WithoutCancel(ctx), user, g)
}

// gone takes it for done that there is nothing to do it to.
func gone(err error) error {
	if errors.Is(err, account.ErrNone) || errors.Is(err, session.ErrNone) {
		return nil
	}
	return err
}
