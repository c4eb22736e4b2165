package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const modulePath = "github.com/smtp-sync/smtp-sync"

// sourcePackage is one folder of Go files, whatever their build constraints.
type sourcePackage struct {
	path        string // relative to the module, "." at the root
	name        string
	doc         string
	files       []*sourceFile // without tests
	tests       []*sourceFile
	imports     map[string]string // import path → a file that has it
	testImports map[string]string
}

type sourceFile struct {
	name   string
	syntax *ast.File
	set    *token.FileSet
}

func (p *sourcePackage) helper() bool { return helperPath(p.path) }

// eachImport calls f for all imports of the package, then for those of its tests.
func (p *sourcePackage) eachImport(f func(imported, file string, test bool)) {
	for imported, file := range p.imports {
		f(imported, file, false)
	}
	for imported, file := range p.testImports {
		f(imported, file, true)
	}
}

func (f *sourceFile) line(at token.Pos) int { return f.set.Position(at).Line }

// localName gives the name under which a file knows an imported package.
func (f *sourceFile) localName(imported string) string {
	for _, spec := range f.syntax.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p == imported {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(imported)
		}
	}
	return ""
}

func ours(imported string) bool {
	return imported == modulePath || strings.HasPrefix(imported, modulePath+"/")
}

// rel names one of our packages as the tables do.
func rel(imported string) string {
	return path.Clean(strings.TrimPrefix(strings.TrimPrefix(imported, modulePath), "/"))
}

var parseOnce = sync.OnceValues(parseModule)

// readModule parses every Go file of the module once.
func readModule(t *testing.T) map[string]*sourcePackage {
	t.Helper()
	packages, err := parseOnce()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func parseModule() (map[string]*sourcePackage, error) {
	packages := map[string]*sourcePackage{}
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && skipped(file):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		syntax, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		p := packages[dir]
		if p == nil {
			p = &sourcePackage{path: dir, imports: map[string]string{}, testImports: map[string]string{}}
			packages[dir] = p
		}
		p.add(&sourceFile{file, syntax, set})
		return nil
	})
	return packages, err
}

// skipped leaves out what is no part of the module, as the go command does.
func skipped(dir string) bool {
	base := filepath.Base(dir)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func (p *sourcePackage) add(f *sourceFile) {
	imports := p.testImports
	if strings.HasSuffix(f.name, "_test.go") {
		p.tests = append(p.tests, f)
	} else {
		imports = p.imports
		p.files = append(p.files, f)
		p.name = f.syntax.Name.Name
		if f.syntax.Doc != nil && p.doc == "" {
			p.doc = f.syntax.Doc.Text()
		}
	}
	for _, spec := range f.syntax.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			imports[imported] = f.name
		}
	}
}
