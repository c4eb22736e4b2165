// Command shippedrules builds the rules that come with the program: for each
// plugins/shipped/rules/NAME.wat with NAME.json the module NAME.wasm, and
// docs/rules.md from what the manifests say. Run it at the root of the module, or
// name the root:
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
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	stale, err := build(filepath.Join(root, "plugins/shipped/rules"), filepath.Join(root, "docs/rules.md"), *write)
	if err == nil && len(stale) > 0 && !*write {
		err = fmt.Errorf("not what their sources say: %s: run go generate ./plugins/shipped", strings.Join(stale, ", "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shippedrules:", err)
		os.Exit(1)
	}
}

// build names what differs from the sources in a folder, the modules and the
// page, and writes it if asked to. A module without source is an error.
func build(folder, page string, write bool) (stale []string, err error) {
	sources, err := filepath.Glob(filepath.Join(folder, "*.wat"))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("there are no sources in %s", folder)
	}
	made := map[string][]byte{}
	var documents [][]byte
	for _, source := range sources {
		document, wasm, err := module(source)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
		made[strings.TrimSuffix(source, ".wat")+".wasm"] = wasm
	}
	there, err := filepath.Glob(filepath.Join(folder, "*.wasm"))
	if err != nil {
		return nil, err
	}
	for _, path := range there {
		if made[path] == nil {
			return nil, fmt.Errorf("%s has no source: delete it", path)
		}
	}
	text, err := rulesPage(documents)
	if err != nil {
		return nil, err
	}
	made[page] = []byte(text)
	for _, path := range slices.Sorted(maps.Keys(made)) {
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, made[path]) {
			continue
		}
		stale = append(stale, path)
		if write {
			if err := os.WriteFile(path, made[path], 0o644); err != nil {
				return nil, err
			}
		}
	}
	return stale, nil
}

// module builds one, and gives its manifest as well.
func module(source string) (document, wasm []byte, err error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, nil, err
	}
	wasm, err = wat.Assemble(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", source, err)
	}
	document, err = os.ReadFile(strings.TrimSuffix(source, ".wat") + ".json")
	if err != nil {
		return nil, nil, err
	}
	var short bytes.Buffer
	if err := json.Compact(&short, document); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", source, err)
	}
	wasm, err = gate.Pack(wasm, short.Bytes())
	return document, wasm, err
}
