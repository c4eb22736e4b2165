package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The modules in the repository are what their sources say, to the octet: what
// make check asks, asked by the tests too.
func TestShippedModulesAreWhatTheirSourcesSay(t *testing.T) {
	t.Parallel()
	stale, err := build("../../../plugins/shipped/rules", "../../../docs/rules.md", false)
	if err != nil || len(stale) > 0 {
		t.Fatalf("%v differ, %v: run go generate ./plugins/shipped", stale, err)
	}
}

func TestAModuleThatDiffersIsNamedAndMended(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("../../../plugins/shipped/rules")); err != nil {
		t.Fatal(err)
	}
	path, page := filepath.Join(folder, "skip-domains.wasm"), filepath.Join(folder, "rules.md")
	if stale, err := build(folder, page, true); err != nil || len(stale) != 1 || stale[0] != page {
		t.Errorf("without a page: %v differ, %v", stale, err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(good)
	other[len(other)/2] ^= 1
	for _, bad := range [][]byte{good[:len(good)-1], append(good[:len(good):len(good)], 0), other, nil} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if stale, err := build(folder, page, false); err != nil || len(stale) != 1 || stale[0] != path {
			t.Errorf("%d octets of %d: %v differ, %v", len(bad), len(good), stale, err)
		}
		if _, err := build(folder, page, true); err != nil {
			t.Fatal(err)
		}
		if stale, err := build(folder, page, false); err != nil || len(stale) != 0 {
			t.Errorf("written anew: %v differ, %v", stale, err)
		}
	}
	if err := os.Remove(filepath.Join(folder, "skip-domains.wat")); err != nil {
		t.Fatal(err)
	}
	if _, err := build(folder, page, false); err == nil || !strings.Contains(err.Error(), "has no source") {
		t.Errorf("a module without source: %v", err)
	}
}
