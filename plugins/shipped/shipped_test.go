package shipped_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
	"github.com/smtp-sync/smtp-sync/plugins/shipped/shippedtest"
)

func host(t testing.TB, o plugins.Options) *plugins.Host {
	t.Helper()
	h, err := plugins.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	return h
}

func wasm(t testing.TB, h *plugins.Host, r shipped.Rule) filtertest.Plugin {
	t.Helper()
	p, err := filtertest.Wasm(t.Context(), h, r.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What ships is what is listed here; forms, documentation and tests name it.
func TestTenRulesShip(t *testing.T) {
	t.Parallel()
	all := shipped.All()
	if len(all) != 10 || len(cases) != 10 || len(shippedtest.Twins) != 10 {
		t.Fatalf("%d rules, %d tables, %d twins", len(all), len(cases), len(shippedtest.Twins))
	}
	for _, r := range all {
		if r.Name != r.Manifest.Name {
			t.Errorf("%s calls itself %s", r.Name, r.Manifest.Name)
		}
		if len(r.Wasm) > 2048 {
			t.Errorf("%s has %d octets, more than 2048", r.Name, len(r.Wasm))
		}
		if named, found := shipped.Named(r.Name); !found || named.Manifest != r.Manifest {
			t.Errorf("%s is not found by its name", r.Name)
		}
		if r.Manifest.Description["en"] == "" || len(r.Manifest.Reasons) == 0 {
			t.Errorf("%s does not say what it does and why", r.Name)
		}
		for _, s := range r.Manifest.Config {
			if s.Title["en"] == "" {
				t.Errorf("%s: its form has no words for %q", r.Name, s.Key)
			}
		}
	}
	if _, found := shipped.Named("no-such-rule"); found {
		t.Error("a rule that is not there was found")
	}
}

// The same table for the module on both engines and for its twin.
func TestShippedRulesDoWhatTheyPromise(t *testing.T) {
	t.Parallel()
	compiler, interpreter := host(t, plugins.Options{}), host(t, plugins.Options{Interpreter: true})
	for _, r := range shipped.All() {
		for _, way := range []struct {
			name   string
			plugin filtertest.Plugin
		}{{"compiler", wasm(t, compiler, r)}, {"interpreter", wasm(t, interpreter, r)}, {"native", filtertest.Native(r.Manifest, shippedtest.Twins[r.Name])}} {
			t.Run(r.Name+"/"+way.name, func(t *testing.T) { filtertest.Run(t, way.plugin, cases[r.Name]) })
		}
	}
}

func TestShippedRulesAgreeWithTheirTwins(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	for _, r := range shipped.All() {
		t.Run(r.Name, func(t *testing.T) {
			filtertest.Agree(t, wasm(t, h, r), filtertest.Native(r.Manifest, shippedtest.Twins[r.Name]), settings(r.Name), filtertest.Made(20261124, 1000))
		})
	}
}

// One verdict and one price, whichever engine runs the module.
func TestShippedRulesAreTheSameOnBothEngines(t *testing.T) {
	t.Parallel()
	compiler, interpreter := host(t, plugins.Options{}), host(t, plugins.Options{Interpreter: true})
	for _, r := range shipped.All() {
		t.Run(r.Name, func(t *testing.T) {
			filtertest.Agree(t, wasm(t, compiler, r), wasm(t, interpreter, r), settings(r.Name), filtertest.Made(7, 300))
		})
	}
}

// Real mail, where it lies beside the module.
func TestShippedRulesAgreeOnRealMail(t *testing.T) {
	t.Parallel()
	paths := testkit.Corpus()
	if len(paths) == 0 {
		t.Skip("no ../shared/corpus beside the module")
	}
	var all []*filtertest.Message
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &filtertest.Message{Raw: raw, Ref: mail.Ref{Size: int64(len(raw))}})
	}
	h := host(t, plugins.Options{})
	for name, settings := range map[string]string{
		"label-by-domain":  `{}`,
		"label-by-list-id": `{"under":"Lists"}`,
		"only-from":        `{"domains":["example.com","yahoo.com","hotmail.com"],"action":"archive"}`,
		"size-limit":       `{"limit":"10KiB"}`,
		"skip-domains":     `{"domains":["yahoo.com","hotmail.com","aol.com"]}`,
		"skip-newsletters": `{"action":"label"}`,
		"subject-regex":    `{"pattern":"(?i)^re:","action":"star"}`,
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := shipped.Named(name)
			filtertest.Agree(t, wasm(t, h, r), filtertest.Native(r.Manifest, shippedtest.Twins[name]), []string{settings}, slices.Values(all))
		})
	}
}

// settings are those of the table, and those that fit what filtertest makes up.
func settings(name string) (all []string) {
	for _, c := range cases[name] {
		if c.Refused == 0 {
			all = append(all, c.Settings)
		}
	}
	return append(all, more[name]...)
}

var more = map[string][]string{
	"never-spam-from": {`{"domains":["example.org","example.com"]}`, `{"domains":["example.org"],"require_dmarc":false}`},
	"size-limit":      {`{"limit":65536,"action":"label","label":"a/b"}`, `{"limit":0}`},
	"subject-regex":   {`{"pattern":"build|gr","action":"label","label":"B"}`, `{"pattern":"^(hello|€)","action":"skip"}`},
}
