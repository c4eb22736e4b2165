package server

import (
	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// connectView is the page that leads to a mailbox's provider.
type connectView struct {
	ID, Name, Username string
	Provider           string // its name; "": there is no sign-in for it here
	Hint               string // what the provider wants first
	Password           bool   // it has one, which the sign-in takes the place of
	Wrong              wrongs
}

func (s *Service) connectPage() []*route {
	form := formAt("/mailboxes/{id}/connect", "connectForm", "Go to the provider of a mailbox", s.askProvider)
	form.rate = signIns
	return []*route{pageAt("/mailboxes/{id}/connect", "connectPage", "Connect a mailbox with its provider's sign-in", s.startConnect), form}
}

func (s *Service) startConnect(c *call) error {
	m, err := s.own(c)
	if err != nil {
		return err
	}
	return s.showConnect(c, fiber.StatusOK, m, nil)
}

func (s *Service) showConnect(c *call, status int, m account.Mailbox, w wrongs) error {
	v := connectView{ID: m.ID.String(), Name: m.Name, Username: m.Username, Hint: discover.For(m.Host, m.Protocol).Text, Password: m.Consent.Provider == "", Wrong: w}
	if client := s.clientOf(m); client != nil {
		v.Provider = client.Name
	}
	return c.showAs(status, "connect", text.T("connect.title", "name", m.Name), v)
}

// clientOf gives the provider of a mailbox: the one that it has, or the one that
// there is for its host.
func (s *Service) clientOf(m account.Mailbox) *oauth.Client {
	if client := s.o.Sources.Get(m.Consent.Provider); client != nil && client.Offers(m.Protocol) {
		return client
	}
	return s.o.Sources.For(m.Host, m.Protocol)
}

// askProvider is the button on that page.
func (s *Service) askProvider(c *call) error {
	m, err := s.own(c)
	if err != nil {
		return err
	}
	client := s.clientOf(m)
	if client == nil {
		return s.noSignIn(m.Host)
	}
	return s.visitProvider(c, client, m.Protocol, m.Username, trip{Mailbox: m.ID.String()})
}

// ownAs gives the caller's mailbox of that id.
func (s *Service) ownAs(c *call, mailbox string) (account.Mailbox, error) {
	box, err := id.Parse[id.Mailbox](mailbox)
	if err != nil {
		return account.Mailbox{}, api.ErrNotFound
	}
	return s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
}

// goOn tells the engine that a mailbox has changed, and lets one go on that
// stood still for its user to do something.
func (s *Service) goOn(c *call, box id.Mailbox) error {
	stored, err := s.o.Schedules.Schedule(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	if err := s.enlist(c, box); err != nil {
		return err
	}
	if stored.Phase == schedule.Failing {
		return engineError(s.o.Engine.Resume(c.ctx, c.who.user, box))
	}
	return nil
}
