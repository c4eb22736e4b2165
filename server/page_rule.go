package server

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// ruleForm is the page that makes a rule, or changes one. Its fields are those
// of the plugin's manifest.
type ruleForm struct {
	Action  string // where the form goes
	Version string // of the rule that is changed
	Changed bool   // by somebody else, meanwhile
	Plugin  pluginCard
	Name    string
	Fields  []settingField
	All     bool
	Boxes   []option
	Enabled bool
	Header  string
	Wrong   wrongs
	Tried   *triedView
	TryBox  string // whose newest messages it is to be tried on
	TryOn   []option
	Newest  *newestView
}

// triedView is what the rule says of the header on its page.
type triedView struct {
	api.Tried
	Does  []string
	Fault string // it failed, so
	Of    int64  // fuel that it may take
}

// settingField is one setting as a field of a form.
type settingField struct {
	ID          string // of the field, and its name
	Type        string
	Title, Help string
	Required    bool
	Value       string
	On          bool
	Options     []option
}

func (s *Service) rulePage() []*route {
	made := ruleAt("/rules/new", "newRule", "Make a rule", s.newRule, s.takeNewRule)
	made[0].params = []openapi.Param{query("plugin", "What it is made of.")}
	made[1].params = made[0].params
	all := append(made, ruleAt("/rules/{id}/edit", "editRule", "Change or try a rule", s.startRule, s.takeRule)...)
	all[1].rate, all[3].rate = probes, probes // it may be tried on what is in a mailbox
	return all
}

func (s *Service) newRule(c *call) error {
	v, err := s.blankRule(c, c.Query("plugin"))
	if err != nil {
		return err
	}
	v.Name, v.All, v.Enabled = v.Plugin.Title, true, true
	return s.showRule(c, fiber.StatusOK, v, nil)
}

// blankRule is the form of a plugin, with its defaults.
func (s *Service) blankRule(c *call, name string) (ruleForm, error) {
	p, err := s.o.Rules.Plugin(c.ctx, c.who.user, name)
	if err != nil {
		return ruleForm{}, err
	}
	v := ruleForm{Action: "/rules/new?plugin=" + url.QueryEscape(p.ID), Plugin: cardOf(plugin(p))}
	v.fill(nil)
	return v, nil
}

func (s *Service) startRule(c *call) error {
	_, r, err := s.rule(c, c.Params("id"))
	if err != nil {
		return err
	}
	v, err := s.formOf(c, r)
	if err != nil {
		return err
	}
	return s.showRule(c, fiber.StatusOK, v, r.Mailboxes)
}

// formOf is the form of a rule as it is.
func (s *Service) formOf(c *call, r api.Rule) (ruleForm, error) {
	v, err := s.blankRule(c, r.Plugin)
	if err != nil {
		return v, err
	}
	v.Action, v.Version = "/rules/"+r.ID+"/edit", s.ruleVersion(r)
	v.Name, v.All, v.Enabled = r.Name, r.Mailboxes == nil, r.Enabled
	v.fill(r.Config.RawMessage)
	return v, nil
}

func (s *Service) showRule(c *call, status int, v ruleForm, chosen []string) error {
	names, err := s.boxNames(c)
	if err != nil {
		return err
	}
	v.Boxes, v.TryOn = boxTicks(names, chosen), boxTicks(names, []string{v.TryBox})
	return c.showAs(status, "rule", v.Plugin.Title, v)
}

// fill makes the fields, with the values of a rule, or the defaults where it
// has none.
func (v *ruleForm) fill(config json.RawMessage) {
	given := map[string]json.RawMessage{}
	_ = json.Unmarshal(config, &given) // what it is not, has no values
	v.Fields = nil
	for _, s := range v.Plugin.Manifest.Config {
		raw := given[s.Key]
		if raw == nil && config == nil && s.Default != nil {
			raw = s.Default.RawMessage
		}
		f := settingField{ID: "c-" + s.Key, Type: s.Type, Title: titleOf(s), Help: s.Help["en"], Required: s.Required}
		f.set(raw)
		for _, choice := range s.Values {
			f.Options = append(f.Options, option{Value: choice, Name: choice, Chosen: choice == f.Value})
		}
		v.Fields = append(v.Fields, f)
	}
}

// set puts a JSON value into the form's words: the entries of a list each on a
// line.
func (f *settingField) set(raw json.RawMessage) {
	var list []string
	var one string
	switch {
	case len(raw) == 0 || string(raw) == "null":
	case json.Unmarshal(raw, &list) == nil:
		f.Value = strings.Join(list, "\n")
	case json.Unmarshal(raw, &one) == nil:
		f.Value = one
	default:
		f.Value, f.On = string(raw), string(raw) == "true"
	}
}

// config makes the values of the form into those of a rule. What is left empty
// is left out: it is what the plugin takes without it.
func (v *ruleForm) config(form url.Values) (*api.Values, error) {
	out := map[string]any{}
	for i := range v.Fields {
		f := &v.Fields[i]
		key, given := strings.TrimPrefix(f.ID, "c-"), strings.TrimSpace(form.Get(f.ID))
		f.Value, f.On = given, given != ""
		for o := range f.Options {
			f.Options[o].Chosen = f.Options[o].Value == given
		}
		switch {
		case f.Type == "bool":
			out[key] = f.On
		case given == "":
		case f.Type == "domain-list" || f.Type == "address-list":
			out[key] = parted(given)
		case f.Type == "int":
			if n, err := strconv.ParseInt(given, 10, 64); err == nil {
				out[key] = n
			} else {
				out[key] = given // refused, with the reason
			}
		default:
			out[key] = given
		}
	}
	b, err := json.Marshal(out)
	return &api.Values{RawMessage: b}, err
}

// parted gives the entries of a list as people write one.
func parted(given string) []string {
	return strings.FieldsFunc(given, func(r rune) bool { return strings.ContainsRune(" ,;\r\n\t", r) })
}

func (s *Service) takeNewRule(c *call) error {
	v, err := s.blankRule(c, c.Query("plugin"))
	if err != nil {
		return err
	}
	return s.takeForm(c, v, id.Rule{})
}

func (s *Service) takeRule(c *call) error {
	r, shown, err := s.rule(c, c.Params("id"))
	if err != nil {
		return err
	}
	v, err := s.formOf(c, shown)
	if err != nil {
		return err
	}
	return s.takeForm(c, v, r.ID)
}

// takeForm keeps the rule, or tries it.
func (s *Service) takeForm(c *call, v ruleForm, as id.Rule) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	v.Name, v.Header, v.Enabled, v.All = form.Get("name"), form.Get("header"), form.Has("enabled"), form.Get("for") != "some"
	v.Version, v.TryBox = form.Get("version"), form.Get("try_box")
	config, err := v.config(form)
	if err != nil {
		return err
	}
	chosen := form["box"]
	switch form.Get("step") {
	case "try":
		return s.tryForm(c, v, config, chosen)
	case "newest":
		return s.tryNewestForm(c, v, config, chosen)
	}
	to, release := c.press()
	defer release()
	if to != "" {
		return seeOther(c, to)
	}
	put := api.RulePut{Name: v.Name, Plugin: v.Plugin.ID, Config: config, Enabled: &v.Enabled}
	if !v.All {
		put.Mailboxes = append(api.MailboxIDs{}, chosen...)
	}
	r, err := s.putRule(c, put, as, func(version string) bool { return version != v.Version })
	if errors.Is(err, api.ErrVersion) {
		v.Changed = true
		return s.showRule(c, fiber.StatusPreconditionFailed, v, chosen)
	}
	if err != nil {
		return s.wrongRule(c, v, err, chosen)
	}
	page := "/rules#rule-" + r.ID.String()
	lacks, err := s.lacksLabels(c)
	if err != nil {
		return err
	}
	if lacks {
		page = grantPath("/rules", true)
	}
	return c.lead(page)
}

// wrongRule shows the form again, with what is wrong in it.
func (s *Service) wrongRule(c *call, v ruleForm, err error, chosen []string) error {
	status := problem(err).Status
	if v.Wrong, err = v.wrongs(err); err != nil {
		return err
	}
	return s.showRule(c, status, v, chosen)
}

// wrongs puts what is wrong beside the fields of the form. A name that is none
// of theirs may be a stranger's, and is not taken over.
func (v *ruleForm) wrongs(err error) (wrongs, error) {
	titles := map[string]string{"name": text.T("rule.name"), "boxes": text.T("rule.for"), "header": text.T("rule.header"), "try_box": text.T("rule.newest")}
	for _, f := range v.Fields {
		titles[f.ID] = f.Title
	}
	w, other := faultsOf(err, func(field string) string {
		key, isSetting := strings.CutPrefix(field, "config.")
		key, _, _ = strings.Cut(key, ".")
		switch {
		case isSetting && titles["c-"+key] != "":
			return "c-" + key
		case strings.HasPrefix(field, "mailboxes"):
			return "boxes"
		case field == "mailbox":
			return "try_box"
		case titles[field] != "" && !strings.HasPrefix(field, "c-"):
			return field
		}
		return "settings"
	})
	if other != nil {
		return saidBy(err, "settings")
	}
	for i := range w {
		w[i].Lead = titles[w[i].Name]
	}
	return w, nil
}

// tryForm asks the rule of the form about a header section: it is shown again
// on the answer, and kept nowhere.
func (s *Service) tryForm(c *call, v ruleForm, config *api.Values, chosen []string) error {
	if strings.TrimSpace(v.Header) == "" {
		v.Wrong = wrongs{{ID: "header", Name: "header", Text: text.T("rule.header.none")}}
		return s.showRule(c, fiber.StatusUnprocessableEntity, v, chosen)
	}
	p, err := s.o.Rules.Plugin(c.ctx, c.who.user, v.Plugin.ID)
	if err != nil {
		return err
	}
	out, err := s.o.Rules.Try(c.ctx, c.who.user, p.ID, config.RawMessage, v.Header, 0)
	fault, failed := errors.AsType[*plugins.Fault](err)
	if err != nil && !failed {
		return s.wrongRule(c, v, pluginError(err), chosen)
	}
	v.Tried = &triedView{Of: p.Manifest.Limits.Fuel}
	if failed {
		v.Tried.Fault = sentence(fault.Class.Text())
	} else {
		v.Tried.Tried = tried(p.Manifest, out)
		v.Tried.Does = does(v.Tried.Tried)
	}
	return s.showRule(c, fiber.StatusOK, v, chosen)
}
