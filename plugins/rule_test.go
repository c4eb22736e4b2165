package plugins_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

func TestHostFunctionsAnswerAsTheABISays(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	minus := func(n int) int { return 0x10000 - n }
	for _, c := range []struct {
		name string
		body []byte
		want int
	}{
		{"a field's length", call(fnField, 1, buffer, 64), len("news.example.org")},
		{"a buffer too small gets nothing, the length is told", cat(call(fnField, 1, buffer, 3), []byte{0x1a}, i32(buffer), []byte{0x2d, 0, 0}), 0},
		{"a value is written", cat(call(fnField, 5, buffer, 64), []byte{0x1a}, i32(buffer), []byte{0x2d, 0, 0}), 'R'},
		{"absent", call(fnField, 4, buffer, 64), minus(1)},
		{"a field that was not granted", call(fnField, 2, buffer, 64), minus(2)},
		{"a field that does not exist", call(fnField, 999, buffer, 64), minus(1)},
		{"header", call(fnHeader, headerName, 6, 1, buffer, 64), len("two")},
		{"header beyond the last", call(fnHeader, headerName, 6, 2, buffer, 64), minus(1)},
		{"header index too large", call(fnHeader, headerName, 6, 32, buffer, 64), minus(3)},
		{"header that was not granted", call(fnHeader, keyText, 4, 0, buffer, 64), minus(2)},
		{"size", cat(call(fnNumber, 1), []byte{0xa7}), 1234},
		{"no date", cat(call(fnNumber, 2), []byte{0xa7}), minus(1)},
		{"minor version", cat(call(fnNumber, 9), []byte{0xa7}), 0},
		{"config", call(fnConfig, keyText, 4, buffer, 64), len("hello")},
		{"a list is joined by line feeds", call(fnConfig, keyDomains, 7, buffer, 64), len("example.org\nxn--bcher-kva.example")},
		{"unknown setting", call(fnConfig, headerName, 6, buffer, 64), minus(1)},
		{"empty key", call(fnConfig, keyText, 0, buffer, 64), minus(3)},
		{"in_list knows sub-domains", call(fnInList, 1, keyDomains, 7), 1},
		{"in_list of an absent field", call(fnInList, 4, keyDomains, 7), minus(1)},
		{"in_list of what is no list", call(fnInList, 1, keyText, 4), minus(3)},
		{"matches", call(fnMatches, 5, keyPattern, 7), 1},
		{"matches not", call(fnMatches, 1, keyPattern, 7), 0},
		{"matches without pattern", call(fnMatches, 5, keyText, 4), minus(3)},
		{"label", call(fnLabel, keyText, 4), 0},
		{"empty label", call(fnLabel, keyText, 0), minus(3)},
		{"label of 101 octets", call(fnLabel, keyText, 101), minus(3)},
		{"label with a control character", call(fnLabel, keyText-1, 4), minus(3)},
	} {
		r := plain(t, h, asReason(c.body))
		out, err := r.Run(t.Context(), facts("Re: hello"))
		if err != nil || int(out.Reason) != c.want {
			t.Errorf("%s: %d, %v, want %d", c.name, out.Reason, err, c.want)
		}
	}
}

func TestAVerdictHasOnlyGrantedBits(t *testing.T) {
	t.Parallel()
	r := plain(t, host(t, plugins.Options{}), gatetest.I64Const(7<<32|1<<1|1<<4)) // archive and read
	out, err := r.Run(t.Context(), facts("s"))
	if err != nil || out.Bits != manifest.Archive || out.Reason != 7 || out.Dropped != 1 {
		t.Errorf("outcome = %+v, %v", out, err)
	}
}

func TestARuleMakesAtMostFiveLabels(t *testing.T) {
	t.Parallel()
	var body []byte
	for i := range int32(7) {
		body = cat(body, i32(buffer), i32('a'+i), []byte{0x3a, 0, 0}, call(fnLabel, buffer, 1), []byte{0x1a})
	}
	out, err := plain(t, host(t, plugins.Options{}), body, gatetest.I64Const(0)).Run(t.Context(), facts("s"))
	if want := []string{"a", "b", "c", "d", "e"}; err != nil || !slices.Equal(out.Labels, want) {
		t.Errorf("labels = %q, %v, want %q", out.Labels, err, want)
	}
}

// What a plugin does wrong has a class; the next message finds it as new.
func TestAFailureHasItsClassAndIsOver(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	keep := gatetest.I64Const(0)
	long := call(fnField, 5, buffer, 64) // the subject's length decides
	when := func(bad ...[]byte) []byte {
		return cat(long, i32(3), []byte{0x4a, 0x04, 0x40}, cat(bad...), []byte{0x0b}, keep)
	}
	for _, c := range []struct {
		name string
		body []byte
		want plugins.Class
	}{
		{"unreachable", when([]byte{0x00}), plugins.Trap},
		{"out of bounds", when(i32(70000), []byte{0x28, 2, 0, 0x1a}), plugins.Trap},
		{"division by zero", when(i32(1), i32(0), []byte{0x6d, 0x1a}), plugins.Trap},
		{"too deep", when([]byte{0x10, 8, 0x1a}), plugins.Trap},
		{"endless loop", when([]byte{0x03, 0x40, 0x0c, 0, 0x0b}), plugins.OutOfFuel},
		{"endless host calls", when([]byte{0x03, 0x40}, call(fnHeader, headerName, 6, 0, buffer, 64), []byte{0x1a, 0x0c, 0, 0x0b}), plugins.OutOfFuel},
		{"unknown bits", when(gatetest.I64Const(1<<9), []byte{0x0f}), plugins.BadVerdict},
		{"the reserved bit", when(gatetest.I64Const(1<<7), []byte{0x0f}), plugins.BadVerdict},
		{"bits above the reason", when(gatetest.I64Const(1<<48), []byte{0x0f}), plugins.BadVerdict},
		{"a pointer outside", when(call(fnField, 5, 70000, 64), []byte{0x1a}), plugins.HostArg},
		{"a value that ends outside", when(call(fnField, 5, 65535, 64), []byte{0x1a}), plugins.HostArg},
		{"a key outside", when(call(fnConfig, -1, 4, buffer, 64), []byte{0x1a}), plugins.HostArg},
		{"a label outside", when(call(fnLabel, 65530, 50), []byte{0x1a}), plugins.HostArg},
	} {
		r := plain(t, h, c.body)
		for range 3 {
			_, err := r.Run(t.Context(), facts("this fails"))
			fault, ok := errors.AsType[*plugins.Fault](err)
			if !ok || fault.Class != c.want || fault.Detail != "" || strings.Contains(err.Error(), "fails") {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
			if out, err := r.Run(t.Context(), facts("ok")); err != nil || out.Bits != 0 {
				t.Errorf("after %s: %+v, %v", c.name, out, err)
			}
		}
	}
}

// The same module, settings and header: the same verdict and the same fuel, at
// every run and on both engines.
func TestVerdictAndFuelAreFactsAboutTheMessage(t *testing.T) {
	t.Parallel()
	body := cat(call(fnField, 5, buffer, 900), []byte{0x21, 0}, // a number of turns that depends on the subject, and state that would stay
		[]byte{0x23, 0}, i32(1), []byte{0x6a, 0x24, 0},
		[]byte{0x03, 0x40, 0x20, 0}, i32(1), []byte{0x6b, 0x22, 0, 0x0d, 0, 0x0b},
		call(fnMatches, 5, keyPattern, 7), []byte{0x1a}, asReason([]byte{0x23, 0}))
	var fuel [2]map[string]int64
	for i, interpreter := range []bool{false, true} {
		r := plain(t, host(t, plugins.Options{Interpreter: interpreter}), body)
		fuel[i] = map[string]int64{}
		for range 3 {
			for _, subject := range []string{"a", "a longer one", strings.Repeat("long ", 100)} {
				out, err := r.Run(t.Context(), facts(subject))
				if err != nil || out.Reason != 4 { // three warm-ups before it
					t.Fatalf("outcome = %+v, %v", out, err)
				}
				if before, seen := fuel[i][subject]; seen && before != out.Fuel {
					t.Errorf("fuel for the same message: %d, then %d", before, out.Fuel)
				}
				fuel[i][subject] = out.Fuel
			}
		}
	}
	for subject, used := range fuel[0] {
		if used != fuel[1][subject] || used == fuel[0]["a"] && subject != "a" {
			t.Errorf("fuel: compiler %d, interpreter %d for %d octets", used, fuel[1][subject], len(subject))
		}
	}
}

func TestSettingsAreSeenOnceBeforeMessages(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	m := guest(asReason([]byte{0x23, 0}))
	m.Funcs = append(m.Funcs, gatetest.Func{Type: 7, Body: cat(call(fnConfig, keyText, 4, buffer, 64), []byte{0x24, 0}, call(fnConfig, keyText, 4, buffer, 64), i32(3), []byte{0x4c})})
	m.Exports = append(m.Exports, gatetest.Export{Name: "configure_v1", Index: 9})
	for text, want := range map[string]uint16{"hello": 5, "four": 4, "hello there": 11} { // one plugin, many settings
		r := rule(t, h, m, plainManifest, `{"text":"`+text+`"}`)
		for range 2 {
			if out, err := r.Run(t.Context(), facts("s")); err != nil || out.Reason != want {
				t.Errorf("%q: %+v, %v, want %d", text, out, err, want)
			}
		}
	}
	p, err := h.Load(t.Context(), pack(m, plainManifest))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Rule(t.Context(), json.RawMessage(`{"text":"no"}`))
	if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.BadConfig || fault.Number != 1 {
		t.Errorf("error = %v", err)
	}
}

// A module is refused with the reason, whatever is wrong with it.
func TestWhatIsNoPluginIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	h := host(t, plugins.Options{})
	big := guest(gatetest.I64Const(0))
	big.Pages, big.Most = 17, 20
	for _, c := range []struct {
		name string
		wasm []byte
		says string
	}{
		{"not Wasm", []byte("hello"), "no WebAssembly module"},
		{"no manifest", guest(gatetest.I64Const(0)).Bytes(), "smtp-sync plugin pack"},
		{"another ABI", pack(guest(gatetest.I64Const(0)), strings.Replace(plainManifest, "_v1", "_v2", 1)), `"smtpsync_v2"`},
		{"types that do not fit", pack(guest([]byte{0x41, 0}), plainManifest), "does not compile"},
		{"more memory than it asks for", pack(big, plainManifest), "limits.memory_pages"},
	} {
		if p, err := h.Load(t.Context(), c.wasm); p != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want … %q", c.name, err, c.says)
		}
	}
	for _, hostile := range gatetest.AllHostile() {
		if hostile.Runs {
			continue
		}
		if _, err := h.Load(t.Context(), hostile.Wasm); err == nil {
			t.Errorf("%s was taken", hostile.Name)
		} else if _, ok := errors.AsType[*gate.Refusal](err); !ok {
			t.Errorf("%s: %v", hostile.Name, err)
		}
	}
}

// Searching a header takes time with its length, so it takes fuel with it.
func TestSearchingALongHeaderCostsMore(t *testing.T) {
	t.Parallel()
	r := plain(t, host(t, plugins.Options{}), asReason(call(fnHeader, headerName, 6, 0, buffer, 64)))
	fuel := func(padding int) int64 {
		raw := "X: " + strings.Repeat("x", padding) + "\r\nX-Test: one\r\n\r\n"
		out, err := r.Run(t.Context(), field.Of(mail.ParseHeader([]byte(raw)), mail.Ref{}, &field.Mailbox{}))
		if err != nil || out.Reason != 3 {
			t.Fatalf("%+v, %v", out, err)
		}
		return out.Fuel
	}
	if short, long := fuel(10), fuel(100_010); long-short != 50_000 {
		t.Errorf("fuel %d for a short header, %d for one of 100 kB more", short, long)
	}
}

// Whatever a plugin passes to the host: an answer, or a failure of a class.
func FuzzHostFunctions(f *testing.F) {
	h := host(f, plugins.Options{Interpreter: true})
	f.Add(byte(0), int32(1), int32(buffer), int32(64), int32(0), int32(0))
	f.Add(byte(1), int32(headerName), int32(6), int32(0), int32(buffer), int32(-1))
	f.Add(byte(6), int32(-1), int32(-1), int32(65535), int32(1), int32(65536))
	arguments := []int{3, 5, 1, 4, 3, 3, 2}
	f.Fuzz(func(t *testing.T, fn byte, a, b, c, d, e int32) {
		fn %= byte(len(arguments))
		body := call(fn, []int32{a, b, c, d, e}[:arguments[fn]]...)
		if fn == fnNumber {
			body = append(body, 0xa7)
		}
		r := plain(t, h, asReason(body))
		out, err := r.Run(t.Context(), facts("Re: hello"))
		fault, ok := errors.AsType[*plugins.Fault](err)
		if err != nil && (!ok || fault.Class != plugins.HostArg && fault.Class != plugins.OutOfFuel) || out.Fuel < 0 || out.Fuel > manifest.MaxFuel {
			t.Fatalf("%+v, %v", out, err)
		}
		_ = h.Forget(t.Context(), r.Plugin.Digest)
	})
}
