package filtertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/sdk"
)

const document = `{"abi":"smtpsync_v1","name":"test","version":"1.0.0","title":{"en":"A test"},
	"needs":{"fields":["from_domain","subject","list_id"],"headers":["X-Test"],"verdicts":["skip","archive"],"labels":true},
	"config":[{"key":"domains","type":"domain-list"},{"key":"pattern","type":"regex"}],"reasons":{"1":"because"}}`

func described(t *testing.T) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// record runs a suite and gives what it complained about.
func record(t *testing.T, suite func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		suite(r)
	}()
	<-done
	return strings.Join(r.said, "\n")
}

func always(v sdk.Verdict) sdk.Plugin {
	return sdk.Plugin{Filter: func(sdk.Message) sdk.Verdict { return v }}
}

func asks(filter func(m sdk.Message) sdk.Verdict) sdk.Plugin { return sdk.Plugin{Filter: filter} }

// A suite is worth what it finds: each of these breaks one law.
func TestTheSuiteFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	turn := 0
	for _, c := range []struct {
		name   string
		plugin sdk.Plugin
		says   string // "": it is right
	}{
		{"right", always(sdk.Archive.Because(1)), ""},
		{"another verdict", always(sdk.Keep), "want [archive]"},
		{"another reason", always(sdk.Archive.Because(2)), "which its manifest does not name"},
		{"a verdict that was not granted", always((sdk.Archive | sdk.Star).Because(1)), "does not ask for"},
		{"unknown bits", always(sdk.Archive.Because(1) | 1<<9), "unknown bits"},
		{"skips and archives", always((sdk.Skip | sdk.Archive).Because(1)), "skips and does something else"},
		{"remembers", asks(func(sdk.Message) sdk.Verdict {
			turn++
			if turn > 40 {
				return sdk.Keep
			}
			return sdk.Archive.Because(1)
		}), "asked again"},
		{"fails on some headers", asks(func(m sdk.Message) sdk.Verdict {
			if len(m.Field(sdk.Subject)) > 900 {
				panic("too long")
			}
			return sdk.Archive.Because(1)
		}), "stopped with an error of its own"},
	} {
		plugin := filtertest.Native(described(t), c.plugin)
		said := record(t, func(t testing.TB) {
			filtertest.Run(t, plugin, []filtertest.Case{
				{Why: "all is archived", Header: "From: a@example.org", Want: filtertest.Verdict{Bits: manifest.Archive, Reason: 1}},
			})
		})
		if c.says == "" && said != "" || !strings.Contains(said, c.says) {
			t.Errorf("%s: the suite says %q, want … %q", c.name, said, c.says)
		}
	}
}

func TestAgreeFindsTheDifference(t *testing.T) {
	t.Parallel()
	m := described(t)
	listed := func(field sdk.Field) filtertest.Plugin {
		return filtertest.Native(m, asks(func(m sdk.Message) sdk.Verdict {
			if m.In(field, "domains") {
				return sdk.Skip.Because(1)
			}
			return sdk.Keep
		}))
	}
	settings := []string{`{"domains":["example.org"]}`}
	for _, c := range []struct {
		name string
		a, b filtertest.Plugin
		set  []string
		says string
	}{
		{"the same", listed(sdk.FromDomain), listed(sdk.FromDomain), settings, ""},
		{"another field", listed(sdk.FromDomain), listed(sdk.ListID), settings, "and [] because 0"},
		{"nothing to agree on", listed(sdk.FromDomain), listed(sdk.FromDomain), []string{`{"domains":["elsewhere.example"]}`}, "do not fit"},
	} {
		said := record(t, func(t testing.TB) { filtertest.Agree(t, c.a, c.b, c.set, filtertest.Made(1, 500)) })
		if c.says == "" && said != "" || !strings.Contains(said, c.says) {
			t.Errorf("%s: the suite says %q, want … %q", c.name, said, c.says)
		}
	}
}

// The native host answers as the ABI says, as the real one does (package
// plugins has the same table for it).
func TestTheNativeHostAnswersAsTheABISays(t *testing.T) {
	t.Parallel()
	var got []any
	plugin := asks(func(m sdk.Message) sdk.Verdict {
		ask := func(value string, n int32) { got = append(got, value, n) }
		h := m.Host
		ask(h.Field(sdk.FromDomain))
		ask(h.Field(sdk.ListID))
		ask(h.Field(sdk.FromAddress))
		ask(h.Field(999))
		ask(h.Header("x-test", 1))
		ask(h.Header("X-Test", 2))
		ask(h.Header("X-Test", 32))
		ask(h.Header("From", 0))
		ask(h.Config("domains"))
		ask(h.Config("nothing"))
		ask(h.Config(""))
		for _, n := range []int32{
			h.InList(sdk.FromDomain, "domains"), h.InList(sdk.ListID, "domains"), h.InList(sdk.FromDomain, "pattern"), h.InList(sdk.FromAddress, "domains"),
			h.Matches(sdk.Subject, "pattern"), h.Matches(sdk.FromDomain, "pattern"), h.Matches(sdk.Subject, "domains"),
			h.Label("a"), h.Label(""), h.Label(strings.Repeat("l", 101)), h.Label("b"), h.Label("c"), h.Label("d"), h.Label("e"), h.Label("f"),
		} {
			got = append(got, n)
		}
		return sdk.Keep
	})
	filter, err := filtertest.Native(described(t), plugin).With(t.Context(), json.RawMessage(`{"domains":["Example.org"],"pattern":"^h"}`))
	if err != nil {
		t.Fatal(err)
	}
	facts := field.Of(mail.ParseHeader([]byte("From: a@news.example.org\r\nSubject: hello\r\nX-Test: one\r\nX-Test: two\r\n\r\n")), mail.Ref{}, &field.Mailbox{})
	if _, err := filter.Run(context.Background(), facts); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint([]any{
		"news.example.org", 16, "", -1, "", -2, "", -1, "two", 3, "", -1, "", -3, "", -2, "example.org", 11, "", -1, "", -3,
		1, -1, -3, -2, 1, 0, -3, 0, -3, -3, 0, 0, 0, 0, -3,
	})
	if fmt.Sprint(got) != want {
		t.Errorf("answers\n%v, want\n%v", got, want)
	}
}

var _ filtertest.Filter = (*plugins.Rule)(nil)
