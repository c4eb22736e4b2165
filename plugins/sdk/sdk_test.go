package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/sdk"
)

// The constants of the SDK are those of the host.
func TestTheSDKCountsAsTheHostDoes(t *testing.T) {
	t.Parallel()
	for got, want := range map[uint64]uint64{
		uint64(sdk.Skip): manifest.Skip, uint64(sdk.Archive): manifest.Archive, uint64(sdk.Star): manifest.Star, uint64(sdk.Important): manifest.Important,
		uint64(sdk.Read): manifest.Read, uint64(sdk.NeverSpam): manifest.NeverSpam, uint64(sdk.Spam): manifest.Spam,
	} {
		if got != want {
			t.Errorf("verdict %b, want %b", got, want)
		}
	}
	if sdk.FromDomain != sdk.Field(field.FromDomain) || sdk.ListUnsubscribe != sdk.Field(field.ListUnsubscribe) || sdk.MessageIDDomain != sdk.Field(field.MessageIDDomain) ||
		sdk.Size != sdk.Number(field.Size) || sdk.DMARC != sdk.Number(field.DMARC) || sdk.ABIMinor != sdk.Number(field.ABIMinor) {
		t.Error("fields or numbers are counted otherwise")
	}
}

// So are those of the other languages.
func TestEverySDKCountsAsTheHostDoes(t *testing.T) {
	t.Parallel()
	numbers := strings.Fields("SIZE DATE RECEIVED_AT DKIM SPF DMARC RECIPIENTS HAS_LIST_HEADERS ABI_MINOR")
	if len(numbers) != int(field.ABIMinor) {
		t.Fatalf("%d numbers are known here, %d to the host", len(numbers), field.ABIMinor)
	}
	var fields []string
	for id := field.FromDomain; id.String() != ""; id++ {
		fields = append(fields, strings.ToUpper(id.String()))
	}
	verdicts := strings.Fields("SKIP ARCHIVE STAR IMPORTANT READ NEVER_SPAM SPAM")
	c := func(names []string) string {
		return strings.ReplaceAll("SS_"+strings.Join(names, ", SS_"), "SS_"+names[0], "SS_"+names[0]+" = 1")
	}
	for name, want := range map[string]func(kind string, i int, constant string) string{
		"assemblyscript/smtpsync.ts": func(kind string, i int, constant string) string {
			return fmt.Sprintf("export const %s: %s = %d;", constant, kind, i)
		},
		"rust/smtpsync.rs": func(kind string, i int, constant string) string {
			return fmt.Sprintf("pub const %s: %s = %d;", constant, kind, i)
		},
		"c/smtpsync.h": func(kind string, i int, constant string) string {
			switch {
			case kind == "u64":
				return fmt.Sprintf("#define SS_%s %dLL", constant, i)
			case constant == numbers[0]:
				return c(numbers)
			case constant == fields[0]:
				return c(fields)
			}
			return ""
		},
	} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(raw)), " ")
		for i, constant := range numbers {
			if line := want("u32", i+1, constant); !strings.Contains(text, line) {
				t.Errorf("%s lacks %q", name, line)
			}
		}
		for i, constant := range fields {
			if line := want("u32", i+1, constant); !strings.Contains(text, line) {
				t.Errorf("%s lacks %q", name, line)
			}
		}
		for i, constant := range verdicts {
			if line := want("u64", 1<<i, constant); !strings.Contains(text, line) {
				t.Errorf("%s lacks %q", name, line)
			}
		}
	}
}

// Every function of the SDK, in Wasm, against the real host.
func TestTheSDKAsksTheRealHost(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"wasm.go", "testdata/all/main.go"} {
		if _, err := os.ReadFile(source); err != nil { // so that go test knows what its result depends on
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "all.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", path, "./testdata/all")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wasm, err = gate.Pack(wasm, []byte(`{"abi":"smtpsync_v1","name":"all","version":"1.0.0","title":{"en":"All"},
		"needs":{"fields":["from_domain","subject","from_name"],"headers":["X-Test"],"verdicts":["archive","star"],"labels":true},
		"config":[{"key":"domains","type":"domain-list"},{"key":"pattern","type":"regex"},{"key":"text","type":"text"},{"key":"limit","type":"bytes-size"},{"key":"refuse","type":"bool","default":false}],
		"limits":{"memory_pages":64}}`))
	if err != nil {
		t.Fatal(err)
	}
	h, err := plugins.New(t.Context(), plugins.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	p, err := h.Load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{"example.org"}
	for i := range 2000 { // far more than the SDK's buffer holds
		list = append(list, fmt.Sprintf("a%04d.example.net", i))
	}
	domains, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	rule, err := p.Rule(t.Context(), json.RawMessage(`{"domains":`+string(domains)+`,"pattern":"^h","text":"zwölf","limit":"20GB"}`))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(subject string) (plugins.Outcome, error) {
		header := mail.ParseHeader([]byte("From: a@x.example.org\r\nSubject: " + subject + "\r\nX-Test: one\r\nX-Test: two\r\n\r\n"))
		return rule.Run(t.Context(), field.Of(header, mail.Ref{Size: 1 << 40}, &field.Mailbox{}))
	}
	for range 2 {
		out, err := ask("hello")
		if err != nil {
			t.Fatal(err)
		}
		var notes []int64
		for _, n := range out.Notes {
			notes = append(notes, n.Value)
		}
		want := []int64{6, 5, 0, 1, 0, 1 << 40, int64(len(strings.Join(list, "\n"))), 20_000_000_000, 0, 1, 0, 1, 1, 0}
		if !slices.Equal(notes, want) || out.Bits != manifest.Archive|manifest.Star || out.Reason != 65535 || !slices.Equal(out.Labels, []string{"grün"}) {
			t.Errorf("outcome %+v\nnotes %v, want\n      %v", out, notes, want)
		}
		_, err = ask("panic")
		if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.Trap {
			t.Errorf("a panic: %v", err)
		}
	}
	_, err = p.Rule(t.Context(), json.RawMessage(`{"refuse":true}`))
	if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.BadConfig || fault.Number != 7 {
		t.Errorf("settings that Configure refuses: %v", err)
	}
}
