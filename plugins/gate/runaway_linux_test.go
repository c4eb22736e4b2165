package gate_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// How long the fuel of one message lasts in whatever runs away, in processor
// time of the thread that runs it. Compiling is not in it.
func BenchmarkRunaways(b *testing.B) {
	for _, h := range append(gatetest.AllHostile(), chases()...) {
		if m, err := gate.Check(h.Wasm, abi); h.Runs && err == nil {
			b.Run(h.Name, func(b *testing.B) { spend(b, m) })
		}
	}
}

func spend(b *testing.B, m *gate.Module) {
	metered, err := m.Meter(abi, max(16, uint32(m.Report.Pages)))
	if err != nil {
		b.Fatal(err)
	}
	rt := wazero.NewRuntimeWithConfig(b.Context(), wazero.NewRuntimeConfigCompiler().WithMemoryCapacityFromMax(true))
	defer func() { _ = rt.Close(context.Background()) }()
	compiled, err := rt.CompileModule(b.Context(), metered.Wasm)
	if err != nil {
		b.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var spent time.Duration
	for b.Loop() {
		mod, err := rt.InstantiateModule(b.Context(), compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			b.Fatal(err)
		}
		shuffle(mod.Memory())
		mod.ExportedGlobal(gate.FuelExport).(api.MutableGlobal).Set(messageFuel)
		mod.ExportedGlobal(gate.StackExport).(api.MutableGlobal).Set(gate.StackBudget)
		filter := mod.ExportedFunction("filter_v1")
		start := threadTime()
		if _, err := filter.Call(b.Context()); err == nil {
			b.Fatal("it ended")
		}
		spent += threadTime() - start
		_ = mod.Close(b.Context())
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

// shuffle makes of a memory one long way through all its cache lines.
func shuffle(m api.Memory) {
	lines := rand.New(rand.NewPCG(1, 2)).Perm(int(m.Size() / 64))
	all, _ := m.Read(0, m.Size())
	for i, line := range lines {
		binary.LittleEndian.PutUint32(all[64*line:], uint32(64*lines[(i+1)%len(lines)]))
	}
}

// chases load from the address that the last load gave.
func chases() (all []gatetest.Hostile) {
	for _, pages := range []int{1, 8, 16, 32, 64, 256} {
		m := gatetest.Filter(gatetest.Cat([]byte{0x03, 0x40, 0x20, 0}, bytes.Repeat([]byte{0x28, 2, 0}, 1000), []byte{0x21, 0, 0x0c, 0, 0x0b, 0x42, 0})...)
		m.Funcs[0].Locals = []byte{gatetest.I32}
		m.Pages = pages
		all = append(all, gatetest.Hostile{Name: fmt.Sprintf("chase through %d pages", pages), Wasm: m.Bytes(), Runs: true})
	}
	return all
}

func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
