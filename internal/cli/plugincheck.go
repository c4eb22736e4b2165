package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

type pluginCheckCmd struct {
	File string `arg:"" help:"Packed module, or the name of a rule that comes with the program." placeholder:"FILE"`
}

// Run takes a module as the service takes it, and says what it is.
func (c *pluginCheckCmd) Run(a *app) error {
	h, closing, err := engineFlag{}.host(a.ctx)
	if err != nil {
		return err
	}
	defer closing()
	p, err := load(a.ctx, h, c.File)
	if err != nil {
		return err
	}
	a.printf("%s", describe(p))
	if slices.ContainsFunc(p.Manifest.Config, func(s manifest.Setting) bool { return s.Required }) {
		return nil // it starts with settings alone: plugin test does that
	}
	if _, err := p.Rule(a.ctx, nil); err != nil {
		return refused(c.File, err)
	}
	return nil
}

// describe says what users see before they let a plugin run, and what its author
// wants to know beyond that.
func describe(p *plugins.Plugin) string {
	var s strings.Builder
	m, r := p.Manifest, &p.Report
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&s, "%-10s%s\n", what, fmt.Sprintf(format, args...))
	}
	line("Plugin", "%s %s: %s", m.Name, m.Version, m.Title["en"])
	if d := m.Description["en"]; d != "" {
		line("", "%s", d)
	}
	line("Can see", "%s", inOneLine(m.Needs.Sees(), "nothing of the header"))
	line("", "of every message: %s", manifest.NumberWords)
	line("Can do", "%s", inOneLine(m.Needs.Does(), "nothing"))
	for i, setting := range m.Config {
		line(heading(i, "Settings"), "%s", inWords(&setting))
	}
	for i, number := range slices.SortedFunc(maps.Keys(m.Reasons), byNumber) {
		line(heading(i, "Reasons"), "%s: %s", number, m.Reasons[number])
	}
	line("Limits", "%d units of fuel for a message, %d for the start, %d pages of memory (64 KiB each)", m.Limits.Fuel, int64(manifest.InitFuel), m.Limits.MemoryPages)
	line("Module", "%d of %d octets; %d functions, the largest of %d octets, at most %d blocks in one; memory of %d KiB at the start",
		r.Octets, gate.MaxModule, r.Functions, r.Largest, r.Blocks, 64*r.Pages)
	line("Imports", "%s", imports(r.Imports))
	line("Exports", "%s", strings.Join(r.Exports, ", "))
	line("Compiling", "%.1f %% of the effort that one may cost", 100*float64(r.Effort)/gate.MaxSquares)
	line("Digest", "%s", p.Digest)
	return s.String()
}

// heading gives a word to the first line of several.
func heading(i int, word string) string {
	if i > 0 {
		return ""
	}
	return word
}

func inOneLine(words []string, none string) string { return cmp.Or(strings.Join(words, ", "), none) }

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return cmp.Compare(x, y)
}

// imports names what a module uses of the ABI. What compilers add of WASI is
// counted: it does nothing here.
func imports(names []string) string {
	var own []string
	idle := 0
	for _, name := range names {
		if f, ok := strings.CutPrefix(name, manifest.ABI+"."); ok {
			own = append(own, f)
		} else {
			idle++
		}
	}
	text := inOneLine(own, "nothing")
	if idle > 0 {
		text += fmt.Sprintf("; %d functions of WASI, which do nothing here", idle)
	}
	return text
}

// inWords says what a setting takes.
func inWords(s *manifest.Setting) string {
	text := fmt.Sprintf("%s, %s", s.Key, s.Type)
	if len(s.Values) > 0 {
		text += " of " + strings.Join(s.Values, ", ")
	}
	switch {
	case s.Required:
		text += ", required"
	case len(s.Default) > 0:
		text += ", default " + string(s.Default)
	}
	if title := s.Title["en"]; title != "" {
		text += ": " + title
	}
	return text
}
