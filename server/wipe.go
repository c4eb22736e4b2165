package server

import (
	"context"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// A wipe stops what works, then destroys: the key first, which the store sees
// to. Once begun it is finished, whether or not its caller waits; after an error
// it may be called again. What Google has to be told is left as an errand.

// WipeMailbox destroys a mailbox.
func (s *Service) WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Receipt, error) {
	ctx = context.WithoutCancel(ctx)
	if err := s.o.Engine.Forget(ctx, user, box); err != nil && !errors.Is(err, account.ErrNone) {
		return account.Receipt{}, err
	}
	s.delays.Forget(box)
	return s.o.Accounts.WipeMailbox(ctx, user, box)
}

// WipeGrant destroys what Google gave. The mailboxes go back into the schedule,
// where they say that they wait for a new grant.
func (s *Service) WipeGrant(ctx context.Context, user id.User) (account.Receipt, error) {
	ctx = context.WithoutCancel(ctx)
	boxes, err := s.o.Accounts.Mailboxes(ctx, user)
	if err != nil {
		return account.Receipt{}, err
	}
	if err := s.o.Engine.StopUser(ctx, user); err != nil && !errors.Is(err, account.ErrNone) {
		return account.Receipt{}, err
	}
	r, err := s.o.Accounts.WipeGrant(ctx, user)
	s.o.Engine.UserChanged(user)
	for _, b := range boxes {
		if again, err := s.o.Schedules.Registered(ctx, user, b.ID); err == nil {
			s.o.Engine.Register(again)
		}
	}
	return r, err
}

// WipeUser destroys a user: everything that is held about him.
func (s *Service) WipeUser(ctx context.Context, user id.User) (account.Receipt, error) {
	ctx = context.WithoutCancel(ctx)
	if err := s.o.Engine.StopUser(ctx, user); err != nil && !errors.Is(err, account.ErrNone) {
		return account.Receipt{}, err
	}
	boxes, err := s.o.Accounts.Mailboxes(ctx, user)
	if err != nil && !errors.Is(err, account.ErrNone) {
		return account.Receipt{}, err
	}
	r, err := s.o.Accounts.WipeUser(ctx, user)
	if err == nil {
		for _, b := range boxes {
			s.delays.Forget(b.ID)
		}
		s.o.Rules.Left(user)
		s.hub.End(user)
	}
	return r, err
}

// receipt is what its reader gets. Where the place of the keys has a history, it
// says until when: as that is now, since who lengthens it lengthens it for all.
func (s *Service) receipt(r account.Receipt) api.Receipt {
	out := api.Receipt{ID: r.ID, At: r.At.UTC(), Subject: r.Of, Rows: r.Rows, KeyDestroyed: r.KeyDestroyed, Outside: r.Outside}
	if r.KeyDestroyed && s.o.KeyHistory > 0 {
		out.HistoryUntil = out.At.Add(s.o.KeyHistory)
	}
	if out.Rows == nil {
		out.Rows = map[string]int64{}
	}
	return out
}
