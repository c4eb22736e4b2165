package server

import (
	"cmp"
	"net/url"

	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/server/text"
)

type grantView struct {
	Status string
	Labels bool
	Back   string // where it goes on, whatever is decided
}

func (s *Service) grantPage(c *call) error {
	s.policy.discover(c.ctx)
	s.headers(c.Ctx) // the policy may have changed
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	labels, err := s.wantsLabels(c)
	if err != nil {
		return err
	}
	return c.show("grant", text.T("grant.title"), grantView{Status: me.Grant.Status, Labels: labels, Back: afterGrant(c)})
}

// grantPath is the page that asks for access, and goes on at back afterwards.
func grantPath(back string, labels bool) string {
	q := url.Values{"return": {back}}
	if labels {
		q.Set("labels", "1")
	}
	return "/auth/google/grant?" + q.Encode()
}

// afterGrant is where this request for access wants to go on.
func afterGrant(c *call) string { return oauth.LocalPath(cmp.Or(c.Query("return"), "/mailboxes")) }

// wantsLabels reports whether the permission for labels is to be asked for: this
// request says so, or a mailbox puts labels on its mail.
func (s *Service) wantsLabels(c *call) (bool, error) {
	if c.Query("labels") == "1" {
		return true, nil
	}
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return false, err
	}
	for _, m := range all {
		if labelled(m.Label, m.Folders) {
			return true, nil
		}
	}
	return false, nil
}
