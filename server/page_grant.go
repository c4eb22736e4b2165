package server

import "github.com/smtp-sync/smtp-sync/server/text"

type grantView struct {
	Status string
	Labels bool
}

func (s *Service) grantPage(c *call) error {
	s.policy.discover(c.ctx)
	s.headers(c.Ctx) // the policy may have changed
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	return c.show("grant", text.T("grant.title"), grantView{Status: me.Grant.Status, Labels: c.Query("labels") == "1"})
}
