package oauth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Shelf is where consents are kept, sealed.
type Shelf interface {
	// Consent gives a mailbox's; account.ErrNone if there is no such mailbox.
	Consent(ctx context.Context, user id.User, box id.Mailbox) (account.Consent, error)
	// KeepConsent puts next in the place of the one with this refresh token. It is
	// durable when it returns; kept is false, and nothing is changed, where another
	// one has come in its place meanwhile.
	KeepConsent(ctx context.Context, user id.User, box id.Mailbox, was vault.Secret, next account.Consent) (kept bool, err error)
}

// Keeper keeps the access tokens of mailboxes fresh: one refresh at a time for
// each mailbox, however many wait for it. What a refresh brings is kept before
// it is used, since many providers end the old refresh token with it; for the
// same reason a refresh under way is not given up with those who wait for it.
type Keeper struct {
	clients *Clients
	shelf   Shelf

	mu      sync.Mutex
	flights map[id.Mailbox]*flight
	work    sync.WaitGroup
}

type flight struct {
	done  chan struct{}
	token vault.Secret
	err   error
}

// NewKeeper makes one.
func NewKeeper(c *Clients, s Shelf) *Keeper {
	return &Keeper{clients: c, shelf: s, flights: map[id.Mailbox]*flight{}}
}

// flightTime bounds one refresh with its writing.
const flightTime = 40 * time.Second

// Token gives an access token for a mailbox that is good for a while; never one
// equal to stale. held is the consent as the caller has read it.
func (k *Keeper) Token(ctx context.Context, user id.User, box id.Mailbox, held account.Consent, stale vault.Secret) (vault.Secret, error) {
	if lasts(held, stale) {
		return held.Access, nil
	}
	for {
		f := k.fly(ctx, user, box, stale)
		select {
		case <-f.done:
		case <-ctx.Done():
			return vault.Secret{}, &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: context.Cause(ctx)}
		}
		if f.err != nil || stale.Empty() || !f.token.Equal(stale) {
			return f.token, f.err
		}
	}
}

func lasts(c account.Consent, stale vault.Secret) bool {
	return !c.Access.Empty() && time.Until(c.Ends) > margin && (stale.Empty() || !c.Access.Equal(stale))
}

// fly joins the refresh that is under way, or begins one.
func (k *Keeper) fly(ctx context.Context, user id.User, box id.Mailbox, stale vault.Secret) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.flights[box]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	k.flights[box] = f
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTime)
	k.work.Go(func() {
		defer cancel()
		f.token, f.err = k.renew(ctx, user, box, stale)
		k.mu.Lock()
		delete(k.flights, box)
		k.mu.Unlock()
		close(f.done)
	})
	return f
}

// renew reads what is kept, which may be fresh by now, and else refreshes it.
// Who finds another consent in the place of the one that was refreshed (its
// person has connected again) goes on with that.
func (k *Keeper) renew(ctx context.Context, user id.User, box id.Mailbox, stale vault.Secret) (vault.Secret, error) {
	for range 3 {
		c, err := k.shelf.Consent(ctx, user, box)
		switch {
		case err != nil:
			return vault.Secret{}, err
		case lasts(c, stale):
			return c.Access, nil
		case c.Refresh.Empty():
			return vault.Secret{}, missing()
		}
		client := k.clients.Get(c.Provider)
		if client == nil {
			return vault.Secret{}, NoClient(c.Provider)
		}
		next, err := client.renew(ctx, c.Refresh)
		if err != nil {
			return vault.Secret{}, err
		}
		if next.Refresh.Empty() {
			next.Refresh = c.Refresh
		}
		kept, err := k.shelf.KeepConsent(ctx, user, box, c.Refresh, next)
		if err != nil || kept {
			return next.Access, err
		}
	}
	return vault.Secret{}, &mail.Fault{Class: mail.Transient, Code: "consent_unreachable", Text: "the mailbox was connected again meanwhile", Help: "it is tried again",
		Err: errors.New("another consent each time")}
}

func missing() *mail.Fault {
	return &mail.Fault{Class: mail.Login, Code: ConsentMissing, Text: "access to this mailbox was not given yet",
		Help: "open its page and connect it with the provider's sign-in"}
}

// Close waits for the refreshes under way, until ctx ends.
func (k *Keeper) Close(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.work.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
