package server

import (
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// caller is who sends a request: nobody, a person in a browser, or a program
// with a token.
type caller struct {
	user    id.User
	cookie  vault.Secret // of a person
	session session.Session
	bearer  vault.Secret // of a program
	token   *session.Token
}

func (w caller) known() bool { return w.user != id.User{} }

// authenticate finds out who it is, and whether he may. Someone else's cookie
// beside a token counts for nothing: an Authorization field is the whole truth.
func (c *call) authenticate() error {
	header := c.Get(fiber.HeaderAuthorization)
	cookie := vault.NewSecret(c.Cookies(c.s.cookie))
	switch {
	case header != "" && !c.route.page:
		return c.byToken(header)
	case !cookie.Empty():
		return c.byCookie(cookie)
	case c.route.access == anybody:
		return nil
	}
	return api.ErrNoSession
}

func (c *call) byCookie(cookie vault.Secret) error {
	err := session.ErrNone
	if session.IsCookie(cookie) {
		var found session.Session
		if found, err = c.s.o.Sessions.FindSession(c.ctx, cookie); err == nil {
			c.who = caller{user: found.User, session: found, cookie: cookie}
			return nil
		}
	}
	switch {
	case !errors.Is(err, session.ErrNone):
		return err
	case c.route.access == anybody:
		return nil
	}
	return api.ErrExpired
}

func (c *call) byToken(header string) error {
	scheme, text, _ := strings.Cut(header, " ")
	token := vault.NewSecret(text)
	if !strings.EqualFold(scheme, "Bearer") || !session.IsToken(token) {
		return api.ErrToken
	}
	found, err := c.s.o.Sessions.FindToken(c.ctx, token)
	switch {
	case errors.Is(err, session.ErrNone):
		return api.ErrToken
	case err != nil:
		return err
	}
	c.who = caller{user: found.User, token: &found, bearer: token}
	switch {
	case c.route.access == person:
		return api.ErrSessionOnly
	case !c.may(c.route.scope):
		return api.Scope(c.route.scope)
	}
	return nil
}

// may reports whether the caller has a scope; a person has all. Who may write
// may read.
func (c *call) may(scope string) bool {
	if c.who.token == nil || scope == "" {
		return true
	}
	names := c.who.token.Scopes.Names()
	noun, verb, _ := strings.Cut(scope, ":")
	for _, name := range names {
		if name == scope || verb == "read" && name == noun+":write" {
			return true
		}
	}
	return false
}

// intended reports whether a person means an unsafe request: a browser sends
// the cookie along with what another site makes it send. So the browser says
// that the request comes from here (Origin, Sec-Fetch-Site), and the page shows
// that it could read the session's CSRF token. Programs with a token need
// neither: no browser sends that by itself.
func (c *call) intended() error {
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return nil
	}
	if c.who.cookie.Empty() {
		return nil
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" && origin != c.s.origin {
		return api.ErrOrigin
	}
	if site := c.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return api.ErrOrigin
	}
	given := c.Get("X-CSRF-Token")
	if given == "" && c.route.page {
		given = string(c.Request().PostArgs().Peek("csrf")) // not of the query: addresses are kept and passed on
	}
	if given == "" && c.route.file {
		if f, err := c.Context().MultipartForm(); err == nil && len(f.Value["csrf"]) == 1 {
			given = f.Value["csrf"][0]
		}
	}
	switch {
	case session.CheckCSRF(c.who.cookie, given):
		return nil
	case c.route.page:
		return api.ErrOldPage
	}
	return api.ErrCSRF
}
