// Package rulestest proves what package rules asks of a store.
package rulestest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
)

// Store is what is proved.
type Store interface {
	Rules(ctx context.Context, user id.User) ([]rules.Rule, error)
	PutRule(ctx context.Context, user id.User, r rules.Rule, at int) (rules.Rule, error)
	DropRule(ctx context.Context, user id.User, rule id.Rule) error
	CountRuns(ctx context.Context, user id.User, runs map[id.Rule]rules.Runs) error
	Modules(ctx context.Context, user id.User) ([]rules.Module, error)
	Module(ctx context.Context, user id.User, d rules.Digest) (rules.Module, error)
	AddModule(ctx context.Context, user id.User, m rules.Module) error
	DropModule(ctx context.Context, user id.User, d rules.Digest) error
}

// World is a store with users in it.
type World interface {
	Store() Store
	User(t *testing.T) id.User
	Mailbox(t *testing.T, user id.User) id.Mailbox
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, World)
	}{
		{"the order has no gaps", order}, {"a rule is kept as it is", kept}, {"modules", modules}, {"limits", limits}, {"runs", runs},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, w World, u id.User, r rules.Rule, at int) rules.Rule {
	t.Helper()
	r, err := w.Store().PutRule(t.Context(), u, r, at)
	must(t, err)
	return r
}

func named(name string) rules.Rule {
	return rules.Rule{Name: name, Plugin: "size-limit", Config: []byte(`{}`), Everywhere: true, Enabled: true}
}

func names(t *testing.T, w World, u id.User) string {
	t.Helper()
	all, err := w.Store().Rules(t.Context(), u)
	must(t, err)
	var out []string
	for _, r := range all {
		out = append(out, r.Name)
	}
	return strings.Join(out, " ")
}

func order(t *testing.T, w World) {
	u := w.User(t)
	want := func(what, order string) {
		t.Helper()
		if got := names(t, w, u); got != order {
			t.Errorf("%s: %q, want %q", what, got, order)
		}
	}
	a, b := put(t, w, u, named("a"), 0), put(t, w, u, named("b"), 0)
	c := put(t, w, u, named("c"), 1)
	want("made", "c a b")
	put(t, w, u, c, 2)
	want("moved down", "a c b")
	put(t, w, u, b, 1)
	want("moved up", "b a c")
	put(t, w, u, a, 0)
	want("changed in its place", "b a c")
	put(t, w, u, a, 99)
	want("beyond the end", "b c a")
	must(t, w.Store().DropRule(t.Context(), u, c.ID))
	want("dropped", "b a")
	put(t, w, u, named("d"), 2)
	want("between the two", "b d a")
	other := w.User(t)
	if got := names(t, w, other); got != "" {
		t.Errorf("another user has %q", got)
	}
	for _, err := range []error{w.Store().DropRule(t.Context(), other, a.ID), w.Store().DropRule(t.Context(), u, c.ID)} {
		if !errors.Is(err, account.ErrNone) {
			t.Errorf("dropping what is not there: %v", err)
		}
	}
	if _, err := w.Store().PutRule(t.Context(), other, a, 1); !errors.Is(err, account.ErrNone) {
		t.Errorf("replacing another's rule: %v", err)
	}
}

func kept(t *testing.T, w World) {
	u := w.User(t)
	box, second := w.Mailbox(t, u), w.Mailbox(t, u)
	r := put(t, w, u, rules.Rule{Name: "n", Plugin: "skip-domains", Config: []byte(`{"domains":["a.example"]}`), Mailboxes: []id.Mailbox{box, second}}, 0)
	if r.ID == (id.Rule{}) || r.Created.IsZero() {
		t.Errorf("made %+v", r)
	}
	all, err := w.Store().Rules(t.Context(), u)
	must(t, err)
	got := all[0]
	if len(all) != 1 || got.ID != r.ID || got.Name != "n" || got.Plugin != "skip-domains" || string(got.Config) != `{"domains":["a.example"]}` ||
		got.Everywhere || got.Enabled || !slices.Equal(got.Mailboxes, []id.Mailbox{box, second}) || !got.Created.Equal(r.Created) {
		t.Errorf("got %+v, want %+v", got, r)
	}
	r.Name, r.Enabled, r.Mailboxes = "m", true, []id.Mailbox{second}
	put(t, w, u, r, 0)
	all, err = w.Store().Rules(t.Context(), u)
	must(t, err)
	if got := all[0]; got.Name != "m" || got.For(box) || !got.For(second) || !got.Created.Equal(r.Created) {
		t.Errorf("changed: %+v", got)
	}
	r.Everywhere, r.Mailboxes = true, nil
	put(t, w, u, r, 0)
	if all, _ = w.Store().Rules(t.Context(), u); !all[0].For(box) || len(all[0].Mailboxes) > 0 {
		t.Errorf("for all: %+v", all[0])
	}
}

func modules(t *testing.T, w World) {
	u, other := w.User(t), w.User(t)
	wasm := []byte("\x00asm and so on")
	m := rules.Module{Digest: rules.Sum(wasm), Manifest: []byte(`{"name":"x"}`), Wasm: wasm}
	must(t, w.Store().AddModule(t.Context(), u, m))
	must(t, w.Store().AddModule(t.Context(), u, m)) // the same
	all, err := w.Store().Modules(t.Context(), u)
	must(t, err)
	if len(all) != 1 || all[0].Digest != m.Digest || all[0].Wasm != nil || all[0].Size != len(wasm) || all[0].Added.IsZero() || string(all[0].Manifest) != `{"name":"x"}` {
		t.Errorf("got %+v", all)
	}
	got, err := w.Store().Module(t.Context(), u, m.Digest)
	must(t, err)
	if string(got.Wasm) != string(wasm) || got.Size != len(wasm) {
		t.Errorf("got %+v", got)
	}
	if _, err := w.Store().Module(t.Context(), other, m.Digest); !errors.Is(err, account.ErrNone) {
		t.Errorf("another's module: %v", err)
	}
	if err := w.Store().DropModule(t.Context(), other, m.Digest); !errors.Is(err, account.ErrNone) {
		t.Errorf("dropping another's module: %v", err)
	}
	r := named("n")
	r.Plugin = m.Digest.String()
	r = put(t, w, u, r, 0)
	if err := w.Store().DropModule(t.Context(), u, m.Digest); !errors.Is(err, rules.ErrInUse) {
		t.Errorf("dropping one that is used: %v", err)
	}
	must(t, w.Store().DropRule(t.Context(), u, r.ID))
	must(t, w.Store().DropModule(t.Context(), u, m.Digest))
	if all, _ := w.Store().Modules(t.Context(), u); len(all) > 0 {
		t.Errorf("it is still there: %+v", all)
	}
}

func limits(t *testing.T, w World) {
	u := w.User(t)
	var last rules.Rule
	for i := range rules.Max {
		last = put(t, w, u, named(fmt.Sprint(i)), 0)
	}
	if _, err := w.Store().PutRule(t.Context(), u, named("one more"), 0); !errors.Is(err, rules.ErrTooMany) {
		t.Errorf("one rule more: %v", err)
	}
	put(t, w, u, last, 1) // changing is no more
	for i := range rules.MaxModules {
		wasm := fmt.Appendf(nil, "%d", i)
		must(t, w.Store().AddModule(t.Context(), u, rules.Module{Digest: rules.Sum(wasm), Manifest: []byte(`{}`), Wasm: wasm}))
	}
	more := rules.Module{Digest: rules.Sum([]byte("more")), Manifest: []byte(`{}`), Wasm: []byte("more")}
	if err := w.Store().AddModule(t.Context(), u, more); !errors.Is(err, rules.ErrTooManyModules) {
		t.Errorf("one module more: %v", err)
	}
}

func runs(t *testing.T, w World) {
	u := w.User(t)
	a, b := put(t, w, u, named("a"), 0), put(t, w, u, named("b"), 0)
	must(t, w.Store().CountRuns(t.Context(), u, map[id.Rule]rules.Runs{a.ID: {Asked: 3, Failed: 1, Fault: "trap"}, id.New[id.Rule](): {Asked: 1}}))
	must(t, w.Store().CountRuns(t.Context(), u, map[id.Rule]rules.Runs{a.ID: {Asked: 2}}))
	a.Name = "c"
	put(t, w, u, a, 2) // counts on
	all, err := w.Store().Rules(t.Context(), u)
	must(t, err)
	if all[1].Runs != (rules.Runs{Asked: 5, Failed: 1, Fault: "trap"}) || all[0].ID != b.ID || all[0].Runs != (rules.Runs{}) {
		t.Errorf("got %+v", all)
	}
}
