package main

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocsOfBadInputNameTestsThatExist: a row without a test is a promise that
// nobody keeps.
func TestDocsOfBadInputNameTestsThatExist(t *testing.T) {
	t.Parallel()
	exists := testNames(t)
	doc, err := os.ReadFile("docs/bad-input.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`)
	short := regexp.MustCompile(`\b(Hostile|Definitions|Routes)\b`) // which the page says the names of
	rows := 0
	for line := range strings.Lines(string(doc)) {
		names := named.FindAllString(line, -1)
		for _, name := range names {
			if !exists[name] {
				t.Errorf("docs/bad-input.md names %s, which is no test", name)
			}
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.Contains(line, "| Test |") {
			continue
		}
		rows++
		if cells := strings.Split(line, "|"); len(names) == 0 && !short.MatchString(cells[len(cells)-2]) {
			t.Errorf("a row of docs/bad-input.md names no test: %s", line)
		}
	}
	if rows < 20 {
		t.Errorf("docs/bad-input.md has %d rows: the catalogue has more", rows)
	}
}

// testNames gives the tests of the whole module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, p := range readModule(t) {
		for _, f := range p.tests {
			for _, d := range f.syntax.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					names[fn.Name.Name] = true
				}
			}
		}
	}
	return names
}
