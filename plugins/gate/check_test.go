package gate_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// abi is a small ABI: one import, one export that has to be there.
var abi = &gate.ABI{
	Imports: map[string]map[string]gate.Sig{"smtpsync_v1": {"label": gate.Sig32(2, "\x7f"), "number": gate.Sig32(1, "\x7e")}},
	Exports: []gate.Export{{Name: "filter_v1", Sig: gate.Sig{Results: "\x7e"}}, {Name: "_initialize", Optional: true}},
}

func TestAPlainFilterPasses(t *testing.T) {
	t.Parallel()
	m := gatetest.Filter(0x42, 5)
	m.Custom = map[string][]byte{gate.ManifestSection: []byte(`{}`), "name": {1, 2, 3}}
	m.Imports = []gatetest.Import{{Module: "smtpsync_v1", Name: "label", Type: 2}}
	m.Types = append(m.Types, gatetest.Type{Params: "\x7f\x7f", Results: "\x7f"})
	m.Exports[1].Index = 1
	got, err := gate.Check(m.Bytes(), abi)
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Report; r.Functions != 1 || r.Pages != 1 || len(r.Imports) != 1 || r.Imports[0] != "smtpsync_v1.label" || r.Exports[0] != "filter_v1" || r.Octets != len(m.Bytes()) {
		t.Errorf("report = %+v", r)
	}
	if string(got.Manifest) != "{}" {
		t.Errorf("manifest = %q", got.Manifest)
	}
}

func TestHostileModulesAreRefusedOrRun(t *testing.T) {
	t.Parallel()
	for _, h := range gatetest.AllHostile() {
		_, err := gate.Check(h.Wasm, abi)
		if refusal, ok := errors.AsType[*gate.Refusal](err); h.Runs != (err == nil) || !h.Runs && (!ok || refusal.Text == "" || refusal.Help == "" || refusal.Code == "") {
			// What only runs away may be refused as well: by a cap.
			if !(h.Runs && ok && refusal.Code == gate.OverLimit) {
				t.Errorf("%s: %v", h.Name, err)
			}
		}
	}
}

// A count is believed only as far as octets follow it.
func TestACountCostsNoMemory(t *testing.T) {
	for _, h := range gatetest.AllHostile() {
		if len(h.Wasm) > 100 {
			continue
		}
		if got := testing.AllocsPerRun(10, func() { _, _ = gate.Check(h.Wasm, abi) }); got > 40 {
			t.Errorf("%s: %.0f allocations", h.Name, got)
		}
	}
}

func TestARefusalNamesPlaceThingAndCure(t *testing.T) {
	t.Parallel()
	body := func(b ...byte) []byte { return gatetest.Filter(b...).Bytes() }
	change := func(f func(*gatetest.Module)) []byte {
		m := gatetest.Filter(0x42, 0)
		f(m)
		return m.Bytes()
	}
	for _, c := range []struct {
		name string
		wasm []byte
		code gate.Code
		says string
	}{
		{"empty", nil, gate.NotWasm, "no WebAssembly module"},
		{"text", []byte("(module)"), gate.NotWasm, "no WebAssembly module"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), gate.NotWasm, "core modules"},
		{"nothing in it", gatetest.Raw(), gate.MissingABI, `lacks the export "memory"`},
		{"no filter", change(func(m *gatetest.Module) { m.Exports = m.Exports[:1] }), gate.MissingABI, `lacks the export "filter_v1"`},
		{"filter of the wrong version", change(func(m *gatetest.Module) { m.Exports[1].Name = "filter_v2" }), gate.MissingABI, "filter_v1"},
		{"filter of another type", change(func(m *gatetest.Module) { m.Types[0].Results = "\x7f"; m.Funcs[0].Body = []byte{0x41, 0} }), gate.MissingABI, "another type"},
		{"optional export of another type", change(func(m *gatetest.Module) { m.Exports = append(m.Exports, gatetest.Export{Name: "_initialize"}) }), gate.MissingABI, "_initialize"},
		{"import of WASI", change(func(m *gatetest.Module) {
			m.Imports = []gatetest.Import{{Module: "wasi_snapshot_preview1", Name: "fd_write", Type: 1}}
		}), gate.UnknownImport, `"wasi_snapshot_preview1"."fd_write"`},
		{"import of another type", change(func(m *gatetest.Module) {
			m.Imports = []gatetest.Import{{Module: "smtpsync_v1", Name: "label", Type: 1}}
		}), gate.MissingABI, "label"},
		{"import of a memory", gatetest.Raw(gatetest.Section(2, []byte("\x01\x01a\x01b\x02\x00\x01"))), gate.Forbidden, "no function"},
		{"start function", change(func(m *gatetest.Module) {
			m.Funcs = append(m.Funcs, gatetest.Func{Type: 1})
			m.Start = []byte{1}
		}), gate.Forbidden, "_initialize"},
		{"reserved export", change(func(m *gatetest.Module) { m.Exports = append(m.Exports, gatetest.Export{Name: "__ss_fuel", Kind: 2}) }), gate.Forbidden, "__ss_"},
		{"two manifests", append(change(func(m *gatetest.Module) { m.Custom = map[string][]byte{gate.ManifestSection: nil} }),
			gatetest.Section(0, append([]byte{17}, gate.ManifestSection...))...), gate.Malformed, "two manifests"},
		{"manifest of 17 kB", change(func(m *gatetest.Module) {
			m.Custom = map[string][]byte{gate.ManifestSection: make([]byte, 17<<10)}
		}), gate.TooLarge, "manifest"},
		{"sections out of order", gatetest.Raw(gatetest.Section(3, []byte{0}), gatetest.Section(1, []byte{0})), gate.Malformed, "out of order"},
		{"section twice", gatetest.Raw(gatetest.Section(1, []byte{0}), gatetest.Section(1, []byte{0})), gate.Malformed, "twice"},
		{"unknown section", gatetest.Raw(gatetest.Section(13, []byte{0})), gate.Forbidden, "kind 13"},
		{"section with more in it", gatetest.Raw(gatetest.Section(1, []byte{0, 0})), gate.Malformed, "after its end"},
		{"section longer than the file", gatetest.Raw([]byte{1, 9, 0}), gate.Malformed, "left"},
		{"SIMD", body(0xfd, 12), gate.Forbidden, "SIMD"},
		{"threads", body(0xfe, 0), gate.Forbidden, "threads"},
		{"tail call", body(0x12, 0), gate.Forbidden, "tail calls"},
		{"exceptions", body(0x06, 0x40), gate.Forbidden, "exception"},
		{"ref.null", body(0xd0, 0x70), gate.Forbidden, "reference"},
		{"table.set", body(0x26, 0), gate.Forbidden, "table"},
		{"memory.init", body(0xfc, 8, 0, 0), gate.Forbidden, "passive"},
		{"an instruction that there is not", body(0xfc, 48), gate.Forbidden, "0xfc 48"},
		{"second memory", body(0x41, 0, 0x28, 0x42, 0, 0), gate.Malformed, "second memory"},
		{"alignment", body(0x41, 0, 0x28, 3, 0, 0xac), gate.Malformed, "alignment"},
		{"unknown local", body(0x20, 0), gate.Malformed, "local 0 of 0"},
		{"unknown function", body(0x10, 9), gate.Malformed, "function 9 of 1"},
		{"unknown global", body(0x23, 0), gate.Malformed, "global 0 of 0"},
		{"no table", body(0x41, 0, 0x11, 0, 0), gate.Malformed, "table"},
		{"label", body(0x0c, 1), gate.Malformed, "label 1 of 1"},
		{"else without if", body(0x05), gate.Malformed, "else"},
		{"underflow", body(0x1a, 0x42, 0), gate.Malformed, "not there"},
		{"a value too many", body(0x42, 0, 0x42, 0), gate.Malformed, "leaves 2 values"},
		{"no end", change(func(m *gatetest.Module) { m.Funcs[0].Body = []byte{0x02, 0x40} }), gate.Malformed, "middle"},
		{"code after the end", body(0x42, 0, 0x0b, 0x42, 0), gate.Malformed, "after its end"},
		{"i32 of six octets", body(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0), gate.Malformed, "bits"},
		{"1001 operands", body(bytes.Repeat([]byte{0x42, 0}, 1001)...), gate.OverLimit, "operand stack"},
		{"data beyond memory", change(func(m *gatetest.Module) { m.Data = []gatetest.Data{{At: 65535, Bytes: []byte("ab")}} }), gate.Malformed, "memory has"},
	} {
		_, err := gate.Check(c.wasm, abi)
		refusal, ok := errors.AsType[*gate.Refusal](err)
		if !ok || refusal.Code != c.code || !strings.Contains(refusal.Error(), c.says) || refusal.Help == "" {
			t.Errorf("%s: %v, want %s … %q", c.name, err, c.code, c.says)
		}
	}
}

// Each limit lets through what it says, and nothing above it.
func TestLimitsAreWhereTheySay(t *testing.T) {
	t.Parallel()
	body := func(b ...[]byte) []byte { return gatetest.Filter(append(gatetest.Cat(b...), 0x42, 0)...).Bytes() }
	locals := func(n int) []byte {
		m := gatetest.Filter(0x42, 0)
		m.Funcs[0].Locals = bytes.Repeat([]byte{gatetest.I64}, n)
		return m.Bytes()
	}
	targets := func(n int) []byte {
		return body([]byte{0x02, 0x40, 0x41, 0, 0x0e}, gatetest.U(n), make([]byte, n+1), []byte{0x0b})
	}
	functions := func(n, blocks int) []byte {
		m := gatetest.Filter(0x42, 0)
		for range n {
			m.Funcs = append(m.Funcs, gatetest.Func{Type: 1, Body: bytes.Repeat([]byte{0x02, 0x40, 0x0b}, blocks)})
		}
		return m.Bytes()
	}
	for _, c := range []struct {
		name           string
		allowed, above []byte
		says           string
	}{
		{"blocks in a row", body(bytes.Repeat([]byte{0x02, 0x40, 0x0b}, gate.MaxBlocks)), body(bytes.Repeat([]byte{0x02, 0x40, 0x0b}, gate.MaxBlocks+1)), "blocks"},
		{"loops in one another", body(bytes.Repeat([]byte{0x03, 0x40}, gate.MaxBlocks/2), bytes.Repeat([]byte{0x0b}, gate.MaxBlocks/2)),
			body(bytes.Repeat([]byte{0x03, 0x40}, gate.MaxBlocks/2+1), bytes.Repeat([]byte{0x0b}, gate.MaxBlocks/2+1)), "blocks"},
		{"blocks of all functions", functions(5, 2000), functions(6, 2000), "squared"},
		{"locals", locals(2000), locals(2001), "locals"},
		{"targets", targets(4096), targets(4097), "targets"},
		{"body", body(bytes.Repeat([]byte{0x01}, gate.MaxBody-4)), body(bytes.Repeat([]byte{0x01}, gate.MaxBody-3)), "octets of code"},
		{"functions", functions(19_999, 0), functions(20_000, 0), "functions"},
	} {
		m, err := gate.Check(c.allowed, abi)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := m.Meter(abi, 16); err != nil { // what is allowed can be metered
			t.Errorf("%s: %v", c.name, err)
		}
		_, err = gate.Check(c.above, abi)
		if refusal, ok := errors.AsType[*gate.Refusal](err); !ok || refusal.Code != gate.OverLimit || !strings.Contains(refusal.Text, c.says) {
			t.Errorf("%s: %v, want a limit of %s", c.name, err, c.says)
		}
	}
}

func TestARefusalInCodeNamesTheFunction(t *testing.T) {
	t.Parallel()
	m := gatetest.Filter(0x42, 0)
	m.Funcs = append(m.Funcs, gatetest.Func{Type: 1, Body: []byte{0x01, 0xfd, 0}})
	_, err := gate.Check(m.Bytes(), abi)
	if want := "function 1 at octet "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error = %v, want %q …", err, want)
	}
}

// Whatever is cut off or changed: a refusal or a module, never a panic.
func FuzzCheck(f *testing.F) {
	for _, h := range gatetest.AllHostile() {
		if len(h.Wasm) < 4096 {
			f.Add(h.Wasm)
		}
	}
	f.Add(gatetest.Filter(0x42, 5).Bytes())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := gate.Check(wasm, abi)
		if (m == nil) == (err == nil) {
			t.Fatalf("module %v, error %v", m, err)
		}
		if refusal, ok := errors.AsType[*gate.Refusal](err); err != nil && (!ok || refusal.Offset < 0 || refusal.Offset > len(wasm) || refusal.Help == "") {
			t.Fatalf("refusal %+v", err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	small := gatetest.Rule().Bytes()
	b.SetBytes(int64(len(small)))
	for b.Loop() {
		if _, err := gate.Check(small, abi); err != nil {
			b.Fatal(err)
		}
	}
}
