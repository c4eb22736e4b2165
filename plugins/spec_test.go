package plugins_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// always gives a module with one verdict for every message.
func always(verdict uint64) []byte {
	return pack(guest(gatetest.I64Const(int64(verdict))), plainManifest)
}

// A rule that cannot be made is named, and the others are rules all the same.
func TestAChainIsMadeOfTheRulesThatCanBeMade(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	specs := []plugins.Spec{
		{Name: "stars", Wasm: always(manifest.Star), Settings: json.RawMessage(plainSettings)},
		{Name: "no module", Wasm: []byte("MZ")},
		{Name: "wrong setting", Wasm: always(manifest.Star), Settings: json.RawMessage(`{"domains":3}`)},
		{Name: "archives", Wasm: always(manifest.Archive)},
	}
	c, err := h.Chain(t.Context(), "u", field.Mailbox{Name: "Work"}, specs)
	if c == nil || c.User != "u" || c.Mailbox.Name != "Work" || len(c.Rules) != 2 {
		t.Fatalf("chain = %+v, %v", c, err)
	}
	if v, err := c.Decide(t.Context(), message("s"), mail.Ref{}); err != nil || !v.Star || !v.Archive {
		t.Errorf("verdict %+v, %v", v, err)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("errors %v", err)
	}
	for i, want := range []int{1, 2} {
		bad, ok := errors.AsType[*plugins.SpecError](joined.Unwrap()[i])
		if !ok || bad.Index != want || bad.Name != specs[want].Name {
			t.Errorf("error %d is %v", i, bad)
		}
	}
	if _, ok := errors.AsType[*gate.Refusal](err); !ok {
		t.Errorf("no refusal in %v", err)
	}
	if _, ok := errors.AsType[manifest.Faults](err); !ok {
		t.Errorf("no faults in %v", err)
	}

	ctx, stop := context.WithCancel(t.Context())
	stop()
	if c, err := h.Chain(ctx, "u", field.Mailbox{}, specs); c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v, %v", c, err)
	}
}

// Whether headers come first depends on what manifests grant.
func TestAChainMaySkipIfARuleMay(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	marks := rule(t, h, guest(gatetest.I64Const(0)), `{"abi":"smtpsync_v1","name":"marks","version":"1.0.0","title":{"en":"t"},"needs":{"verdicts":["star"]}}`, `{}`)
	skips := plain(t, h, gatetest.I64Const(0))
	for _, c := range []struct {
		rules []*plugins.Rule
		want  bool
	}{{nil, false}, {[]*plugins.Rule{marks}, false}, {[]*plugins.Rule{marks, skips}, true}} {
		if got := (&plugins.Chain{Rules: c.rules}).MaySkip(); got != c.want {
			t.Errorf("%d rules: %v", len(c.rules), got)
		}
	}
}

// The audit learns which rule was left out, unless another one skips.
func TestAReasonNamesTheRuleThatWasLeftOut(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	broken := plain(t, h, call(fnField, 5, buffer, 64), i32(1), []byte{0x4a, 0x04, 0x40, 0x00, 0x0b}, gatetest.I64Const(0))
	for _, c := range []struct {
		user string
		next *plugins.Rule
		want mail.Verdict
	}{
		{"a", bits(t, h, manifest.Star, 4, false), mail.Verdict{Star: true, Reason: "rule_failed:trap:test"}},
		{"b", bits(t, h, manifest.Skip, 5, false), mail.Verdict{Skip: true, Reason: "test/5"}},
	} {
		chain := &plugins.Chain{User: c.user, Rules: []*plugins.Rule{broken, c.next}}
		if got, err := chain.Decide(t.Context(), message("fails"), mail.Ref{}); err != nil || !equal(got, c.want) {
			t.Errorf("verdict %+v, %v, want %+v", got, err, c.want)
		}
	}
}
