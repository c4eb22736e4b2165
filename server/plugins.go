package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/server/api"
)

const typeWasm = "application/wasm"

func (s *Service) listPlugins(c *call) error {
	all, err := s.plugins(c)
	if err != nil {
		return err
	}
	list, next, err := paged(c, all, func(p api.Plugin) string { return p.ID })
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, api.Plugins{Plugins: list, NextCursor: next})
}

func (s *Service) plugins(c *call) ([]api.Plugin, error) {
	all, err := s.o.Rules.Plugins(c.ctx, c.who.user)
	out := make([]api.Plugin, len(all))
	for i, p := range all {
		out[i] = plugin(p)
	}
	return out, err
}

func (s *Service) uploadPlugin(c *call) error {
	kind, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), typeWasm) {
		return api.Fail(fiber.StatusUnsupportedMediaType, "wasm_required", "send the module with Content-Type: "+typeWasm)
	}
	p, report, err := s.o.Rules.Upload(c.ctx, c.who.user, c.Body())
	if err != nil {
		return pluginError(err)
	}
	c.made(p.ID)
	return s.answerPlugin(c, p, report)
}

func (s *Service) answerPlugin(c *call, p rulebook.Plugin, r gate.Report) error {
	c.Set(fiber.HeaderLocation, s.to(v1+"/plugins"))
	return c.answer(fiber.StatusCreated, api.PluginMade{Plugin: plugin(p), Report: gateReport(r)})
}

func (s *Service) replayPlugin(c *call, a session.Answer) error {
	p, err := s.o.Rules.Plugin(c.ctx, c.who.user, a.Resource)
	if err != nil {
		return err
	}
	r, err := s.o.Rules.Report(c.ctx, c.who.user, p.ID)
	if err != nil {
		return err
	}
	return s.answerPlugin(c, p, r)
}

// getModule gives the octets back: they are their uploader's.
func (s *Service) getModule(c *call) error {
	wasm, err := s.o.Rules.Module(c.ctx, c.who.user, c.Params("id"))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, typeWasm)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="rule.wasm"`)
	return c.Send(wasm)
}

func (s *Service) deletePlugin(c *call) error {
	if err := s.o.Rules.Remove(c.ctx, c.who.user, c.Params("id")); err != nil {
		return pluginError(err)
	}
	return c.nothing()
}

func (s *Service) tryPlugin(c *call, in api.PluginTry) error {
	p, err := s.o.Rules.Plugin(c.ctx, c.who.user, c.Params("id"))
	if err != nil {
		return err
	}
	if in.Header == "" {
		return api.Invalid(api.Fault{Field: "header", Code: "header_required", Detail: "this is required", Help: "paste a raw header section: the lines above the first empty one"})
	}
	var config []byte
	if in.Config != nil {
		config = in.Config.RawMessage
	}
	out, err := s.o.Rules.Try(c.ctx, c.who.user, p.ID, config, in.Header, in.Size)
	if err != nil {
		return pluginError(err)
	}
	return c.answer(fiber.StatusOK, tried(p.Manifest, out))
}

// tried puts what a plugin said into words.
func tried(m *manifest.Manifest, o plugins.Outcome) api.Tried {
	out := api.Tried{Verdict: "keep", Code: int(o.Reason), Labels: append([]string{}, o.Labels...), Fuel: o.Fuel, Notes: []api.Note{}, Dropped: o.Dropped}
	if words := manifest.Verdicts(o.Bits); len(words) > 0 {
		out.Verdict = strings.Join(words, " ")
	}
	if o.Reason != 0 {
		out.Reason = m.Reasons[strconv.Itoa(int(o.Reason))]
	}
	for _, n := range o.Notes {
		out.Notes = append(out.Notes, api.Note{Code: int(n.Code), Value: n.Value})
	}
	return out
}

// pluginError says in the form of the API what the gate, a manifest, settings
// or a plugin at work are refused for.
func pluginError(err error) error {
	if r, ok := errors.AsType[*gate.Refusal](err); ok {
		return api.Invalid(api.Fault{Field: placeOf(r), Code: string(r.Code), Detail: "the module " + r.Text, Help: r.Help})
	}
	if all, ok := errors.AsType[manifest.Faults](err); ok {
		var out []api.Fault
		for _, f := range all {
			place, code := f.Place, "manifest_invalid"
			if place == "config" || strings.HasPrefix(place, "config.") {
				code = "config_invalid"
			}
			out = append(out, api.Fault{Field: place, Code: code, Detail: "it " + f.Text, Help: f.Help})
		}
		return api.Invalid(out...)
	}
	if f, ok := errors.AsType[*plugins.Fault](err); ok {
		detail := "the plugin " + f.Class.Text()
		if f.Detail != "" {
			detail += " (" + f.Detail + ")"
		}
		if f.Class == plugins.BadConfig && f.Number != 0 {
			detail += fmt.Sprintf(" (its number for this is %d)", f.Number)
		}
		field := ""
		if f.Class == plugins.BadConfig {
			field = "config"
		}
		return api.Invalid(api.Fault{Field: field, Code: string(f.Class), Detail: detail})
	}
	switch {
	case errors.Is(err, rules.ErrInUse), errors.Is(err, rulebook.ErrShipped), errors.Is(err, rules.ErrTooMany), errors.Is(err, rules.ErrTooManyModules):
		p := problem(err)
		p.Status = fiber.StatusConflict
		return p
	}
	return err
}

// placeOf says where in a module something is.
func placeOf(r *gate.Refusal) string {
	switch {
	case r.Function >= 0:
		return fmt.Sprintf("function %d at octet %d", r.Function, r.Offset)
	case r.Section != "":
		return fmt.Sprintf("%s section at octet %d", r.Section, r.Offset)
	}
	return "module"
}

func plugin(p rulebook.Plugin) api.Plugin {
	m := p.Manifest
	out := api.Plugin{ID: p.ID, Name: m.Name, Shipped: p.Shipped, Size: int64(p.Size), AddedAt: p.Added.UTC(), Manifest: api.Manifest{
		ABI: m.ABI, Name: m.Name, Version: m.Version, Title: texts(m.Title), Description: texts(m.Description),
		Needs:  api.Needs{Fields: list(m.Needs.Fields), Headers: list(m.Needs.Headers), Verdicts: list(m.Needs.Verdicts), Labels: m.Needs.Labels},
		Config: []api.Setting{}, Reasons: texts(m.Reasons), Limits: api.Limits{MemoryPages: int(m.Limits.MemoryPages), Fuel: m.Limits.Fuel},
	}}
	for _, s := range m.Config {
		one := api.Setting{Key: s.Key, Type: string(s.Type), Title: texts(s.Title), Help: texts(s.Help), Required: s.Required, Values: list(s.Values), Max: s.Max}
		if len(s.Default) > 0 {
			one.Default = &api.JSON{RawMessage: s.Default}
		}
		out.Manifest.Config = append(out.Manifest.Config, one)
	}
	return out
}

func texts[M ~map[string]string](m M) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func list(l []string) []string { return append([]string{}, l...) }

func gateReport(r gate.Report) api.GateReport {
	return api.GateReport{Octets: int64(r.Octets), Functions: int64(r.Functions), Imports: list(r.Imports), Exports: list(r.Exports), Pages: r.Pages,
		LargestBody: r.Largest, Blocks: r.Blocks, Effort: int64(r.Effort), Table: r.Table}
}
