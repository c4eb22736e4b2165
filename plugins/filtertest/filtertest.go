// Package filtertest is the suite that every filter of messages passes: a Wasm
// module that the real host runs, or the same rule as a Go function.
//
//	filtertest.Run(t, plugin, cases)                                      // a table, and the laws
//	filtertest.Agree(t, one, other, settings, filtertest.Made(seed, 1000)) // two filters say the same
//
// The laws hold for all rules: the answer depends on module, settings and
// message alone, whoever asked before and however many ask at once; whatever a
// header looks like, there is an answer; it stays within the manifest.
package filtertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// Filter is a rule with its settings: a *plugins.Rule, or what Native makes of
// a function. It may be used by many goroutines at once.
type Filter interface {
	Run(ctx context.Context, facts *field.Facts) (plugins.Outcome, error)
}

// Plugin is what is tested: a manifest and what makes filters of settings.
type Plugin struct {
	Manifest *manifest.Manifest
	Digest   plugins.Digest // of the module; zero if there is none
	// With gives the filter with settings, a JSON object. Its error is
	// manifest.Faults or a *plugins.Fault.
	With func(ctx context.Context, settings json.RawMessage) (Filter, error)
}

// Case is one line of a table.
type Case struct {
	Why      string // the rule that it shows; printed when it fails
	Settings string // JSON; "": {}
	Header   string // header fields, one a line; the blank line is added
	Size     int64
	Folder   string
	Authserv []string // servers whose Authentication-Results are believed
	Want     Verdict
	Refused  int32 // what Configure answers; then the rest does not matter
}

// Verdict is what a case expects.
type Verdict struct {
	Bits   uint64 // manifest.Skip …
	Reason uint16
	Labels []string
}

// Message is what a filter is asked about.
type Message struct {
	Raw []byte // the header section
	Ref mail.Ref
	Box field.Mailbox
}

func (m *Message) facts() *field.Facts {
	return field.Of(mail.ParseHeader(m.Raw), m.Ref, &m.Box)
}

func (c *Case) message() *Message {
	return &Message{
		Raw: []byte(strings.ReplaceAll(c.Header, "\n", "\r\n") + "\r\n\r\n"),
		Ref: mail.Ref{Size: c.Size, Folder: c.Folder, UID: 1},
		Box: field.Mailbox{Name: "Work", Authserv: c.Authserv},
	}
}

// Run runs a table, and the laws with each of its settings.
func Run(t testing.TB, p Plugin, cases []Case) {
	t.Helper()
	lawful := map[string]bool{}
	for _, c := range cases {
		filter, err := p.With(t.Context(), json.RawMessage(c.Settings))
		if c.Refused != 0 {
			if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.BadConfig || fault.Number != c.Refused {
				t.Errorf("%s: settings %s: %v, want a refusal with number %d", c.Why, c.Settings, err, c.Refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: settings %s: %v", c.Why, c.Settings, err)
			continue
		}
		out, err := filter.Run(t.Context(), c.message().facts())
		if got := of(&out); err != nil || !got.equal(&c.Want) {
			t.Errorf("%s: %v, %v, want %v", c.Why, got, err, c.Want)
		}
		if !lawful[c.Settings] {
			lawful[c.Settings] = true
			laws(t, p.Manifest, filter, c.Settings)
		}
	}
}

func of(o *plugins.Outcome) Verdict { return Verdict{o.Bits, o.Reason, o.Labels} }

func (v *Verdict) equal(w *Verdict) bool {
	return v.Bits == w.Bits && v.Reason == w.Reason && slices.Equal(v.Labels, w.Labels)
}

// String names the bits as manifests do.
func (v Verdict) String() string {
	names := []string{}
	for i, name := range []string{"skip", "archive", "star", "important", "read", "never_spam", "spam"} {
		if v.Bits&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return fmt.Sprintf("[%s] because %d, labels %q", strings.Join(names, " "), v.Reason, v.Labels)
}

// laws asks about odd headers: alone, after one another, and all at once.
func laws(t testing.TB, m *manifest.Manifest, filter Filter, settings string) {
	t.Helper()
	odd := Odd()
	first := make([]plugins.Outcome, len(odd))
	for i := range odd {
		out, err := filter.Run(t.Context(), odd[i].facts())
		if err != nil {
			t.Errorf("settings %s: %v for %q", settings, err, start(odd[i].Raw))
			continue
		}
		first[i] = out
		if broken := beyond(m, &out); broken != "" {
			t.Errorf("settings %s: %s for %q", settings, broken, start(odd[i].Raw))
		}
	}
	again := func(i int) {
		out, err := filter.Run(t.Context(), odd[i].facts())
		if got, want := of(&out), of(&first[i]); err != nil || !got.equal(&want) || out.Fuel != first[i].Fuel {
			t.Errorf("settings %s: asked again, %v with %d fuel, %v; it was %v with %d, for %q", settings, got, out.Fuel, err, want, first[i].Fuel, start(odd[i].Raw))
		}
	}
	for i := range odd { // in another order: what came before must not matter
		again(len(odd) - 1 - i)
	}
	var all sync.WaitGroup
	for turn := range 4 {
		all.Go(func() {
			for i := range odd {
				again((i*7 + turn) % len(odd))
			}
		})
	}
	all.Wait()
}

func start(raw []byte) string { return string(raw[:min(len(raw), 200)]) }

// beyond says what in an outcome the manifest does not bear out.
func beyond(m *manifest.Manifest, o *plugins.Outcome) string {
	_, named := m.Reasons[strconv.Itoa(int(o.Reason))]
	switch {
	case o.Dropped > 0 || o.Bits&^m.Needs.May() != 0:
		return "sets a verdict that its manifest does not ask for"
	case o.Reason != 0 && !named:
		return fmt.Sprintf("gives the reason %d, which its manifest does not name", o.Reason)
	case len(o.Labels) > 0 && !m.Needs.Labels:
		return "labels, which its manifest does not ask for"
	case o.Bits&manifest.Skip != 0 && o.Bits != manifest.Skip:
		return "skips and does something else"
	}
	for _, label := range o.Labels {
		if !manifest.ValidLabel(label) {
			return "gives a label that is none"
		}
	}
	return ""
}

// Agree asks two filters about messages, with each of the settings, and fails
// where they differ: in fuel too if they are one module on two engines.
func Agree(t testing.TB, one, other Plugin, settings []string, messages iter.Seq[*Message]) {
	t.Helper()
	asked, told := 0, 0 // told: not nothing; agreeing to do nothing shows little
	for _, s := range settings {
		a, err := one.With(t.Context(), json.RawMessage(s))
		if err != nil {
			t.Fatalf("settings %s: %v", s, err)
		}
		b, err := other.With(t.Context(), json.RawMessage(s))
		if err != nil {
			t.Fatalf("settings %s: %v", s, err)
		}
		for message := range messages {
			x, errA := a.Run(t.Context(), message.facts())
			y, errB := b.Run(t.Context(), message.facts())
			v, w := of(&x), of(&y)
			if errA != nil || errB != nil || !v.equal(&w) {
				t.Fatalf("settings %s: %v (%v) and %v (%v) for\n%s", s, v, errA, w, errB, message.Raw)
			}
			if one.Digest == other.Digest && x.Fuel != y.Fuel {
				t.Fatalf("settings %s: %d and %d fuel for\n%s", s, x.Fuel, y.Fuel, message.Raw)
			}
			if asked++; v.Bits != 0 || len(v.Labels) > 0 {
				told++
			}
		}
	}
	if told < asked/100 {
		t.Errorf("of %d messages only %d had a verdict: the settings do not fit them", asked, told)
	}
}
