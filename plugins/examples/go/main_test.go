package main

import (
	"os"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// A rule is tested as the Go that it is; the suite stands in for the host.
func TestTheRule(t *testing.T) {
	document, err := os.ReadFile("../manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	filtertest.Run(t, filtertest.Native(m, plugin), []filtertest.Case{
		{Why: "a listed domain", Settings: `{"domains":["example.org"]}`, Header: "From: a@news.example.org", Want: filtertest.Verdict{Bits: manifest.Skip, Reason: 1}},
		{Why: "a letter", Settings: `{"domains":["example.org"]}`, Header: "From: a@example.com"},
		{Why: "a list", Header: "List-Id: X <x.example.org>", Want: filtertest.Verdict{Reason: 2, Labels: []string{"Lists/x.example.org"}}},
	})
}
