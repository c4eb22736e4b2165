package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

const pageHead = `# Rules that come with the program

Printed from their manifests by ` + "`go generate ./plugins/shipped`" + `; do not edit. Each is a WebAssembly module of about a thousand octets, manifest included, in
[plugins/shipped/rules](../plugins/shipped/rules), beside the text that it is built from. A rule sees what is listed and nothing else of a message, and never its
body; what it decides is decided before the body is imported.

Domains in lists mean domains below them too. Sizes are octets or texts such as "25MB".
`

// rulesPage is the documentation of rules, from their manifests in the order given.
func rulesPage(documents [][]byte) (string, error) {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, document := range documents {
		m, err := manifest.Parse(document)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s %s\n\n", m.Name, m.Title["en"]+":", m.Description["en"])
		sees := append([]string{}, m.Needs.Fields...)
		sees = append(sees, m.Needs.Headers...)
		can := m.Needs.Verdicts
		if m.Needs.Labels {
			can = append(can, "labels")
		}
		fmt.Fprintf(&b, "Sees: %s. Can do: %s.\n\n", listed(sees, "numbers such as the size, alone"), listed(can, "nothing"))
		b.WriteString("| setting | type | | default |\n|---|---|---|---|\n")
		for _, s := range m.Config {
			typ := string(s.Type)
			if len(s.Values) > 0 {
				typ = strings.Join(s.Values, ", ")
			}
			words := s.Title["en"] + "."
			if help := s.Help["en"]; help != "" {
				words += " " + help
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, typ, strings.ReplaceAll(words, "|", `\|`), standard(&s))
		}
	}
	return b.String(), nil
}

func listed(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}

// standard says what a setting is that nobody sets.
func standard(s *manifest.Setting) string {
	if s.Required {
		return "required"
	}
	var text string
	if json.Unmarshal(s.Default, &text) == nil {
		return text
	}
	return string(s.Default)
}
