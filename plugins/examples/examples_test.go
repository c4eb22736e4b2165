// Package examples_test builds one rule in each language that there is an SDK
// for, as the first lines of the SDK say, and holds all to one table.
package examples_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/examples"
	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/sdk"
	"github.com/smtp-sync/smtp-sync/plugins/wat"
)

var cases = []filtertest.Case{
	{Why: "a listed domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@news.example.org\nList-Id: <x.example.org>", Want: filtertest.Verdict{Bits: manifest.Skip, Reason: 1}},
	{Why: "a list", Settings: `{"domains":["example.org"]}`, Header: "From: a@example.com\nList-Id: X <x.example.org>", Want: filtertest.Verdict{Reason: 2, Labels: []string{"Lists/x.example.org"}}},
	{Why: "other settings", Settings: `{"under":"Zürich"}`, Header: "List-Id: X <x.example.org>", Want: filtertest.Verdict{Reason: 2, Labels: []string{"Zürich/x.example.org"}}},
	{Why: "a letter", Header: "From: a@example.com"},
}

// inGo is the example once more, against which the built ones are held.
var inGo = sdk.Plugin{Filter: func(m sdk.Message) sdk.Verdict {
	if m.In(sdk.FromDomain, "domains") {
		return sdk.Skip.Because(1)
	}
	if id := m.Field(sdk.ListID); id != "" && m.Label(m.Text("under")+"/"+id) {
		return sdk.Keep.Because(2)
	}
	return sdk.Keep
}}

func TestExamplesBuildAndAgree(t *testing.T) {
	t.Parallel()
	document := read(t, "manifest.json")
	m, err := manifest.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	for language, build := range map[string]func(t *testing.T) []byte{"go": buildGo, "c": buildC, "rust": buildRust, "assemblyscript": buildAssemblyScript, "wat": buildWAT} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			wasm, err := gate.Pack(build(t), document)
			if err != nil {
				t.Fatal(err)
			}
			h, err := plugins.New(t.Context(), plugins.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = h.Close(context.Background()) })
			p, err := filtertest.Wasm(t.Context(), h, wasm)
			if err != nil {
				t.Fatal(err)
			}
			filtertest.Run(t, p, cases)
			filtertest.Agree(t, p, filtertest.Native(m, inGo), []string{`{"domains":["example.org"]}`, `{"under":"a/b"}`}, filtertest.Made(7, 300))
		})
	}
}

// read reads a source: for what is done with it, and so that go test knows what
// its result depends on.
func read(t *testing.T, source string) []byte {
	t.Helper()
	b, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run builds in a folder and reads what came of it.
func run(t *testing.T, dir, out string, environment []string, name string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), environment...)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, said)
	}
	return read(t, out)
}

func buildGo(t *testing.T) []byte {
	for _, source := range []string{"go/main.go", "../sdk/sdk.go", "../sdk/wasm.go"} {
		read(t, source)
	}
	out := filepath.Join(t.TempDir(), "rule.wasm")
	return run(t, "go", out, []string{"GOOS=wasip1", "GOARCH=wasm"}, "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
}

func buildC(t *testing.T) []byte {
	for _, tool := range []string{"clang", "wasm-ld"} {
		_, err := exec.LookPath(tool)
		testkit.Require(t, tool, err == nil, "apt-get install clang lld")
	}
	read(t, "c/rule.c")
	read(t, "../sdk/c/smtpsync.h")
	out := filepath.Join(t.TempDir(), "rule.wasm")
	return run(t, "c", out, nil, "clang", "--target=wasm32", "-Oz", "-nostdlib", "-Wl,--no-entry", "-I../../sdk/c", "-o", out, "rule.c")
}

func buildRust(t *testing.T) []byte {
	compiler := filepath.Join(testkit.Rust(t), "rustc")
	dir := t.TempDir()
	together(t, dir, "rust/rule.rs", "../sdk/rust/smtpsync.rs")
	out := filepath.Join(dir, "rule.wasm")
	return run(t, dir, out, nil, compiler, "--edition", "2021", "--target", "wasm32-unknown-unknown", "-C", "opt-level=s", "-C", "lto", "-C", "panic=abort",
		"-C", "strip=symbols", "-C", "link-arg=-zstack-size=16384", "--crate-type", "cdylib", "-o", out, "rule.rs")
}

// together puts a rule and its SDK into one folder.
func together(t *testing.T, dir string, sources ...string) {
	t.Helper()
	for _, source := range sources {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(source)), read(t, source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func buildAssemblyScript(t *testing.T) []byte {
	npm, err := exec.LookPath("npm")
	testkit.Require(t, "npm", err == nil, "apt-get install npm")
	dir := t.TempDir()
	together(t, dir, "assemblyscript/rule.ts", "../sdk/assemblyscript/smtpsync.ts")
	get := exec.CommandContext(t.Context(), npm, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefer-offline", "assemblyscript@"+examples.ASCVersion)
	get.Dir = dir
	if said, err := get.CombinedOutput(); err != nil {
		testkit.Require(t, "assemblyscript "+examples.ASCVersion, false, fmt.Sprintf("npm could not get it: %v\n%s", err, said))
	}
	out := filepath.Join(dir, "rule.wasm")
	return run(t, dir, out, nil, filepath.Join(dir, "node_modules", ".bin", "asc"), "rule.ts", "-O3", "--runtime", "stub", "--exportStart", "_initialize", "--use", "abort=", "-o", out)
}

func buildWAT(t *testing.T) []byte {
	wasm, err := wat.Assemble(read(t, "wat/rule.wat"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}
