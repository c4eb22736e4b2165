// Package examples holds one rule, written in each language that there is an SDK
// for, and makes of it what an author starts from: a folder with the rule, its
// manifest, the SDK and a message to try it on, which needs nothing else but
// the compiler of the language.
package examples

import (
	"embed"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/smtp-sync/smtp-sync/plugins/sdk"
)

//go:embed manifest.json sample.txt go/main.go c/rule.c rust/rule.rs wat/rule.wat assemblyscript/rule.ts
var files embed.FS

// ASCVersion is of the AssemblyScript compiler that they are tested with.
const ASCVersion = "0.28.20"

// language is how a rule is written and built in it.
type language struct {
	source string            // of the rule
	kit    map[string]string // files of the SDK, by the name that they get
	extra  map[string]string // files with their content; NAME stands for the rule's
	build  []string          // commands that make rule.wasm, or what is packed in its place
	module string            // what is packed
	pages  bool              // it needs more memory than one gets who asks for none
}

var languages = map[string]language{
	"go": {
		source: "go/main.go",
		kit:    map[string]string{"sdk/sdk.go": "sdk.go", "sdk/wasm.go": "wasm.go"},
		extra:  map[string]string{"go.mod": "module NAME\n\ngo 1.24\n"},
		build:  []string{"GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o rule.wasm ."},
		module: "rule.wasm", pages: true,
	},
	"c": {
		source: "c/rule.c",
		kit:    map[string]string{"smtpsync.h": "c/smtpsync.h"},
		build:  []string{"clang --target=wasm32 -Oz -nostdlib -Wl,--no-entry -o rule.wasm rule.c"},
		module: "rule.wasm",
	},
	"rust": {
		source: "rust/rule.rs",
		kit:    map[string]string{"smtpsync.rs": "rust/smtpsync.rs"},
		build: []string{"rustc --edition 2021 --target wasm32-unknown-unknown -C opt-level=s -C lto -C panic=abort " +
			"-C strip=symbols -C link-arg=-zstack-size=16384 --crate-type cdylib -o rule.wasm rule.rs"},
		module: "rule.wasm",
	},
	"assemblyscript": {
		source: "assemblyscript/rule.ts",
		kit:    map[string]string{"smtpsync.ts": "assemblyscript/smtpsync.ts"},
		extra:  map[string]string{"package.json": "{\"private\": true, \"devDependencies\": {\"assemblyscript\": \"" + ASCVersion + "\"}}\n"},
		build:  []string{"npm install --ignore-scripts", "npx asc rule.ts -O3 --runtime stub --exportStart _initialize --use abort= -o rule.wasm"},
		module: "rule.wasm",
	},
	"wat": {source: "wat/rule.wat", module: "rule.wat"}, // packing assembles it
}

// Languages names those that there is a template for.
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Template gives the files of a new rule by their path, with slashes, and the
// commands that build, pack, check and try it there. The name is that of the
// manifest.
func Template(lang, name string) (tree map[string][]byte, commands []string, err error) {
	l, ok := languages[lang]
	if !ok {
		return nil, nil, fmt.Errorf("%q is no language with a template: use one of %s", lang, strings.Join(Languages(), ", "))
	}
	if !validName.MatchString(name) {
		return nil, nil, fmt.Errorf("%q is no name of a rule: use lower-case letters, digits and hyphens", name)
	}
	commands = append(slices.Clone(l.build),
		"smtp-sync plugin pack "+l.module+" manifest.json -o rule.plugin.wasm",
		"smtp-sync plugin check rule.plugin.wasm",
		"smtp-sync plugin test rule.plugin.wasm --set domains=example.org < sample.txt")
	tree = map[string][]byte{
		"README.md":         []byte("# " + name + "\n\nA rule for smtp-sync. Build it, put its manifest in, see what it may do, and try it on a message:\n\n    " + strings.Join(commands, "\n    ") + "\n"),
		"sample.txt":        read("sample.txt"),
		"manifest.json":     manifest(name, l.pages),
		path.Base(l.source): source(l.source, name),
	}
	for to, from := range l.kit {
		if tree[to], err = sdk.Files.ReadFile(from); err != nil {
			panic("examples: " + err.Error())
		}
	}
	for to, content := range l.extra {
		tree[to] = []byte(strings.ReplaceAll(content, "NAME", name))
	}
	return tree, commands, nil
}

// source gives a rule as it stands in a folder of its own.
func source(file, name string) []byte {
	return []byte(strings.NewReplacer(
		`"github.com/smtp-sync/smtp-sync/plugins/sdk"`, `"`+name+`/sdk"`,
		"// Command go is", "// Command "+name+" is",
		"../../sdk/assemblyscript/smtpsync.ts", "smtpsync.ts",
	).Replace(string(read(file))))
}

func manifest(name string, pages bool) []byte {
	text := strings.Replace(string(read("manifest.json")), `"name": "example"`, `"name": "`+name+`"`, 1)
	if !pages {
		text = strings.Replace(text, ",\n  \"limits\": {\"memory_pages\": 64}", "", 1)
	}
	return []byte(text)
}

func read(file string) []byte {
	b, err := files.ReadFile(file)
	if err != nil {
		panic("examples: " + err.Error())
	}
	return b
}
