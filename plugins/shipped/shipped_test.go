package shipped_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

func TestSubDomainsAreSkippedToo(t *testing.T) {
	h, err := plugins.New(t.Context(), plugins.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	r, found := shipped.Named("skip-domains")
	if !found {
		t.Fatal("there is no skip-domains")
	}
	p, err := h.Load(t.Context(), r.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	rule, err := p.Rule(t.Context(), json.RawMessage(`{"domains":["example.org"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]uint64{"a@example.org": manifest.Skip, "a@news.example.org": manifest.Skip, "a@badexample.org": 0, "a@org": 0} {
		header := mail.ParseHeader([]byte("From: " + from + "\r\n\r\n"))
		out, err := rule.Run(t.Context(), field.Of(header, mail.Ref{}, &field.Mailbox{}))
		if err != nil || out.Bits != want {
			t.Errorf("%s: %+v, %v, want %b", from, out, err, want)
		}
	}
}
