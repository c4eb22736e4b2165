package manifest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

const good = `{"abi":"smtpsync_v1","name":"skip-domains","version":"1.2.0","title":{"en":"Skip blocked domains","de":"Domains überspringen"},"description":{"en":"x"},
	"needs":{"fields":["from_domain","list_id"],"headers":["X-Spam-Flag"],"verdicts":["skip","archive"],"labels":true},
	"config":[{"key":"domains","type":"domain-list","title":{"en":"Domains"},"max":3,"required":true},
		{"key":"mode","type":"choice","values":["skip","archive"],"default":"skip"},
		{"key":"n","type":"int"},{"key":"on","type":"bool"},{"key":"size","type":"bytes-size"},{"key":"label","type":"label"},
		{"key":"re","type":"regex"},{"key":"text","type":"text","max":5},{"key":"people","type":"address-list"}],
	"reasons":{"1":"sender domain is on the block list"},"limits":{"fuel":2000000}}`

func parse(t *testing.T, document string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAManifestGrantsWhatItNamesAndNoMore(t *testing.T) {
	t.Parallel()
	m := parse(t, good)
	if n := m.Needs; !n.MaySee(field.FromDomain) || n.MaySee(field.Subject) || !n.MayRead("x-spam-flag") || n.MayRead("Subject") || n.May() != manifest.Skip|manifest.Archive {
		t.Errorf("needs = %+v", n)
	}
	if m.Limits.MemoryPages != 16 || m.Limits.Fuel != 2_000_000 {
		t.Errorf("limits = %+v", m.Limits)
	}
}

func TestAFaultyManifestIsExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, place string }{
		{good, "", "manifest"},
		{good, "{", "manifest"},
		{good, good + "{}", "manifest"},
		{`"abi"`, `"spy":1,"abi"`, "manifest"},
		{"smtpsync_v1", "smtpsync_v2", "abi"},
		{"skip-domains", "Skip Domains", "name"},
		{"1.2.0", "newest", "version"},
		{`"en":"Skip blocked domains",`, "", "title"},
		{"Skip blocked", `Skip\u0007blocked`, "title.en"},
		{"from_domain", "body", "needs.fields"},
		{"X-Spam-Flag", "X Spam", "needs.headers"},
		{`"skip","archive"],"labels"`, `"delete"],"labels"`, "needs.verdicts"},
		{`"key":"n"`, `"key":"N"`, "config"},
		{`"key":"n"`, `"key":"mode"`, "config.mode"},
		{`"type":"int"`, `"type":"password"`, "config.n.type"},
		{`"default":"skip"`, `"default":"delete"`, "config.mode"},
		{`"values":["skip","archive"],`, "", "config.mode.values"},
		{`"1":"sender`, `"0":"sender`, "reasons.0"},
		{`"fuel":2000000`, `"fuel":20000000`, "limits.fuel"},
		{`"fuel":2000000`, `"memory_pages":257`, "limits.memory_pages"},
		{`"fuel":2000000`, `"fuel":3000000,"memory_pages":17`, "limits.fuel"},
	} {
		document := strings.Replace(good, c.old, c.new, 1)
		_, err := manifest.Parse([]byte(document))
		faults, ok := errors.AsType[manifest.Faults](err)
		if !ok || faults[0].Place != c.place || faults[0].Text == "" || faults[0].Help == "" {
			t.Errorf("%.40q for %.40q: %v, want a fault of %s", c.new, c.old, err, c.place)
		}
	}
}

func TestSettingsHaveOneForm(t *testing.T) {
	t.Parallel()
	m := parse(t, good)
	c, err := m.Resolve(json.RawMessage(`{"domains":["Example.ORG","@b\u00fccher.example","example.org"],"n":-5,"on":true,"size":"25MB","label":"A/B","re":"(?i)^re:","text":"höhöh","people":["A@Example.org"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"domains": "example.org\nxn--bcher-kva.example", "mode": "skip", "n": "-5", "on": "true", "size": "25000000", "label": "A/B", "text": "höhöh", "people": "a@example.org",
	} {
		if got, found := c.Text(key); !found || got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	for entry, want := range map[string]bool{"example.org": true, "a.b.example.org": true, "badexample.org": false, "org": false, "": false} {
		if held, list := c.Holds("domains", entry); held != want || !list {
			t.Errorf("domains hold %q: %v, %v", entry, held, list)
		}
	}
	if held, list := c.Holds("people", "x.a@example.org"); held || !list {
		t.Error("an address list matches what is below an address")
	}
	if held, _ := c.Holds("people", "a@example.org"); !held {
		t.Error("an address is not found")
	}
	if _, list := c.Holds("text", "x"); list {
		t.Error("a text is a list")
	}
	if p, n := c.Pattern("re"); p == nil || n == 0 || !p.MatchString("RE: x") {
		t.Errorf("pattern = %v, %d", p, n)
	}
	same, err := m.Resolve(json.RawMessage(`{"text":"höhöh","domains":["example.org","bücher.example"],"n":-5,"on":true,"size":25000000,"label":"A/B","re":"(?i)^re:","people":["a@example.org"],"mode":"skip"}`))
	if err != nil || same.Digest != c.Digest {
		t.Errorf("equal settings have different digests (%v)", err)
	}
	other, err := m.Resolve(json.RawMessage(`{"domains":["example.org"]}`))
	if err != nil || other.Digest == c.Digest {
		t.Errorf("different settings have one digest (%v)", err)
	}
}

func TestAFaultySettingIsExplained(t *testing.T) {
	t.Parallel()
	m := parse(t, good)
	for values, place := range map[string]string{
		`{}`:                                  "config.domains",
		`[]`:                                  "config",
		`{"domains":["example.org"],"spy":1}`: `config."spy"`,
		`{"domains":"example.org"}`:           "config.domains",
		`{"domains":["example.org","not a domain"]}`:                                               "config.domains.1",
		`{"domains":["a.b","b.b","c.b","d.b"]}`:                                                    "config.domains",
		`{"domains":["a.b"],"mode":"delete"}`:                                                      "config.mode",
		`{"domains":["a.b"],"n":1.5}`:                                                              "config.n",
		`{"domains":["a.b"],"on":"yes"}`:                                                           "config.on",
		`{"domains":["a.b"],"size":"big"}`:                                                         "config.size",
		`{"domains":["a.b"],"size":-1}`:                                                            "config.size",
		`{"domains":["a.b"],"size":"99999999999GB"}`:                                               "config.size",
		`{"domains":["a.b"],"label":""}`:                                                           "config.label",
		`{"domains":["a.b"],"text":"longer"}`:                                                      "config.text",
		`{"domains":["a.b"],"text":"a\nb"}`:                                                        "config.text",
		`{"domains":["a.b"],"re":"(?=x)"}`:                                                         "config.re",
		`{"domains":["a.b"],"re":"((a{100}){100}){100}"}`:                                          "config.re",
		`{"domains":["a.b"],"re":"[a-z]{1000}"}`:                                                   "config.re",
		fmt.Sprintf(`{"domains":["a.b"],"re":%q}`, strings.Repeat("x", 501)):                       "config.re",
		`{"domains":["a.b"],"people":["nobody"]}`:                                                  "config.people.0",
		fmt.Sprintf(`{"domains":["a.b"],"people":[%s"a@b.example"]}`, strings.Repeat(`"",`, 9999)): "config.people.0",
	} {
		_, err := m.Resolve(json.RawMessage(values))
		faults, ok := errors.AsType[manifest.Faults](err)
		if !ok || faults[0].Place != place || faults[0].Help == "" {
			t.Errorf("%.60s: %.200v, want a fault of %s", values, err, place)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good), []byte(`{"domains":["example.org"],"re":"a*"}`))
	f.Fuzz(func(t *testing.T, document, values []byte) {
		m, err := manifest.Parse(document)
		if err != nil {
			if _, ok := errors.AsType[manifest.Faults](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if c, err := m.Resolve(values); err == nil {
			for _, s := range m.Config {
				if text, _ := c.Text(s.Key); len(text) > manifest.MaxConfig {
					t.Fatalf("%s has %d octets", s.Key, len(text))
				}
			}
		}
	})
}

func TestTextsBecomeValuesOfTheirTypes(t *testing.T) {
	t.Parallel()
	m, err := manifest.Parse([]byte(`{"abi":"smtpsync_v1","name":"n","version":"1.0.0","title":{"en":"t"},"config":[
		{"key":"domains","type":"domain-list"},{"key":"people","type":"address-list"},{"key":"on","type":"bool"},
		{"key":"most","type":"int"},{"key":"size","type":"bytes-size"},{"key":"text","type":"text"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pairs []string
		want  string // the values, or the fault
	}{
		{nil, `{}`},
		{[]string{"domains=a.example, b.example", "domains=c.example", "people=x@a.example"}, `{"domains":["a.example","b.example","c.example"],"people":["x@a.example"]}`},
		{[]string{"on=true", "most=-3", "size=25MB"}, `{"most":-3,"on":true,"size":"25MB"}`},
		{[]string{"text=a=b, c", "size=1000"}, `{"size":"1000","text":"a=b, c"}`},
		{[]string{"domains="}, `{"domains":null}`},
		{[]string{"text="}, `{"text":""}`},
		{[]string{"domains"}, `config: has "domains": write key=value`},
		{[]string{"=a"}, `config: has "=a": write key=value`},
		{[]string{"text=a", "text=b"}, `config."text": comes twice: give it once`},
		{[]string{"on=maybe"}, `config.on: is neither: use true or false`},
		{[]string{"most=1.5"}, `config.most: is none: use a whole number`},
		{[]string{`on=true}`}, `config.on: is neither: use true or false`},
		{[]string{"other=1"}, `config."other": is no setting of this plugin: leave it out`},
	} {
		values, err := m.FromText(c.pairs)
		if err == nil {
			_, err = m.Resolve(values)
		}
		got := string(values)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.pairs, got, c.want)
		}
	}
}
