package main

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

//go:embed manifest.json
var document []byte

var cases = []filtertest.Case{
	{Why: "a listed domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@news.example.org\nList-Id: <x.example.org>", Want: filtertest.Verdict{Bits: manifest.Skip, Reason: 1}},
	{Why: "a list", Settings: `{"domains":["example.org"]}`, Header: "From: a@example.com\nList-Id: X <x.example.org>", Want: filtertest.Verdict{Reason: 2, Labels: []string{"Lists/x.example.org"}}},
	{Why: "other settings", Settings: `{"under":"Y"}`, Header: "List-Id: X <x.example.org>", Want: filtertest.Verdict{Reason: 2, Labels: []string{"Y/x.example.org"}}},
	{Why: "a letter", Settings: `{}`, Header: "From: a@example.com"},
}

func native(t *testing.T) filtertest.Plugin {
	t.Helper()
	m, err := manifest.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	return filtertest.Native(m, plugin)
}

func TestTheRuleAsGo(t *testing.T) {
	filtertest.Run(t, native(t), cases)
}

// The same code, built for Wasm as its first comment says, on the real host.
func TestTheRuleAsWasm(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Go's standard library for wasip1")
	}
	path := filepath.Join(t.TempDir(), "rule.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if wasm, err = gate.Pack(wasm, document); err != nil {
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
	filtertest.Agree(t, p, native(t), []string{`{"domains":["example.org"]}`}, 7, 300)
}
