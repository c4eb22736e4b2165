package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// rulesView is the page of a user's rules, in the order in which they are asked.
type rulesView struct {
	Rules   []ruleCard
	Plugins []pluginCard // what a new rule can be made of
	Own     []pluginCard
	Uploads bool
	Full    bool // there is no room for one more
	Lacks   bool // a rule wants labels, and Google does not allow them
	Wrong   wrongs
	Taken   *takenView
}

// takenView is a plugin that has just been uploaded.
type takenView struct {
	pluginCard
	Report api.GateReport
}

// ruleCard is a rule.
type ruleCard struct {
	api.Rule
	Plugin   pluginCard
	Known    bool // its plugin is there
	Settings []fact
	Boxes    []string // names; none with Mailboxes: for none
	First    bool
	Last     bool
	Fault    string // what happened the last time it failed
}

// Everywhere reports a rule that is for all mailboxes.
func (r ruleCard) Everywhere() bool { return r.Mailboxes == nil }

// pluginCard is a plugin in words. All of them may be a stranger's.
type pluginCard struct {
	api.Plugin
	Title, About string
	Sees, Does   []string
}

func (s *Service) rulesPage() []*route {
	file := stepAt(uploadForm, "pluginForm", "Upload a plugin", s.pluginForm)
	file.file = true
	all := []*route{
		pageAt("/rules", "rulesPage", "Rules", s.showRules),
		file,
		formAt("/rules/plugins/{id}/delete", "deletePluginForm", "Delete an uploaded plugin", s.deletePluginForm),
		formAt("/rules/{id}/delete", "deleteRuleForm", "Delete a rule", s.deleteRuleForm),
	}
	for _, a := range []struct {
		name, summary string
		do            func(r *rules.Rule, at int) int
	}{
		{"up", "Ask a rule earlier", func(_ *rules.Rule, at int) int { return max(1, at-1) }},
		{"down", "Ask a rule later", func(_ *rules.Rule, at int) int { return at + 1 }},
		{"on", "Switch a rule on", func(r *rules.Rule, at int) int { r.Enabled = true; return at }},
		{"off", "Switch a rule off", func(r *rules.Rule, at int) int { r.Enabled = false; return at }},
	} {
		all = append(all, formAt("/rules/{id}/"+a.name, a.name+"RuleForm", a.summary, func(c *call) error {
			return s.nudge(c, a.do)
		}))
	}
	return append(all, s.rulePage()...)
}

// nudge changes a rule by one of the buttons on its card. There is no version:
// a button says what is to be, whatever was.
func (s *Service) nudge(c *call, do func(r *rules.Rule, at int) int) error {
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	r, v, err := s.rule(c, c.Params("id"))
	if err != nil {
		return err
	}
	at := do(&r, v.Position)
	if _, err := s.o.Rules.Put(c.ctx, c.who.user, r, at); err != nil {
		return pluginError(err)
	}
	return seeOther(c, s.to("/rules#rule-"+v.ID))
}

func (s *Service) deleteRuleForm(c *call) error {
	lock := s.edit(c.who.user)
	lock.Lock()
	defer lock.Unlock()
	r, _, err := s.rule(c, c.Params("id"))
	if err == nil {
		err = s.o.Rules.Drop(c.ctx, c.who.user, r.ID)
	}
	if err != nil {
		return err
	}
	return seeOther(c, s.to("/rules"))
}

func (s *Service) deletePluginForm(c *call) error {
	if err := s.o.Rules.Remove(c.ctx, c.who.user, c.Params("id")); err != nil {
		return pluginError(err)
	}
	return seeOther(c, s.to("/rules#own"))
}

func (s *Service) showRules(c *call) error { return s.answerRules(c, fiber.StatusOK, rulesView{}) }

func (s *Service) answerRules(c *call, status int, v rulesView) error {
	all, err := s.o.Rules.Rules(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	found, err := s.plugins(c)
	if err != nil {
		return err
	}
	boxes, err := s.boxNames(c)
	if err != nil {
		return err
	}
	by := map[string]pluginCard{}
	for _, p := range found {
		card := cardOf(p)
		by[p.ID], v.Plugins = card, append(v.Plugins, card)
		if !p.Shipped {
			v.Own = append(v.Own, card)
		}
	}
	for i, r := range ruleViews(all) {
		card := ruleCard{Rule: r, First: i == 0, Last: i == len(all)-1}
		card.Plugin, card.Known = by[r.Plugin]
		card.Settings = settingsOf(card.Plugin.Manifest, r.Config.RawMessage)
		for _, box := range r.Mailboxes {
			card.Boxes = append(card.Boxes, boxes[box])
		}
		if r.Runs.LastFailure != "" {
			card.Fault = sentence(plugins.Class(r.Runs.LastFailure).Text())
		}
		v.Rules = append(v.Rules, card)
	}
	if v.Lacks, err = s.lacksLabels(c); err != nil {
		return err
	}
	v.Uploads, v.Full = s.o.Rules.Uploads(), len(all) >= rules.Max
	return c.showAs(status, "rules", text.T("rules.title"), v)
}

// boxNames gives the names of the caller's mailboxes by id.
func (s *Service) boxNames(c *call) (map[string]string, error) {
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	names := map[string]string{}
	for _, m := range all {
		names[m.ID.String()] = m.Name
	}
	return names, err
}

// cardOf puts a plugin into words.
func cardOf(p api.Plugin) pluginCard {
	card := pluginCard{Plugin: p, Title: p.Manifest.Title["en"], About: p.Manifest.Description["en"]}
	for _, f := range p.Manifest.Needs.Fields {
		card.Sees = append(card.Sees, text.Word("plugin.sees", f))
	}
	for _, h := range p.Manifest.Needs.Headers {
		card.Sees = append(card.Sees, text.T("plugin.header", "name", h))
	}
	for _, v := range p.Manifest.Needs.Verdicts {
		card.Does = append(card.Does, text.Word("plugin.does", v))
	}
	if p.Manifest.Needs.Labels {
		card.Does = append(card.Does, text.T("plugin.labels"))
	}
	return card
}

// shown is how many entries of a list a card has.
const shown = 5

// settingsOf are the settings of a rule in words.
func settingsOf(m api.Manifest, config json.RawMessage) (out []fact) {
	given := map[string]any{}
	if json.Unmarshal(config, &given) != nil {
		return nil
	}
	for _, s := range m.Config {
		value, found := given[s.Key]
		if !found {
			continue
		}
		said := fmt.Sprint(value)
		switch v := value.(type) {
		case bool:
			said = text.Word("rule.bool", v)
		case float64:
			said = fmt.Sprintf("%.0f", v)
		case []any:
			var entries []string
			for _, e := range v[:min(len(v), shown)] {
				entries = append(entries, fmt.Sprint(e))
			}
			if said = strings.Join(entries, ", "); len(v) > shown {
				said += " " + text.T("rule.more", "n", len(v)-shown)
			}
		}
		out = append(out, fact{titleOf(s), said})
	}
	return out
}

func titleOf(s api.Setting) string {
	if title := s.Title["en"]; title != "" {
		return title
	}
	return s.Key
}

// pluginForm takes a module, and shows what the gate says of it.
func (s *Service) pluginForm(c *call) error {
	wasm, err := c.attached("module")
	if err != nil {
		return err
	}
	v := rulesView{}
	p, report, err := s.o.Rules.Upload(c.ctx, c.who.user, wasm)
	if err != nil {
		if v.Wrong, err = gateWrongs(pluginError(err)); err != nil {
			return err
		}
		return s.answerRules(c, fiber.StatusUnprocessableEntity, v)
	}
	v.Taken = &takenView{cardOf(plugin(p)), gateReport(report)}
	return s.answerRules(c, fiber.StatusOK, v)
}

// gateWrongs are the reasons of a refusal, each with its place in the module.
func gateWrongs(err error) (wrongs, error) {
	w, other := faultsOf(err, func(string) string { return "module" })
	if other != nil {
		return saidBy(err, "module")
	}
	e := problem(err)
	for i := range w {
		w[i].Lead = e.Faults[i].Field
	}
	return w, nil
}

// attached gives the octets of a file that a form brings.
func (c *call) attached(name string) ([]byte, error) {
	f, err := c.Context().MultipartForm()
	if err != nil {
		return nil, api.Fail(fiber.StatusUnsupportedMediaType, "form_required", "this page takes a form with a file")
	}
	if len(f.File[name]) == 0 {
		return nil, nil
	}
	file, err := f.File[name][0].Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, f.File[name][0].Size)
	_, err = file.ReadAt(b, 0)
	return b, err
}

// boxTicks are the mailboxes that a rule may be for.
func boxTicks(names map[string]string, chosen []string) (out []option) {
	for _, box := range sortedKeys(names) {
		out = append(out, option{Value: box, Name: names[box], Chosen: slices.Contains(chosen, box)})
	}
	return out
}

// ruleAt is the page of a rule, or of a new one.
func ruleAt(path, id, summary string, show, take func(*call) error) []*route {
	r := pageAt(path, id+"Page", summary, show)
	return []*route{r, stepAt(path, id+"Form", summary, take)}
}
