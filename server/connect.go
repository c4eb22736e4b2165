package server

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// A mailbox whose provider has a sign-in of its own is opened with what that
// gives, and not with a password. The browser goes to the provider's page with a
// sealed cookie, which only this session opens again, and comes back to
//
//	a mailbox that is there    its tokens are replaced, and it goes on: it is the
//	                           same one, so that nothing comes twice
//	a mailbox in the making    the wizard, which carries the tokens sealed as it
//	                           carries a password, until the mailbox is made
const (
	sealTrip    = "trip"
	sealConsent = "consent"
)

// trip is one visit to a provider, as the cookie carries it.
type trip struct {
	Visit   string // oauth's
	Mailbox string // the one that is there; "": one in the making
	Draft   tripDraft
}

// tripDraft is what the wizard needs again.
type tripDraft struct {
	Address, Protocol, Host, Port, Security, Username string
}

func (s *Service) redirectOf(client *oauth.Client) string {
	return s.to("/auth/source/" + client.ID + "/callback")
}

// visitProvider sends the browser to a provider's page.
func (s *Service) visitProvider(c *call, client *oauth.Client, protocol, username string, t trip) error {
	address, visit := client.Begin(s.redirectOf(client), protocol, username)
	t.Visit = visit.RevealString()
	b, err := json.Marshal(t)
	if err != nil {
		panic("server: " + err.Error()) // of our own type
	}
	s.setCookie(c, s.trip, s.sealed.seal(b, sealTrip, c.who.user.String(), c.who.session.ID.String()), oauth.FlowLife)
	return seeOther(c, address)
}

// connected is where a mailbox's provider sends the browser back.
func (s *Service) connected(c *call) error {
	var t trip
	b, ok := s.sealed.open(c.Cookies(s.trip), sealTrip, c.who.user.String(), c.who.session.ID.String())
	s.forgetCookie(c, s.trip)
	if !ok || json.Unmarshal(b, &t) != nil {
		return &api.Error{Status: fiber.StatusBadRequest, Code: "consent_callback", Detail: text.T("connect.stranger"), Help: text.T("connect.stranger.help")}
	}
	query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return api.Fail(fiber.StatusBadRequest, "consent_callback", "the callback is not well-formed")
	}
	consent, err := s.o.Sources.End(c.ctx, c.Params("provider"), vault.NewSecret(t.Visit), query)
	if t.Mailbox != "" {
		return s.reconnected(c, t.Mailbox, consent, err)
	}
	d := &draft{Address: t.Draft.Address, Protocol: t.Draft.Protocol, Host: t.Draft.Host, Port: t.Draft.Port, Security: t.Draft.Security, Username: t.Draft.Username}
	d.Way = byHand
	if err != nil {
		w, err := saidBy(err, "connect")
		if err != nil {
			return err
		}
		return s.showNew(c, fiber.StatusUnprocessableEntity, newView{draft: d, Page: pageServer, Wrong: w})
	}
	d.holdConsent(c, consent)
	return s.showNew(c, fiber.StatusOK, newView{draft: d, Page: pageServer})
}

// reconnected gives a mailbox what its provider gave for it. In whatever way it
// was opened before, it stays the same maildrop.
func (s *Service) reconnected(c *call, mailbox string, consent account.Consent, failed error) error {
	m, err := s.ownAs(c, mailbox)
	if err != nil {
		return err
	}
	if failed != nil {
		w, err := saidBy(failed, "connect")
		if err != nil {
			return err
		}
		return s.showConnect(c, problem(failed).Status, m, w)
	}
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	if m, err = s.ownAs(c, mailbox); err != nil {
		return err
	}
	m.Password, m.Consent = vault.Secret{}, consent
	if err := s.o.Accounts.UpdateMailbox(c.ctx, c.who.user, m); err != nil {
		return err
	}
	stored, err := s.o.Schedules.Schedule(c.ctx, c.who.user, m.ID)
	if err == nil {
		err = s.goOn(c, m.ID)
	}
	if err == nil && stored.Phase == schedule.Waiting && mends(stored.Reason.Code) {
		err = engineError(s.o.Engine.SyncNow(c.ctx, c.who.user, m.ID))
	}
	if err != nil {
		return err
	}
	return seeOther(c, s.to("/mailboxes/"+m.ID.String()))
}

// serves refuses a provider whose sign-in opens no mailbox at this host.
func (s *Service) serves(m account.Mailbox) error {
	if m.Consent.Provider == "" {
		return nil
	}
	client := s.o.Sources.For(m.Host, m.Protocol)
	if client != nil && client.ID == m.Consent.Provider {
		return nil
	}
	return api.Invalid(api.Fault{Field: "provider", Code: "provider_unknown", Detail: "this installation has no such sign-in for this host", Help: "discovery names those that there are; else give a password"})
}

// candidate is a way as the API has it, with the sign-in that there is for it.
func (s *Service) candidate(f discover.Candidate) api.Candidate {
	c := api.Candidate{Protocol: f.Protocol, Host: f.Host, Port: f.Port, Security: f.Security, Username: f.Username, Auth: f.Auth, Source: f.Source, Hint: f.Hint}
	if client := s.o.Sources.For(f.Host, f.Protocol); client != nil {
		c.Provider = client.ID
	}
	return c
}

// door is how the mailboxes of a host are opened, for a page.
type door struct {
	SignIn     string   // the name of the provider whose sign-in there is; "": none
	NoPassword bool     // it takes none
	Guide      []string // to what it wants for a password, step by step
}

func (s *Service) doorOf(host, protocol string) (d door) {
	host = strings.ToLower(strings.TrimSpace(host))
	advice := discover.For(host, protocol)
	d.NoPassword, d.Guide = advice.Auth == "oauth", text.List("guide", advice.Guide)
	if client := s.o.Sources.For(host, protocol); client != nil {
		d.SignIn = client.Name
	}
	return d
}

// nameOf is what a provider is called.
func (s *Service) nameOf(provider string) string {
	if client := s.o.Sources.Get(provider); client != nil {
		return client.Name
	}
	return provider
}

// holdConsent seals what a provider gave into the form.
func (d *draft) holdConsent(c *call, consent account.Consent) {
	d.Provider = consent.Provider
	b, err := json.Marshal(keptConsent{consent.Refresh.RevealString(), consent.Access.RevealString(), consent.Ends.Unix()})
	if err != nil {
		panic("server: " + err.Error()) // of our own type
	}
	defer clear(b)
	d.Kept = c.s.sealed.seal(b, d.ofConsent(c)...)
}

// consent opens it again, and seals it for the next form. It opens for the very
// mailbox that it was given for.
func (d *draft) consent(c *call) (consent account.Consent, ok bool) {
	b, ok := c.s.sealed.open(d.Kept, d.ofConsent(c)...)
	d.Kept = ""
	var k keptConsent
	if !ok || json.Unmarshal(b, &k) != nil {
		return account.Consent{Provider: d.Provider}, false
	}
	consent = account.Consent{Provider: d.Provider, Refresh: vault.NewSecret(k.Refresh), Access: vault.NewSecret(k.Access), Ends: time.Unix(k.Ends, 0)}
	d.holdConsent(c, consent)
	return consent, true
}

func (d *draft) ofConsent(c *call) []string {
	return append(d.of(c, sealConsent), d.Provider, d.Protocol)
}

// keptConsent is a consent as a form carries it.
type keptConsent struct {
	Refresh, Access string
	Ends            int64
}

// mends reports whether a visit to the provider's page may mend what is wrong
// with a mailbox.
func mends(code string) bool {
	switch code {
	case oauth.ConsentGone, oauth.ConsentMissing, "consent_too_small", "token_refused", "oauth_required":
		return true
	}
	return false
}

// noSignIn is for a host without one.
func (s *Service) noSignIn(host string) error {
	var names []string
	for _, client := range s.o.Sources.All() {
		names = append(names, client.Name)
	}
	help := text.T("connect.none.help")
	if len(names) > 0 {
		help = text.T("connect.others.help", "names", strings.Join(names, ", "))
	}
	return &mail.Fault{Class: mail.Setup, Code: "oauth_client", Text: text.T("connect.none", "host", host), Help: help}
}
