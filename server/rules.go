package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

func (s *Service) listRules(c *call) error {
	all, err := s.o.Rules.Rules(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	list, next, err := paged(c, ruleViews(all), func(r api.Rule) string { return r.ID })
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Rules{Rules: list, NextCursor: next})
}

func ruleViews(all []rules.Rule) []api.Rule {
	out := make([]api.Rule, len(all))
	for i, r := range all {
		out[i] = ruleView(r, i+1)
	}
	return out
}

func ruleView(r rules.Rule, position int) api.Rule {
	v := api.Rule{ID: r.ID.String(), Name: r.Name, Plugin: r.Plugin, Config: api.Values{RawMessage: r.Config}, Enabled: r.Enabled, Position: position,
		CreatedAt: r.Created.UTC(), Runs: api.RuleRuns{Messages: r.Asked, Failures: r.Failed, LastFailure: r.Fault}}
	if !r.Everywhere {
		v.Mailboxes = api.MailboxIDs{}
	}
	for _, box := range r.Mailboxes {
		v.Mailboxes = append(v.Mailboxes, box.String())
	}
	return v
}

// ruleVersion is the ETag of a rule: another one whenever its definition or its
// place is, and not when it has merely run.
func (s *Service) ruleVersion(v api.Rule) string {
	v.Runs = api.RuleRuns{}
	b, err := json.Marshal(v)
	if err != nil {
		panic("server: " + err.Error()) // its settings were JSON when they came
	}
	return `"` + base64.RawURLEncoding.EncodeToString(s.versions.mark("rule", string(b))) + `"`
}

// rule finds the one with the id of a path.
func (s *Service) rule(c *call, text string) (rules.Rule, api.Rule, error) {
	wanted, err := id.Parse[id.Rule](text)
	if err != nil {
		return rules.Rule{}, api.Rule{}, api.ErrNotFound
	}
	all, err := s.o.Rules.Rules(c.ctx, c.who.user)
	for i, r := range all {
		if r.ID == wanted {
			return r, ruleView(r, i+1), nil
		}
	}
	if err == nil {
		err = api.ErrNotFound
	}
	return rules.Rule{}, api.Rule{}, err
}

func (s *Service) getRule(c *call) error { return s.answerRule(c, fiber.StatusOK, c.Params("id")) }

func (s *Service) answerRule(c *call, status int, text string) error {
	_, v, err := s.rule(c, text)
	if err != nil {
		return err
	}
	if status == fiber.StatusCreated {
		c.Set(fiber.HeaderLocation, s.to(v1+"/rules/"+v.ID))
	}
	c.Set(fiber.HeaderETag, s.ruleVersion(v))
	return c.answer(status, v)
}

func (s *Service) createRule(c *call, in api.RulePut) error {
	r, err := s.putRule(c, in, id.Rule{}, nil)
	if err != nil {
		return err
	}
	c.made(r.ID.String())
	return s.answerRule(c, fiber.StatusCreated, r.ID.String())
}

func (s *Service) replayRule(c *call, a session.Answer) error {
	return s.answerRule(c, fiber.StatusCreated, a.Resource)
}

func (s *Service) replaceRule(c *call, in api.RulePut) error {
	was, err := id.Parse[id.Rule](c.Params("id"))
	if err != nil {
		return api.ErrNotFound
	}
	if _, err := s.putRule(c, in, was, c.unmet); err != nil {
		return err
	}
	return s.answerRule(c, fiber.StatusOK, was.String())
}

// putRule checks a rule and makes it, or replaces one (its id is not zero)
// unless its version is not what the caller has seen.
func (s *Service) putRule(c *call, in api.RulePut, as id.Rule, unmet func(version string) bool) (rules.Rule, error) {
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	if (as != id.Rule{}) {
		_, was, err := s.rule(c, as.String())
		if err != nil {
			return rules.Rule{}, err
		}
		if unmet(s.ruleVersion(was)) {
			return rules.Rule{}, api.ErrVersion
		}
	}
	r, at, err := in.Check()
	if err == nil {
		err = s.knownBoxes(c, r)
	}
	if err != nil {
		return r, err
	}
	if _, err := s.o.Rules.Plugin(c.ctx, c.who.user, r.Plugin); err != nil {
		if errors.Is(err, account.ErrNone) {
			err = api.Invalid(api.Fault{Field: "plugin", Code: "plugin_unknown", Detail: "there is no such plugin", Help: "take the id from GET /plugins"})
		}
		return r, err
	}
	r.ID = as
	r, err = s.o.Rules.Put(c.ctx, c.who.user, r, at)
	return r, pluginError(err)
}

// knownBoxes finds mailboxes that are not the caller's.
func (s *Service) knownBoxes(c *call, r rules.Rule) error {
	if len(r.Mailboxes) == 0 {
		return nil
	}
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	his := map[id.Mailbox]bool{}
	for _, m := range all {
		his[m.ID] = true
	}
	var f []api.Fault
	for i, box := range r.Mailboxes {
		if !his[box] {
			f = append(f, api.Fault{Field: fmt.Sprintf("mailboxes[%d]", i), Code: "mailbox_unknown", Detail: "there is no such mailbox", Help: "take the id from GET /mailboxes"})
		}
	}
	return api.Invalid(f...)
}

func (s *Service) deleteRule(c *call) error {
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	r, v, err := s.rule(c, c.Params("id"))
	if err != nil {
		return err
	}
	if c.unmet(s.ruleVersion(v)) {
		return api.ErrVersion
	}
	if err := s.o.Rules.Drop(c.ctx, c.who.user, r.ID); err != nil {
		return err
	}
	return c.nothing()
}
