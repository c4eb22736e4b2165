package gate_test

import (
	"context"
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
	for _, h := range append(gatetest.AllHostile(), gatetest.Slow()...) {
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
		mod.ExportedGlobal(gate.FuelExport).(api.MutableGlobal).Set(messageFuel)
		mod.ExportedGlobal(gate.StackExport).(api.MutableGlobal).Set(gate.StackBudget)
		if before := mod.ExportedFunction("_initialize"); before != nil {
			if _, err := before.Call(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(messageFuel-int64(mod.ExportedGlobal(gate.FuelExport).Get())), "init-fuel")
			mod.ExportedGlobal(gate.FuelExport).(api.MutableGlobal).Set(messageFuel)
		}
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

func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
