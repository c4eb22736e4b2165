package plugins_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// Where things lie in the memory of a test guest.
const (
	keyDomains, keyPattern, keyText, headerName = 16, 32, 48, 64
	buffer                                      = 1024
)

// Indices of the host functions in a test guest.
const (
	fnField byte = iota
	fnHeader
	fnNumber
	fnConfig
	fnInList
	fnMatches
	fnLabel
	fnNote
)

var cat, i32 = gatetest.Cat, gatetest.I32Const

// guest is a module whose filter_v1 has the body given, with all host
// functions imported.
func guest(body ...[]byte) *gatetest.Module {
	words := func(n int) string { return gate.Sig32(n, "").Params }
	m := &gatetest.Module{
		Types: gatetest.Types("", "\x7e", words(3), "\x7f", words(5), "\x7f", words(1), "\x7e", words(4), "\x7f", words(2), "\x7f", "\x7f\x7e", "", "", "\x7f"),
		Pages: 1, Most: 4,
		Globals: []byte{gatetest.I32, gatetest.I64},
		Exports: []gatetest.Export{{Name: "memory", Kind: 2}, {Name: "filter_v1", Index: 8}},
		Data: []gatetest.Data{{At: keyDomains, Bytes: []byte("domains")}, {At: keyPattern, Bytes: []byte("pattern")},
			{At: keyText, Bytes: []byte("text")}, {At: headerName, Bytes: []byte("X-Test")}},
	}
	for i, name := range []string{"field", "header", "number", "config", "in_list", "matches", "label", "note"} {
		m.Imports = append(m.Imports, gatetest.Import{Module: "smtpsync_v1", Name: name, Type: []int{1, 2, 3, 4, 1, 1, 5, 6}[i]})
	}
	m.Funcs = []gatetest.Func{{Body: cat(body...), Locals: []byte{gatetest.I32}}}
	return m
}

// call puts arguments in front of a call of a host function.
func call(fn byte, args ...int32) (b []byte) {
	for _, a := range args {
		b = append(b, i32(a)...)
	}
	return append(b, 0x10, fn)
}

// asReason makes a verdict of an i32: its lower half as the reason.
func asReason(value ...[]byte) []byte {
	return cat(cat(value...), i32(0xffff), []byte{0x71, 0xad, 0x42, 32, 0x86})
}

const plainManifest = `{"abi":"smtpsync_v1","name":"test","version":"1.0.0","title":{"en":"A test"},
	"needs":{"fields":["from_domain","subject","list_id"],"headers":["x-test"],"verdicts":["skip","archive","star","spam","never_spam"],"labels":true},
	"config":[{"key":"domains","type":"domain-list"},{"key":"pattern","type":"regex"},{"key":"text","type":"text"}]}`

const plainSettings = `{"domains":["Example.ORG","bücher.example"],"pattern":"(?i)^re:","text":"hello"}`

func pack(m *gatetest.Module, manifest string) []byte {
	m.Custom = map[string][]byte{gate.ManifestSection: []byte(manifest)}
	return m.Bytes()
}

func host(t testing.TB, o plugins.Options) *plugins.Host {
	t.Helper()
	h, err := plugins.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	return h
}

func rule(t testing.TB, h *plugins.Host, m *gatetest.Module, manifest, settings string) *plugins.Rule {
	t.Helper()
	p, err := h.Load(t.Context(), pack(m, manifest))
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Rule(t.Context(), json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// plain is a rule of a guest with the plain manifest.
func plain(t testing.TB, h *plugins.Host, body ...[]byte) *plugins.Rule {
	t.Helper()
	return rule(t, h, guest(body...), plainManifest, plainSettings)
}

func message(subject string) *mail.Header {
	return mail.ParseHeader(fmt.Appendf(nil, "From: Someone <someone@news.example.org>\r\nSubject: %s\r\nX-Test: one\r\nX-Test: two\r\n\r\n", subject))
}

func facts(subject string) *field.Facts {
	return field.Of(message(subject), mail.Ref{Size: 1234}, &field.Mailbox{Name: "Work"})
}
