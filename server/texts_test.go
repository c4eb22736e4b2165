package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/smtp-sync/smtp-sync/server/text"
)

// used are the keys and the families that pages and handlers name.
type used struct{ keys, families map[string]string }

func (u used) call(where, function, key string) {
	switch function {
	case "t", "T", "Say":
		u.keys[key] = where
	case "word", "Word", "List":
		u.families[key] = where
	}
}

// template notes what the actions of a page call.
func (u used) template(where string, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, o := range n.Nodes {
				u.template(where, o)
			}
		}
	case *parse.ActionNode:
		u.template(where, n.Pipe)
	case *parse.TemplateNode:
		u.template(where, n.Pipe)
	case *parse.IfNode:
		u.branch(where, &n.BranchNode)
	case *parse.RangeNode:
		u.branch(where, &n.BranchNode)
	case *parse.WithNode:
		u.branch(where, &n.BranchNode)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				u.template(where, c)
			}
		}
	case *parse.CommandNode:
		if f, ok := n.Args[0].(*parse.IdentifierNode); ok && len(n.Args) > 1 {
			if key, ok := n.Args[1].(*parse.StringNode); ok {
				u.call(where, f.Ident, key.Text)
			}
		}
		for _, a := range n.Args {
			u.template(where, a)
		}
	}
}

func (u used) branch(where string, n *parse.BranchNode) {
	u.template(where, n.Pipe)
	u.template(where, n.List)
	u.template(where, n.ElseList)
}

// source notes what a Go file calls of package text.
func (u used) source(t *testing.T, file string) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok || len(c.Args) == 0 {
			return true
		}
		s, ok := c.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		key, ok := c.Args[0].(*ast.BasicLit)
		if from, is := s.X.(*ast.Ident); ok && is && from.Name == "text" {
			v, _ := strconv.Unquote(key.Value)
			u.call(file, s.Sel.Name, v)
		}
		return true
	})
}

// eachPage gives the source of every template.
func eachPage(t *testing.T, do func(name, source string)) {
	t.Helper()
	for _, dir := range []string{"web/pages", "web/parts"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(path.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			do(f.Name(), string(b))
		}
	}
}

func TestEveryTextIsThereAndEveryTextIsUsed(t *testing.T) {
	t.Parallel()
	u := used{map[string]string{}, map[string]string{}}
	eachPage(t, func(name, source string) {
		tree := parse.New(name)
		tree.Mode = parse.SkipFuncCheck
		all := map[string]*parse.Tree{}
		if _, err := tree.Parse(source, "", "", all); err != nil {
			t.Fatal(err)
		}
		for _, tr := range all {
			u.template(name, tr.Root)
		}
	})
	sources, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		if !strings.HasSuffix(s, "_test.go") {
			u.source(t, s)
		}
	}
	there, families := map[string]bool{}, map[string]bool{}
	for k := range text.Keys() {
		bare := strings.TrimSuffix(strings.TrimSuffix(k, ".one"), ".other")
		there[bare] = true
		family := k[:max(0, strings.LastIndexByte(k, '.'))]
		if _, err := strconv.Atoi(k[len(family)+1:]); err == nil { // a text of a list
			family = family[:strings.LastIndexByte(family, '.')]
		}
		families[family] = true
		if u.keys[bare] == "" && u.families[family] == "" {
			t.Errorf("nothing uses %s", k)
		}
	}
	for k, where := range u.keys {
		if !there[k] {
			t.Errorf("%s uses %s, which is not in the catalog", where, k)
		}
	}
	for f, where := range u.families {
		if !families[f] {
			t.Errorf("%s uses words of %s, of which the catalog has none", where, f)
		}
	}
}

var (
	action   = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	spoken   = regexp.MustCompile(`(aria-label|title|alt|placeholder)="[^"]*\pL{2}`)
	tags     = regexp.MustCompile(`(?s)<[^>]*>`)
	aWord    = regexp.MustCompile(`\pL{2,}`)
	entities = regexp.MustCompile(`&\w+;`)
)

func TestPagesHaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	eachPage(t, func(name, source string) {
		bare := action.ReplaceAllString(source, "")
		if found := spoken.FindString(bare); found != "" {
			t.Errorf("%s says %s", name, found)
		}
		if found := aWord.FindString(entities.ReplaceAllString(tags.ReplaceAllString(bare, ""), "")); found != "" {
			t.Errorf("%s says %q", name, found)
		}
	})
}
