package server

import (
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) mailboxesPage() []*route {
	return []*route{
		pageAt("/mailboxes", "mailboxesPage", "Mailboxes", s.showMailboxes),
		formAt("/mailboxes/{id}/sync", "syncForm", "Look for mail now", s.form(s.o.Engine.SyncNow)),
		formAt("/mailboxes/{id}/pause", "pauseForm", "Stop for now", s.form(s.o.Engine.Pause)),
		formAt("/mailboxes/{id}/resume", "resumeForm", "Go on", s.form(s.o.Engine.Resume)),
	}
}

// form does what the button of a form asks for and goes back to the list.
func (s *Service) form(do act) func(*call) error {
	return func(c *call) error {
		box, err := c.mailbox()
		if err != nil {
			return err
		}
		if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box); err != nil {
			return err
		}
		if err := do(c.ctx, c.who.user, box); err != nil {
			return engineError(err)
		}
		return seeOther(c, s.to("/mailboxes"))
	}
}

type mailboxesView struct {
	Grant     string
	Mailboxes []api.Mailbox
}

func (s *Service) showMailboxes(c *call) error {
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	views, err := s.views(c.ctx, c.who.user, all)
	if err != nil {
		return err
	}
	return c.show("mailboxes", text.T("mailboxes.title"), mailboxesView{Grant: me.Grant.Status, Mailboxes: views})
}
