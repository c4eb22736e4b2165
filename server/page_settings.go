package server

import (
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// settingsView is the page of what a user may choose, see and end.
type settingsView struct {
	Me       api.Me
	LastUse  time.Time // of Google access: the last message that was imported
	Import   bool      // it allows adding mail
	Labels   bool      // it allows labels
	Sessions []api.SignIn
	Tokens   []api.Token
	Wrong    wrongs
	Saved    bool

	Locale, TimeZone string // as the form has them
	Notices          api.Notices

	Billing *api.Billing // nil: nobody bills

	Token     tokenForm
	MadeToken string // shown this once
}

// tokenForm asks for a token.
type tokenForm struct {
	Name   string
	Life   string
	Scopes []option
	Lives  []option
}

var (
	tokenScopes = []string{"mailboxes:read", "mailboxes:write", "audit:read", "rules:write", "account:write"}
	tokenLives  = []string{"24h", "720h", "2160h", "8784h"}
)

func (t *tokenForm) offer(chosen []string) {
	for _, v := range tokenScopes {
		t.Scopes = append(t.Scopes, option{Value: v, Name: v, Chosen: slices.Contains(chosen, v)})
	}
	for _, v := range tokenLives {
		t.Lives = append(t.Lives, option{Value: v, Name: v, Chosen: v == t.Life})
	}
}

func (s *Service) settingsPage() []*route {
	return []*route{
		pageAt("/settings", "settingsPage", "Settings", s.startSettings),
		stepAt("/settings", "settingsForm", "Change my settings", s.saveSettings),
		stepAt("/settings/tokens", "tokenForm", "Make an API token", s.makeToken),
		formAt("/settings/tokens/{id}/end", "endTokenForm", "End an API token", s.endToken),
		formAt("/settings/sessions/{id}/end", "endSessionForm", "Sign out somewhere", s.endSession),
	}
}

func (s *Service) startSettings(c *call) error {
	return s.showSettings(c, fiber.StatusOK, settingsView{Saved: c.Query("saved") == "1"})
}

func (s *Service) showSettings(c *call, status int, v settingsView) (err error) {
	if v.Me, err = s.me(c.ctx, c.who.user); err != nil {
		return err
	}
	if v.Sessions, err = s.signIns(c); err != nil {
		return err
	}
	if v.Tokens, err = s.tokens(c); err != nil {
		return err
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, audit.Filter{Status: mail.Imported}, "", 1)
	if err != nil {
		return err
	}
	if len(p.Entries) > 0 {
		v.LastUse = p.Entries[0].At.UTC()
	}
	a, err := s.o.Accounts.Access(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v.Import, v.Labels = allows(a, oauth.ScopeInsert), allows(a, oauth.ScopeLabels)
	if v.Locale == "" && v.TimeZone == "" {
		v.Locale, v.TimeZone, v.Notices = v.Me.Locale, v.Me.TimeZone, v.Me.Notices
	}
	if s.o.Billing != nil {
		b, err := s.billing(c.ctx, c.who.user)
		if err != nil {
			return err
		}
		v.Billing = &b
	}
	if v.Token.Scopes == nil {
		v.Token.Life = "2160h"
		v.Token.offer([]string{"mailboxes:read"})
	}
	return c.showAs(status, "settings", text.T("settings.title"), v)
}

// saveSettings changes what a user has chosen.
func (s *Service) saveSettings(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	v := settingsView{Locale: strings.TrimSpace(f.Get("locale")), TimeZone: strings.TrimSpace(f.Get("time_zone")),
		Notices: api.Notices{Failing: f.Has("failing"), Digest: f.Has("digest"), SignIn: f.Has("sign_in")}}
	err = s.changeMe(c, api.MePatch{Locale: &v.Locale, TimeZone: &v.TimeZone,
		Notices: &api.NoticesPatch{Failing: &v.Notices.Failing, Digest: &v.Notices.Digest, SignIn: &v.Notices.SignIn}})
	if v.Wrong, err = faultsOf(err, nil); err != nil {
		return err
	}
	if len(v.Wrong) > 0 {
		return s.showSettings(c, fiber.StatusUnprocessableEntity, v)
	}
	return seeOther(c, s.to("/settings?saved=1"))
}

// endSession signs out somewhere.
func (s *Service) endSession(c *call) error {
	o, err := session.ParseID(c.Params("id"))
	if err != nil {
		return api.ErrNotFound
	}
	if err := s.o.Sessions.EndSession(c.ctx, c.who.user, o); err != nil {
		return err
	}
	if o == c.who.session.ID {
		s.forgetCookie(c, s.cookie)
		return seeOther(c, s.to("/"))
	}
	return seeOther(c, s.to("/settings#sessions"))
}

// makeToken makes a token and shows it on the answer itself: there is no
// address under which it could be seen again.
func (s *Service) makeToken(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	n := api.TokenNew{Name: f.Get("token_name"), Scopes: f["scope"], ExpiresIn: new(api.ParseDuration(f.Get("life")))}
	v := settingsView{}
	asked, err := n.Check()
	v.Wrong, err = faultsOf(err, func(field string) string {
		return map[string]string{"name": "token_name", "scopes": "scope", "expires_in": "life"}[field]
	})
	if err != nil {
		return err
	}
	if len(v.Wrong) > 0 {
		v.Token = tokenForm{Name: n.Name, Life: f.Get("life")}
		v.Token.offer(n.Scopes)
		return s.showSettings(c, fiber.StatusUnprocessableEntity, v)
	}
	_, text, err := s.o.Sessions.IssueToken(c.ctx, c.who.user, asked)
	if err != nil {
		if v.Wrong, err = saidBy(err, "token_name"); err != nil {
			return err
		}
		return s.showSettings(c, fiber.StatusConflict, v)
	}
	v.MadeToken = text.RevealString()
	return s.showSettings(c, fiber.StatusOK, v)
}

// endToken ends a token.
func (s *Service) endToken(c *call) error {
	t, err := session.ParseTokenID(c.Params("id"))
	if err != nil {
		return api.ErrNotFound
	}
	if err := s.o.Sessions.RevokeToken(c.ctx, c.who.user, t); err != nil {
		return err
	}
	return seeOther(c, s.to("/settings#tokens"))
}
