// Command configdoc writes what is printed from the configuration struct:
// .env.example, and the table between the markers in README.md. Run it at the
// root of the module:
//
//	go run ./internal/tools/configdoc      says what is out of date, exit 1
//	go run ./internal/tools/configdoc -w   writes it
//
// Its test compares, so that neither file can drift from the code.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/config"
)

const (
	begin = "<!-- configuration: printed by internal/tools/configdoc -->\n"
	end   = "<!-- end of configuration -->"
)

func main() {
	write := flag.Bool("w", false, "write the files")
	flag.Parse()
	stale, err := generate(".", *write)
	if err == nil && len(stale) > 0 && !*write {
		err = fmt.Errorf("out of date: %s: run go run ./internal/tools/configdoc -w", strings.Join(stale, ", "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "configdoc:", err)
		os.Exit(1)
	}
}

// generate names the files under root that differ from the struct, and writes
// them if asked to.
func generate(root string, write bool) (stale []string, err error) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return nil, err
	}
	before, rest, found := strings.Cut(string(readme), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return nil, fmt.Errorf("README.md has no markers %q and %q", strings.TrimSpace(begin), end)
	}
	for name, want := range map[string]string{
		".env.example": config.EnvExample(),
		"README.md":    before + begin + config.Table() + end + after,
	} {
		path := filepath.Join(root, name)
		if got, err := os.ReadFile(path); err == nil && string(got) == want {
			continue
		}
		stale = append(stale, name)
		if write {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				return nil, err
			}
		}
	}
	return stale, nil
}
