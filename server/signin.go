package server

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func (s *Service) redirect() string { return s.to("/auth/google/callback") }

// login sends a browser to Google to say who it is. Nothing else is asked for.
func (s *Service) login(c *call) error {
	if s.otherName(string(c.Request().Host())) {
		return seeOther(c, s.origin+string(c.Request().URI().RequestURI()))
	}
	return s.visit(c, oauth.AskIdentity(s.redirect(), c.Query("return")))
}

// otherName reports whether a browser has come to this machine by another of
// its own names than the public one: Google would send it back to that one,
// where it would not have its cookie.
func (s *Service) otherName(host string) bool {
	public := strings.TrimPrefix(strings.TrimPrefix(s.origin, "https://"), "http://")
	return host != public && loopback(host) && loopback(public)
}

func loopback(hostport string) bool {
	u, err := url.Parse("//" + hostport)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
}

func (s *Service) visit(c *call, a oauth.Ask) error {
	address, flow, err := s.o.Google.Begin(c.ctx, a)
	if err != nil {
		return err
	}
	s.setCookie(c, s.flow, flow, oauth.FlowLife)
	return seeOther(c, address)
}

func seeOther(c *call, address string) error { return c.Redirect(address, fiber.StatusSeeOther) }

func (s *Service) setCookie(c *call, name, value string, life time.Duration) {
	c.Cookie(&fiber.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), HTTPOnly: true, Secure: s.secure, SameSite: fiber.CookieSameSiteLaxMode})
}

// forgetCookie deletes a cookie; it must look as it did when it was set.
func (s *Service) forgetCookie(c *call, name string) {
	c.Cookie(&fiber.Cookie{Name: name, Path: "/", Expires: time.Unix(1, 0), HTTPOnly: true, Secure: s.secure, SameSite: fiber.CookieSameSiteLaxMode})
}

// callback is where Google sends the browser back: from signing in, or from
// giving access.
func (s *Service) callback(c *call) error {
	query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return api.Fail(fiber.StatusBadRequest, "grant_callback", "the callback is not well-formed")
	}
	person := ""
	if c.who.known() {
		person = c.who.user.String()
	}
	ask, grant, err := s.o.Google.End(c.ctx, c.Cookies(s.flow), query, person)
	s.forgetCookie(c, s.flow)
	switch {
	case ask.Grants() && (err == nil || unticked(err) && grant.Sub != ""):
		err = s.granted(c, grant, err)
	case err != nil:
		return callbackError(err)
	default:
		err = s.signedIn(c, grant.Identity)
	}
	if err != nil {
		return err
	}
	return seeOther(c, s.to(ask.Return)) // a path of ours: oauth.Ask sees to that
}

// unticked reports that a person has given access to less than was asked for.
func unticked(err error) bool {
	f, ok := mail.AsFault(err)
	return ok && strings.HasPrefix(f.Code, "grant_scope_")
}

// callbackError: a callback that is not ours to take is a bad request, a "no"
// at Google's page is nobody's fault.
func callbackError(err error) error {
	e := *problem(err)
	switch e.Code {
	case "grant_denied":
		e.Status, e.Help = fiber.StatusOK, "nothing was changed; start again if you want it"
	case "grant_callback", "grant_code":
		e.Status = fiber.StatusBadRequest
	}
	return &e
}

// signedIn begins a session for who came back. A cookie from before ends with
// it, whoever put it there: otherwise he would be signed in too.
func (s *Service) signedIn(c *call, who oauth.Identity) error {
	u, err := s.o.Accounts.SignIn(c.ctx, account.Person(who), s.o.SignUp)
	if errors.Is(err, account.ErrClosed) {
		e := *problem(err)
		e.Status = fiber.StatusForbidden
		return &e
	}
	if err != nil {
		return err
	}
	return s.begin(c, u.ID)
}

// begin gives the browser a new session in place of the one it has.
func (s *Service) begin(c *call, user id.User) error {
	client := session.ClientName(c.Get(fiber.HeaderUserAgent))
	_, cookie, err := s.o.Sessions.BeginSession(c.ctx, user, client, vault.NewSecret(c.Cookies(s.cookie)))
	if err != nil {
		return err
	}
	s.setCookie(c, s.cookie, cookie.RevealString(), session.MaxLife)
	return nil
}

// granted keeps what Google gave, also where a box was left unticked: the pages
// say so then, and how to repair it. That it is the session's own account has
// been checked (oauth.Visits). What brings no lasting permission, which lack
// says, takes the place of nothing that works.
func (s *Service) granted(c *call, g oauth.Grant, lack error) error {
	if !c.who.known() {
		return api.ErrNoSession
	}
	user := c.who.user
	if g.Refresh.Empty() {
		a, err := s.o.Accounts.Access(c.ctx, user)
		if err != nil {
			return err
		}
		if a.Status == account.Active {
			return callbackError(lack)
		}
	}
	status := account.Active
	if !g.Has(oauth.ScopeInsert) {
		status = account.Incomplete
	}
	err := s.o.Accounts.PutGrant(c.ctx, user, account.Grant{Status: status, RefreshToken: g.Refresh, Scopes: g.Scopes, Email: g.Email, Sub: g.Sub, GrantedAt: now()})
	if err != nil {
		return err
	}
	s.o.Engine.UserChanged(user)
	return s.begin(c, user) // he may do more now than the old cookie could
}

// askGrant is the button on the page that says what will be asked.
func (s *Service) askGrant(c *call) error {
	p, err := s.o.Accounts.Person(c.ctx, c.who.user)
	if err != nil && !errors.Is(err, account.ErrNone) {
		return err
	}
	labels, err := s.wantsLabels(c)
	if err != nil {
		return err
	}
	who := oauth.Identity{Sub: c.who.user.String(), Email: p.Email}
	return s.visit(c, oauth.AskGrant(s.redirect(), who, labels, afterGrant(c)))
}

func (s *Service) logout(c *call) error {
	err := s.o.Sessions.EndSession(c.ctx, c.who.user, c.who.session.ID)
	if err != nil && !errors.Is(err, session.ErrNone) {
		return err
	}
	s.forgetCookie(c, s.cookie)
	c.Set("Clear-Site-Data", `"cache", "storage"`)
	return seeOther(c, s.to("/"))
}

// risc takes what Google tells of accounts (RFC 8935).
func (s *Service) risc(c *call) error {
	status, body, err := s.o.Deliveries(c.ctx, c.Get(fiber.HeaderContentType), c.Body())
	if err != nil {
		s.o.Log.Warn("security event refused", "ref", c.Locals(localRequest), "status", status, "err", err)
	}
	if len(body) > 0 {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	}
	return c.Status(status).Send(body)
}

func now() time.Time { return time.Now().UTC() }
