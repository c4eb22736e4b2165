package gate_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

const messageFuel = 10_000_000

// engines are both of wazero's.
func engines(t testing.TB) map[string]wazero.Runtime {
	t.Helper()
	all := map[string]wazero.Runtime{}
	for name, config := range map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter()} {
		rt := wazero.NewRuntimeWithConfig(t.Context(), config.WithMemoryLimitPages(gate.MaxPages).WithMemoryCapacityFromMax(true))
		t.Cleanup(func() { _ = rt.Close(context.Background()) })
		all[name] = rt
	}
	return all
}

// outcome is everything that can be seen of one run.
type outcome struct {
	result uint64
	failed bool
	memory []byte
	state  string
	fuel   int64
	stack  int32
}

// run instantiates a module and calls its filter; fuel < 0: it is not metered.
func run(t testing.TB, rt wazero.Runtime, wasm []byte, state []string, fuel int64) (o outcome) {
	t.Helper()
	mod, err := rt.InstantiateWithConfig(t.Context(), wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatalf("instantiate: %v", err)
	}
	defer func() { _ = mod.Close(context.Background()) }()
	if fuel >= 0 {
		mod.ExportedGlobal(gate.FuelExport).(api.MutableGlobal).Set(uint64(fuel))
		mod.ExportedGlobal(gate.StackExport).(api.MutableGlobal).Set(gate.StackBudget)
	}
	results, err := mod.ExportedFunction("filter_v1").Call(t.Context())
	if o.failed = err != nil; err == nil {
		o.result = results[0]
	}
	view, _ := mod.Memory().Read(0, mod.Memory().Size())
	o.memory = bytes.Clone(view)
	for _, name := range state {
		o.state += fmt.Sprintf("%x ", mod.ExportedGlobal(name).Get())
	}
	if fuel >= 0 {
		o.fuel = int64(mod.ExportedGlobal(gate.FuelExport).Get())
		o.stack = int32(mod.ExportedGlobal(gate.StackExport).Get())
	}
	return o
}

func meter(t testing.TB, wasm []byte, pages uint32) *gate.Metered {
	t.Helper()
	m, err := gate.Check(wasm, abi)
	if err != nil {
		t.Fatal(err)
	}
	metered, err := m.Meter(abi, pages)
	if err != nil {
		t.Fatal(err)
	}
	return metered
}

// A metered module computes what the original does, and on both engines ends
// with the same fuel, memory and variables, whether its fuel suffices or not.
func TestMeteringChangesNothingButTheEnd(t *testing.T) {
	all := engines(t)
	bare := engines(t)["compiler"]
	traps, ends := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		module := gatetest.Random(r)
		wasm := module.Bytes()
		metered := meter(t, wasm, uint32(module.Most))
		want := run(t, bare, wasm, nil, -1)
		const enough = 1 << 40
		full := map[string]outcome{}
		for name, rt := range all {
			got := run(t, rt, metered.Wasm, metered.State, enough)
			full[name] = got
			if got.result != want.result || got.failed != want.failed || !bytes.Equal(got.memory, want.memory) {
				t.Fatalf("seed %d, %s: %x failed %v, original %x failed %v, memory equal %v", seed, name, got.result, got.failed, want.result, want.failed, bytes.Equal(got.memory, want.memory))
			}
			if !got.failed && got.stack != gate.StackBudget {
				t.Fatalf("seed %d, %s: %d octets of stack were not given back", seed, name, gate.StackBudget-got.stack)
			}
		}
		same(t, seed, full)
		used := enough - full["compiler"].fuel
		for _, fuel := range []int64{used, used - 1, r.Int64N(used)} {
			short := map[string]outcome{}
			for name, rt := range all {
				short[name] = run(t, rt, metered.Wasm, metered.State, fuel)
			}
			same(t, seed, short)
			got := short["compiler"]
			if suffices := fuel >= used; !want.failed && suffices == got.failed || !suffices && !got.failed || got.fuel < 0 != !suffices {
				t.Fatalf("seed %d: fuel %d of %d: failed %v with %d left", seed, fuel, used, got.failed, got.fuel)
			}
			if got.failed {
				traps++
			} else {
				ends++
			}
		}
	}
	if traps < 100 || ends < 100 {
		t.Errorf("%d runs trapped, %d ended: not both were tried", traps, ends)
	}
}

func same(t *testing.T, seed uint64, o map[string]outcome) {
	t.Helper()
	a, b := o["compiler"], o["interpreter"]
	if a.result != b.result || a.failed != b.failed || a.fuel != b.fuel || a.stack != b.stack || a.state != b.state || !bytes.Equal(a.memory, b.memory) {
		t.Fatalf("seed %d: compiler %x %v fuel %d stack %d %s, interpreter %x %v fuel %d stack %d %s", seed, a.result, a.failed, a.fuel, a.stack, a.state, b.result, b.failed, b.fuel, b.stack, b.state)
	}
}

// What never ends by itself ends, at the same fuel on both engines and at
// every run. A bare wazero would hang here.
func TestWhateverRunsAwayIsStopped(t *testing.T) {
	all := engines(t)
	for _, h := range gatetest.AllHostile() {
		if !h.Runs {
			continue
		}
		m, err := gate.Check(h.Wasm, abi)
		if err != nil {
			t.Logf("%s: refused: %v", h.Name, err)
			continue
		}
		metered, err := m.Meter(abi, gate.MaxPages)
		if err != nil {
			t.Errorf("%s: %v", h.Name, err)
			continue
		}
		o := map[string]outcome{}
		for name, rt := range all {
			start := time.Now()
			o[name] = run(t, rt, metered.Wasm, metered.State, messageFuel)
			t.Logf("%s: %s %v, fuel %d, stack %d", h.Name, name, time.Since(start), o[name].fuel, o[name].stack)
			if !o[name].failed || o[name].fuel >= 0 && o[name].stack >= 0 {
				t.Errorf("%s: %s: failed %v with fuel %d and stack %d", h.Name, name, o[name].failed, o[name].fuel, o[name].stack)
			}
		}
		same(t, 0, o)
	}
}

func TestMemoryHasThePagesThatWereGranted(t *testing.T) {
	t.Parallel()
	m, err := gate.Check(gatetest.Filter(gatetest.Cat(gatetest.I32Const(300), []byte{0x40, 0, 0xac})...).Bytes(), abi)
	if err != nil {
		t.Fatal(err)
	}
	metered, err := m.Meter(abi, 16)
	if err != nil || metered.Pages != 16 {
		t.Fatalf("metered = %+v, %v", metered, err)
	}
	for name, rt := range engines(t) {
		if got := run(t, rt, metered.Wasm, nil, messageFuel); int64(got.result) != -1 || len(got.memory) != 1<<16 {
			t.Errorf("%s: memory.grow(300) = %d, %d octets", name, int64(got.result), len(got.memory))
		}
	}
	big := gatetest.Filter(0x42, 0)
	big.Pages = 17
	m, err = gate.Check(big.Bytes(), abi)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Meter(abi, 16); err == nil {
		t.Error("17 pages were taken where 16 are allowed")
	}
}

// Modules made of octets that the fuzzer chose: what passes can be metered,
// passes again, compiles or not, and ends.
func FuzzMeter(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(gatetest.Random(rand.New(rand.NewPCG(seed, 1))).Bytes())
	}
	f.Add(gatetest.Rule().Bytes())
	for _, h := range gatetest.AllHostile() {
		if h.Runs && len(h.Wasm) < 4096 {
			f.Add(h.Wasm)
		}
	}
	all := engines(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := gate.Check(wasm, abi)
		if err != nil {
			return
		}
		metered, err := m.Meter(abi, 16)
		if err != nil {
			if m.Report.Pages > 16 {
				return
			}
			t.Fatal(err)
		}
		compiled, err := all["interpreter"].CompileModule(t.Context(), metered.Wasm)
		if err != nil || len(m.Report.Imports) > 0 {
			return // types are wazero's to check
		}
		_ = compiled.Close(t.Context())
		o := map[string]outcome{}
		for name, rt := range all {
			o[name] = run(t, rt, metered.Wasm, metered.State, 100_000)
		}
		if o["compiler"].fuel != o["interpreter"].fuel {
			t.Fatalf("fuel left: compiler %d, interpreter %d", o["compiler"].fuel, o["interpreter"].fuel)
		}
	})
}

func BenchmarkMeter(b *testing.B) {
	small := gatetest.Rule().Bytes()
	b.SetBytes(int64(len(small)))
	for b.Loop() {
		m, err := gate.Check(small, abi)
		if err != nil {
			b.Fatal(err)
		}
		metered, err := m.Meter(abi, 16)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(metered.Wasm))/float64(len(small)), "x-size")
	}
}

// What is done has its price, however it is done.
func TestThePriceFollowsTheWork(t *testing.T) {
	rt := engines(t)["interpreter"]
	c := gatetest.I32Const
	nops := bytes.Repeat([]byte{0x01}, 50)
	loop := func(turns int32, body ...byte) []byte {
		return gatetest.Cat(c(turns), []byte{0x21, 0, 0x03, 0x40}, body, []byte{0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b})
	}
	price := func(body []byte) int64 {
		m := gatetest.Filter(gatetest.Cat(body, []byte{0x42, 0})...)
		m.Funcs[0].Locals = []byte{gatetest.I32}
		m.Funcs = append(m.Funcs, gatetest.Func{Type: 1})
		metered := meter(t, m.Bytes(), 16)
		o := run(t, rt, metered.Wasm, metered.State, messageFuel)
		if o.failed {
			t.Fatalf("failed with %d left", o.fuel)
		}
		return messageFuel - o.fuel
	}
	fill := func(octets int32) []byte {
		return gatetest.Cat(c(0), c(1), c(octets), []byte{0xfc, 11, 0})
	}
	move := func(octets int32) []byte {
		return gatetest.Cat(c(0), c(8), c(octets), []byte{0xfc, 10, 0, 0})
	}
	f64 := func(op byte) []byte {
		return gatetest.Cat([]byte{0x44}, make([]byte, 8), []byte{0x44}, make([]byte, 8), []byte{op, 0x1a})
	}
	for _, w := range []struct {
		name       string
		less, more []byte
		want       int64 // between them
	}{
		{"instructions", nil, nops, 50},
		{"turns", loop(1), loop(101), 100 * 8},
		{"instructions in turns", loop(100), loop(100, nops...), 100 * 50},
		{"turns within turns", loop(10), loop(10, nops[:10]...), 100},
		{"octets filled", fill(8), fill(8 + 64000), 8000},
		{"octets moved", move(8), move(8 + 64000), 16000},
		{"calls", []byte{0x10, 1}, []byte{0x10, 1, 0x10, 1}, 1 + 20},
		{"pages", gatetest.Cat(c(0), []byte{0x1a}), gatetest.Cat(c(0), []byte{0x40, 0, 0x1a}), 20_001},
		{"divisions", gatetest.Cat(c(7), c(7), []byte{0x6a, 0x1a}), gatetest.Cat(c(7), c(7), []byte{0x6d, 0x1a}), 23},
		{"subnormal numbers", f64(0xa0), f64(0xa2), 50 - 8},
	} {
		if got := price(w.more) - price(w.less); got < w.want || got > w.want+w.want/5 {
			t.Errorf("%s: %d more, want %d", w.name, got, w.want)
		}
	}
}

// What memory costs follows its size: beyond the caches, one load waits for a
// hundred nanoseconds. What is not in the price of a module with much of it is
// in its fuel: together they end the worst chain of loads in ten milliseconds.
func TestThePriceOfMemoryFollowsItsSize(t *testing.T) {
	t.Parallel()
	rt := engines(t)["interpreter"]
	const many = 200
	price := func(pages uint32, body []byte) int64 {
		m := gatetest.Filter(gatetest.Cat(bytes.Repeat(body, many), []byte{0x42, 0})...)
		metered := meter(t, m.Bytes(), pages)
		return messageFuel - run(t, rt, metered.Wasm, metered.State, messageFuel).fuel
	}
	load, store := gatetest.Cat(gatetest.I32Const(0), []byte{0x28, 0, 0, 0x1a}), gatetest.Cat(gatetest.I32Const(0), gatetest.I32Const(0), []byte{0x36, 0, 0})
	none := []byte{0x01}
	for _, w := range []struct {
		pages       uint32
		load, store int64   // units
		chased      float64 // nanoseconds of a load that waits for the one before, on a busy machine: BenchmarkRunaways
		fuel        float64 // of a message
	}{{1, 5, 4, 4, 10e6}, {4, 10, 4, 9.4, 10e6}, {8, 20, 10, 13, 10e6}, {16, 30, 10, 27, 10e6}, {32, 20, 4, 74, 250e3}, {64, 20, 4, 154, 250e3}, {256, 30, 4, 214, 250e3}} {
		base := price(w.pages, none)
		if got := (price(w.pages, load) - base) / many; got != w.load+1 { // a constant and a drop, less a nop
			t.Errorf("%d pages: a load costs %d, want %d", w.pages, got-1, w.load)
		}
		if got := (price(w.pages, store) - base) / many; got != w.store+1 {
			t.Errorf("%d pages: a store costs %d, want %d", w.pages, got-1, w.store)
		}
		if worst := w.fuel / float64(w.load) * w.chased / 1e6; worst > 10 {
			t.Errorf("%d pages: the fuel of a message lasts for %.1f ms of loads", w.pages, worst)
		}
	}
}
