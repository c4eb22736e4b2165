// Package shipped holds the rules that come with the program: for each a module
// of a few hundred octets with its manifest in it, built from the text beside
// it in rules/ (name.wat, name.json → name.wasm) by internal/tools/shippedrules,
// to the same octets everywhere.
//
// They are plugins like any other, use the same ABI and pass the same gate. Those
// who write plugins find in them a model for most things that one wants.
package shipped

import (
	"embed"
	"slices"
	"strings"
	"sync"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

//go:generate go run github.com/smtp-sync/smtp-sync/internal/tools/shippedrules -w ../..

//go:embed rules/*.wasm
var files embed.FS

// Rule is one of them. Nobody changes what it holds.
type Rule struct {
	Name     string
	Manifest *manifest.Manifest
	Wasm     []byte // the module as plugins.Host.Load takes it
}

// All gives the rules in the order of their names.
var All = sync.OnceValue(func() []Rule {
	entries, err := files.ReadDir("rules")
	if err != nil {
		panic("shipped: " + err.Error())
	}
	all := make([]Rule, 0, len(entries))
	for _, entry := range entries {
		wasm, err := files.ReadFile("rules/" + entry.Name())
		if err != nil {
			panic("shipped: " + err.Error())
		}
		checked, err := gate.Check(wasm, plugins.ABI)
		if err != nil {
			panic("shipped: " + entry.Name() + ": " + err.Error())
		}
		m, err := manifest.Parse(checked.Manifest)
		if err != nil {
			panic("shipped: " + entry.Name() + ": " + err.Error())
		}
		all = append(all, Rule{strings.TrimSuffix(entry.Name(), ".wasm"), m, wasm})
	}
	return all
})

// Named finds a rule.
func Named(name string) (Rule, bool) {
	all := All()
	i := slices.IndexFunc(all, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		return Rule{}, false
	}
	return all[i], true
}
