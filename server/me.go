package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func (s *Service) getSession(c *call) error {
	return c.answer(fiber.StatusOK, api.Session{CSRF: session.CSRF(c.who.cookie)})
}

func (s *Service) getMe(c *call) error {
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, me)
}

func (s *Service) me(ctx context.Context, user id.User) (api.Me, error) {
	p, err := s.o.Accounts.Profile(ctx, user)
	if err != nil {
		return api.Me{}, err
	}
	who, err := s.o.Accounts.Person(ctx, user)
	if err != nil && !errors.Is(err, account.ErrNone) {
		return api.Me{}, err
	}
	a, err := s.o.Accounts.Access(ctx, user)
	if err != nil {
		return api.Me{}, err
	}
	blocked, err := s.blocked(ctx, user)
	if err != nil {
		return api.Me{}, err
	}
	has, err := s.planOf(ctx, user)
	if err != nil {
		return api.Me{}, err
	}
	return api.Me{ID: user.String(), Email: who.Email, CreatedAt: p.Created.UTC(), Plan: has, NoMail: blocked, Settings: settings(p), Grant: grantOf(a)}, nil
}

// grantOf says how things stand with Google. Without the scope to import a
// grant is of no use yet, and the user can repair that.
func grantOf(a account.Access) api.Grant {
	g := api.Grant{Status: string(a.Status), Scopes: append([]string{}, a.Scopes...), GrantedAt: a.GrantedAt.UTC()}
	if a.Status == account.Active && !oauth.Covers(a.Scopes, oauth.ScopeInsert) {
		g.Status = string(account.Incomplete)
	}
	return g
}

// allows reports whether something may be done at Google now.
func allows(a account.Access, scope string) bool {
	return a.Status == account.Active && oauth.Covers(a.Scopes, scope)
}

// settings gives what a user chose; who chose nothing wants to hear of what
// needs him.
func settings(p account.Profile) api.Settings {
	s := api.Settings{Locale: cmp.Or(p.Locale, "en"), TimeZone: cmp.Or(p.TimeZone, "UTC"), Notices: api.Notices{Failing: true, Digest: true, SignIn: true}}
	_ = json.Unmarshal(p.Notices, &s.Notices) // ours, or none
	return s
}

func (s *Service) patchMe(c *call, in api.MePatch) error {
	if err := s.changeMe(c, in); err != nil {
		return err
	}
	return s.getMe(c)
}

// changeMe changes what the user has chosen.
func (s *Service) changeMe(c *call, in api.MePatch) error {
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	p, err := s.o.Accounts.Profile(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	next, err := in.Onto(settings(p))
	if err != nil {
		return err
	}
	p.Locale, p.TimeZone = next.Locale, next.TimeZone
	if p.Notices, err = json.Marshal(next.Notices); err != nil {
		return err
	}
	if err := s.o.Accounts.SetProfile(c.ctx, c.who.user, p); err != nil || in.Notices == nil || s.o.Notices == nil {
		return err
	}
	return s.o.Notices.Unblock(c.ctx, c.who.user)
}

func (s *Service) deleteMe(c *call) error {
	r, err := s.WipeUser(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	s.forgetCookie(c, s.cookie)
	return c.answer(fiber.StatusOK, api.Wiped{Receipt: s.receipt(r)})
}

func (s *Service) deleteGrant(c *call) error {
	r, err := s.WipeGrant(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Wiped{Receipt: s.receipt(r)})
}

func (s *Service) getReceipt(c *call) error {
	r, err := s.o.Accounts.Receipt(c.ctx, c.Params("id"))
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, s.receipt(r))
}
