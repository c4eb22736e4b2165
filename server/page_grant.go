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
// request says so, or a mailbox or a rule puts labels on mail.
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
	return s.rulesLabel(c)
}

// rulesLabel reports whether a rule that is on may put labels on mail.
func (s *Service) rulesLabel(c *call) (bool, error) {
	all, err := s.o.Rules.Rules(c.ctx, c.who.user)
	if err != nil || len(all) == 0 {
		return false, err
	}
	found, err := s.o.Rules.Plugins(c.ctx, c.who.user)
	labels := map[string]bool{}
	for _, p := range found {
		labels[p.ID] = p.Manifest.Needs.Labels
	}
	for _, r := range all {
		if r.Enabled && labels[r.Plugin] {
			return true, err
		}
	}
	return false, err
}

// lacksLabels reports whether a rule wants labels that Google does not allow.
func (s *Service) lacksLabels(c *call) (bool, error) {
	wanted, err := s.rulesLabel(c)
	if err != nil || !wanted {
		return false, err
	}
	a, err := s.o.Accounts.Access(c.ctx, c.who.user)
	return !allows(a, oauth.ScopeLabels), err
}
