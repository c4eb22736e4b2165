package cli

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/jobs"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// startJobs runs the background jobs until the queue's Stop, which comes before
// the end of engine and store.
func (p *parts) startJobs(ctx context.Context, engine *actors.Engine) (*jobs.Queue, error) {
	db, err := p.store.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	return jobs.Start(ctx, jobs.Options{
		DB: db, Store: p.store, Keys: p.keys, Google: google{p.oauth}, Users: ending{p, engine}, Log: p.log, Keep: p.cfg.AuditRetention,
		Notices: p.office.Run, Billing: p.bills(),
	})
}

// deliveries takes Google's security events into the store (server.Deliveries).
func (p *parts) deliveries() func(ctx context.Context, contentType string, body []byte) (int, []byte, error) {
	receiver := risc.New(p.oauth, jobs.Inbox{Store: p.store})
	return func(ctx context.Context, contentType string, body []byte) (int, []byte, error) {
		a := receiver.Receive(ctx, contentType, body)
		return a.Status, a.Body, a.Err
	}
}

// google is asked about grants (jobs.Google).
type google struct{ *oauth.Provider }

// Check implements jobs.Google: a grant that is no more gives no token.
func (g google) Check(ctx context.Context, refresh vault.Secret) error {
	_, err := g.Source(refresh).Token(ctx, vault.Secret{})
	return err
}

// ending ends what works for a user, then destroys (jobs.Users).
type ending struct {
	*parts
	engine *actors.Engine
}

// stopWithin bounds the wait for what works: what came from Google is destroyed
// within five seconds, and whoever still works then is fenced.
const stopWithin = 2 * time.Second

func (e ending) stop(ctx context.Context, user id.User) error {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	err := e.engine.StopUser(ctx, user)
	if errors.Is(err, account.ErrNone) || errors.Is(err, actors.ErrDrained) {
		return nil
	}
	return err
}

// EndGrant implements jobs.Users. The mailboxes go back into the schedule, where
// they say that they wait for a new grant.
func (e ending) EndGrant(ctx context.Context, user id.User) error {
	boxes, err := e.store.Mailboxes(ctx, user)
	if err != nil {
		return err
	}
	stopped := e.stop(ctx, user)
	dropped := e.leave(ctx, user, func() error { return e.store.DropGrant(ctx, user) })
	err = errors.Join(dropped, stopped) // one that would not stop is stopped by the next try
	e.engine.UserChanged(user)
	for _, b := range boxes {
		if again, err := e.store.Registered(ctx, user, b.ID); err == nil {
			e.engine.Register(again)
		}
	}
	return err
}

// EndUser implements jobs.Users.
func (e ending) EndUser(ctx context.Context, user id.User) error {
	stopped := e.stop(ctx, user)
	_, err := e.wipeUser(ctx, user)
	return errors.Join(err, stopped)
}
