package server

import (
	"cmp"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// createToken makes a token that may do no more than its maker, and lives no
// longer than that.
func (s *Service) createToken(c *call, in api.TokenNew) error {
	n, err := in.Check()
	if err != nil {
		return err
	}
	if c.who.token != nil && !c.who.token.Scopes.Has(n.Scopes) {
		return &api.Error{Status: fiber.StatusForbidden, Code: "scope_missing", Detail: "a token makes no token that may do more than itself"}
	}
	if c.who.token != nil {
		n.Life = min(cmp.Or(n.Life, session.TokenLife), time.Until(c.who.token.Expires))
	}
	t, text, err := s.o.Sessions.IssueToken(c.ctx, c.who.user, n)
	if err != nil {
		return err
	}
	c.made(t.ID.String())
	c.Set(fiber.HeaderLocation, s.to("/api/v1/tokens"))
	return c.answer(fiber.StatusCreated, api.TokenMade{ID: t.ID.String(), Token: text.RevealString()})
}

// replayToken: the secret was shown once and is not known any more.
func (s *Service) replayToken(_ *call, a session.Answer) error {
	return &api.Error{Status: fiber.StatusConflict, Code: "token_made", Detail: "the token " + a.Resource + " was made by this request before, and is not shown again",
		Help: "delete it and make another with a new Idempotency-Key", ID: a.Resource}
}

func (s *Service) listTokens(c *call) error {
	all, err := s.tokens(c)
	if err != nil {
		return err
	}
	list, next, err := paged(c, all, func(t api.Token) string { return t.ID })
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Tokens{Tokens: list, NextCursor: next})
}

func (s *Service) tokens(c *call) ([]api.Token, error) {
	all, err := s.o.Sessions.Tokens(c.ctx, c.who.user)
	out := make([]api.Token, len(all))
	for i, t := range all {
		out[i] = api.Token{ID: t.ID.String(), Name: t.Name, Scopes: t.Scopes.Names(), CreatedAt: t.Created.UTC(), ExpiresAt: t.Expires.UTC(), UsedAt: t.LastUsed.UTC()}
	}
	return out, err
}

func (s *Service) deleteToken(c *call) error {
	t, err := session.ParseTokenID(c.Params("id"))
	if err != nil {
		return api.ErrNotFound
	}
	if err := s.o.Sessions.RevokeToken(c.ctx, c.who.user, t); err != nil {
		return err
	}
	return c.nothing()
}

func (s *Service) listSessions(c *call) error {
	all, err := s.signIns(c)
	if err != nil {
		return err
	}
	list, next, err := paged(c, all, func(i api.SignIn) string { return i.ID })
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Sessions{Sessions: list, NextCursor: next})
}

func (s *Service) signIns(c *call) ([]api.SignIn, error) {
	all, err := s.o.Sessions.Sessions(c.ctx, c.who.user)
	out := make([]api.SignIn, len(all))
	for i, o := range all {
		out[i] = api.SignIn{ID: o.ID.String(), Current: o.ID == c.who.session.ID, Device: o.Client,
			CreatedAt: o.Created.UTC(), UsedAt: o.LastSeen.UTC(), ExpiresAt: o.Expires().UTC()}
	}
	return out, err
}

func (s *Service) deleteSession(c *call) error {
	o, err := session.ParseID(c.Params("id"))
	if err != nil {
		return api.ErrNotFound
	}
	if err := s.o.Sessions.EndSession(c.ctx, c.who.user, o); err != nil {
		return err
	}
	if o == c.who.session.ID {
		s.forgetCookie(c, s.cookie)
	}
	return c.nothing()
}

// paged cuts a page out of a list that is short enough to be read whole. The
// position is what the page before ended with; if that has been deleted since,
// the list begins anew.
func paged[T any](c *call, all []T, key func(T) string) ([]T, string, error) {
	size, err := c.pageSize()
	if err != nil {
		return nil, "", err
	}
	after, err := c.position()
	if err != nil {
		return nil, "", err
	}
	for i, v := range all {
		if after != "" && key(v) == after {
			all = all[i+1:]
			break
		}
	}
	if len(all) <= size {
		return all, "", nil
	}
	return all[:size], c.cursor(key(all[size-1])), nil
}
