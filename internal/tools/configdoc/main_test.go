package main

import "testing"

func TestEnvExampleAndReadmeArePrintedFromTheStruct(t *testing.T) {
	t.Parallel()
	stale, err := generate("../../..", false)
	if err != nil {
		t.Fatal(err)
	}
	if len(stale) > 0 {
		t.Errorf("out of date: %q; run go run ./internal/tools/configdoc -w", stale)
	}
}
