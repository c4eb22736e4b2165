package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryEditApplies: a mutant whose text has moved on kills nothing, and
// ends the run.
func TestEveryEditApplies(t *testing.T) {
	for _, m := range mutants {
		texts := make(map[string]string)
		for _, e := range m.edits {
			if _, ok := texts[e.file]; !ok {
				raw, err := os.ReadFile(filepath.Join("../../..", e.file))
				if err != nil {
					t.Fatal(err)
				}
				texts[e.file] = string(raw)
			}
			if n := strings.Count(texts[e.file], e.old); n != 1 {
				t.Errorf("%s: the text to replace occurs %d times in %s: %s", m.name, n, e.file, e.old)
			}
			texts[e.file] = strings.Replace(texts[e.file], e.old, e.new, 1)
		}
	}
}
