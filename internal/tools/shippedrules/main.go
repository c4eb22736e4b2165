// Command shippedrules builds the rules that come with the program: for each
// plugins/shipped/rules/NAME.wat with NAME.json the module NAME.wasm. Run it at
// the root of the module, or name the root:
//
//	go run ./internal/tools/shippedrules      builds them and says which differ, exit 1
//	go run ./internal/tools/shippedrules -w   writes them
//
// Nothing but Go takes part, so they are the same octets on every machine.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/wat"
)

func main() {
	write := flag.Bool("w", false, "write the modules")
	flag.Parse()
	root := "."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}
	stale, err := build(filepath.Join(root, "plugins/shipped/rules"), *write)
	if err == nil && len(stale) > 0 && !*write {
		err = fmt.Errorf("not what their sources say: %s: run go generate ./plugins/shipped", strings.Join(stale, ", "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shippedrules:", err)
		os.Exit(1)
	}
}

// build names the modules of a folder that differ from their sources, and those
// without any, and writes the former if asked to.
func build(folder string, write bool) (stale []string, err error) {
	sources, err := filepath.Glob(filepath.Join(folder, "*.wat"))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("there are no sources in %s", folder)
	}
	built := map[string]bool{}
	for _, source := range sources {
		path := strings.TrimSuffix(source, ".wat") + ".wasm"
		built[path] = true
		want, err := module(source)
		if err != nil {
			return nil, err
		}
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, want) {
			continue
		}
		stale = append(stale, path)
		if write {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				return nil, err
			}
		}
	}
	modules, err := filepath.Glob(filepath.Join(folder, "*.wasm"))
	for _, path := range modules {
		if !built[path] {
			return nil, fmt.Errorf("%s has no source: delete it", path)
		}
	}
	return stale, err
}

// module builds one.
func module(source string) ([]byte, error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	wasm, err := wat.Assemble(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	document, err := os.ReadFile(strings.TrimSuffix(source, ".wat") + ".json")
	if err != nil {
		return nil, err
	}
	var short bytes.Buffer
	if err := json.Compact(&short, document); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return gate.Pack(wasm, short.Bytes())
}
