package plugins_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

var _ bridge.Filter = (*plugins.Chain)(nil) // what a pass asks

// bits is a rule that always gives one verdict and, if it is asked to, a label.
func bits(t *testing.T, h *plugins.Host, verdict uint64, reason int, label bool) *plugins.Rule {
	t.Helper()
	var body []byte
	if label {
		body = cat(call(fnLabel, keyText, 4), []byte{0x1a}, call(fnLabel, headerName, int32(min(6, reason))), []byte{0x1a})
	}
	return plain(t, h, body, gatetest.I64Const(int64(verdict)|int64(reason)<<32))
}

func TestRulesAreUnitedUpToTheFirstThatSkips(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	const archive, star, spam, never, skip = manifest.Archive, manifest.Star, manifest.Spam, manifest.NeverSpam, manifest.Skip
	for _, c := range []struct {
		name  string
		rules []*plugins.Rule
		want  mail.Verdict
	}{
		{"none", nil, mail.Verdict{}},
		{"one that keeps", []*plugins.Rule{bits(t, h, 0, 0, false)}, mail.Verdict{}},
		{"two", []*plugins.Rule{bits(t, h, archive, 3, true), bits(t, h, star, 4, true)}, mail.Verdict{Archive: true, Star: true, Reason: "test/3", Labels: []string{"text", "X-T", "X-Te"}}},
		{"skip stands alone", []*plugins.Rule{bits(t, h, star, 1, true), bits(t, h, skip|archive, 2, true), bits(t, h, star, 3, true)}, mail.Verdict{Skip: true, Reason: "test/2"}},
		{"never spam wins", []*plugins.Rule{bits(t, h, spam, 0, false), bits(t, h, never, 0, false), bits(t, h, spam|star, 0, false)}, mail.Verdict{NeverSpam: true, Star: true}},
		{"spam", []*plugins.Rule{bits(t, h, spam, 0, false)}, mail.Verdict{Spam: true}},
	} {
		chain := &plugins.Chain{User: "u", Rules: c.rules, Failed: func(_ mail.Ref, f *plugins.Fault) { t.Errorf("%s: %v", c.name, f) }}
		got, err := chain.Decide(t.Context(), message("s"), mail.Ref{})
		if err != nil || !slices.Equal(got.Labels, c.want.Labels) {
			t.Errorf("%s: labels %q, %v, want %q", c.name, got.Labels, err, c.want.Labels)
		}
		got.Labels, c.want.Labels = nil, nil
		if !equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func equal(a, b mail.Verdict) bool {
	return a.Skip == b.Skip && a.Reason == b.Reason && a.Archive == b.Archive && a.Read == b.Read && a.Star == b.Star &&
		a.Important == b.Important && a.NeverSpam == b.NeverSpam && a.Spam == b.Spam
}

// A rule that fails is left out and told of; the others stand. After three
// failures in a row it is not asked any more, for this user alone.
func TestARuleThatFailsIsLeftOut(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	broken := plain(t, h, call(fnField, 5, buffer, 64), i32(1), []byte{0x4a, 0x04, 0x40, 0x00, 0x0b}, gatetest.I64Const(1<<1))
	var classes []plugins.Class
	chain := &plugins.Chain{User: "u", Rules: []*plugins.Rule{broken, bits(t, h, manifest.Star, 0, false)}, Failed: func(ref mail.Ref, f *plugins.Fault) {
		if ref.Number != 7 {
			t.Errorf("told of %v", ref)
		}
		classes = append(classes, f.Class)
	}}
	decide := func(c *plugins.Chain, subject string) mail.Verdict {
		v, err := c.Decide(t.Context(), message(subject), mail.Ref{Number: 7})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for range 5 {
		if v := decide(chain, "fails"); !v.Star || v.Archive {
			t.Errorf("verdict = %+v", v)
		}
	}
	if want := []plugins.Class{plugins.Trap, plugins.Trap, plugins.Trap, plugins.Off, plugins.Off}; !slices.Equal(classes, want) {
		t.Errorf("told of %q, want %q", classes, want)
	}
	other := &plugins.Chain{User: "v", Rules: chain.Rules}
	if v := decide(other, "s"); !v.Archive {
		t.Errorf("another user's verdict = %+v", v)
	}
}

// Calls wait for a slot, and no longer than their context.
func TestAChainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{Slots: 1})
	chain := &plugins.Chain{User: "u", Rules: []*plugins.Rule{bits(t, h, manifest.Star, 0, false)}}
	release := h.Occupy(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	if v, err := chain.Decide(ctx, message("s"), mail.Ref{}); !errors.Is(err, stopped) || v.Star {
		t.Errorf("verdict %+v, error %v", v, err)
	}
	release()
	if v, err := chain.Decide(t.Context(), message("s"), mail.Ref{}); err != nil || !v.Star {
		t.Errorf("verdict %+v, error %v", v, err)
	}
}
