package server

import (
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// tryRule asks a rule about the newest messages of a mailbox.
func (s *Service) tryRule(c *call, in api.RuleTry) error {
	r, _, err := s.rule(c, c.Params("id"))
	if err != nil {
		return err
	}
	n, err := in.Check(probe.MaxNewest)
	if err != nil {
		return err
	}
	p, all, err := s.tryNewest(c, r.Plugin, r.Config, in.Mailbox, n)
	if err != nil {
		return pluginError(err)
	}
	out := api.RuleTried{Messages: make([]api.TriedMessage, len(all))}
	for i, t := range all {
		m := api.TriedMessage{Tried: tried(p.Manifest, t.Outcome), SenderDomain: t.Domain, At: t.Date.UTC(), Size: t.Size}
		if t.Fault != nil {
			m.Failure = string(t.Fault.Class)
		}
		out.Messages[i] = m
	}
	return c.answer(fiber.StatusOK, out)
}

// tryNewest fetches the headers of the newest messages of a mailbox and shows
// them to a plugin with settings. It is checked before anybody is connected to.
func (s *Service) tryNewest(c *call, plugin string, config []byte, mailbox string, n int) (p rulebook.Plugin, all []rulebook.Trial, err error) {
	if p, err = s.o.Rules.Plugin(c.ctx, c.who.user, plugin); err != nil {
		return p, nil, err
	}
	var box account.Mailbox
	wanted, err := id.Parse[id.Mailbox](mailbox)
	if err == nil {
		box, err = s.o.Accounts.Mailbox(c.ctx, c.who.user, wanted)
	} else {
		err = account.ErrNone
	}
	if errors.Is(err, account.ErrNone) {
		return p, nil, api.Invalid(api.Fault{Field: "mailbox", Code: "mailbox_unknown", Detail: "there is no such mailbox", Help: "take the id from GET /mailboxes"})
	}
	if err != nil {
		return p, nil, err
	}
	if _, err = s.o.Rules.TryAll(c.ctx, c.who.user, p.ID, config, box, nil); err != nil {
		return p, nil, err
	}
	found, err := s.o.Prober.Newest(c.ctx, c.who.user, box, n)
	if f, ok := mail.AsFault(err); ok {
		e := *problem(err)
		e.Faults = []api.Fault{{Field: "mailbox", Code: f.Code, Detail: e.Detail, Help: e.Help}}
		return p, nil, &e
	}
	if err != nil {
		return p, nil, err
	}
	all, err = s.o.Rules.TryAll(c.ctx, c.who.user, p.ID, config, box, found)
	return p, all, err
}

// newestView is what the rule on its page says of the newest messages.
type newestView struct {
	Box string
	All []newestLine
}

// newestLine is one of them. From and About are a stranger's words, shown once
// to the one whose mail it is.
type newestLine struct {
	rulebook.Trial
	Reason string
	Does   []string
	Failed string
}

func linesOf(m *manifest.Manifest, all []rulebook.Trial) (out []newestLine) {
	for _, t := range all {
		said := tried(m, t.Outcome)
		l := newestLine{Trial: t, Reason: said.Reason, Does: does(said)}
		if t.Fault != nil {
			l.Does, l.Failed = nil, sentence(t.Fault.Class.Text())
		}
		out = append(out, l)
	}
	return out
}

// does puts a verdict into words.
func does(t api.Tried) (out []string) {
	for word := range strings.FieldsSeq(t.Verdict) {
		out = append(out, text.Word("plugin.does", word))
	}
	return out
}

// tryNewestForm asks the rule of the form about the newest messages of a
// mailbox: they are shown on the answer, and kept nowhere.
func (s *Service) tryNewestForm(c *call, v ruleForm, config *api.Values, chosen []string) error {
	const wanted = 20
	p, all, err := s.tryNewest(c, v.Plugin.ID, config.RawMessage, v.TryBox, wanted)
	if err != nil {
		return s.wrongRule(c, v, pluginError(err), chosen)
	}
	names, err := s.boxNames(c)
	if err != nil {
		return err
	}
	v.Newest = &newestView{Box: names[v.TryBox], All: linesOf(p.Manifest, all)}
	return s.showRule(c, fiber.StatusOK, v, chosen)
}
