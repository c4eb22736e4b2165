package plugins

import (
	"context"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// instance is one running module, used by one goroutine at a time.
type instance struct {
	plugin      *Plugin
	mod         api.Module
	memory      api.Memory
	fuel, stack api.MutableGlobal
	state       []api.MutableGlobal
	verdict     api.Function
	call        *call
	ctx         context.Context // carries call to the host functions
	result      [1]uint64
	holds       *snapshot // what memory and variables are equal to; nil: to none
}

// instance makes a new one; nothing of the module has run in it.
func (p *Plugin) instance(ctx context.Context) (*instance, error) {
	// Anonymous, and no start function of any name: a plugin's code runs only
	// when it has fuel. Clock, randomness, arguments, files are left at
	// wazero's defaults, which are fixed values and nothing.
	if p.compiled == nil {
		return nil, p.fault(Forgotten)
	}
	mod, err := p.host.rt.InstantiateModule(ctx, p.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, p.fault(Instantiate)
	}
	in := &instance{plugin: p, mod: mod, memory: mod.ExportedMemory("memory"), verdict: mod.ExportedFunction("filter_v1"), call: &call{plugin: p}}
	in.fuel, in.stack = variable(mod, gate.FuelExport), variable(mod, gate.StackExport)
	for _, name := range p.state {
		in.state = append(in.state, variable(mod, name))
	}
	in.call.fuel = in.fuel
	in.ctx = context.WithValue(context.Background(), callKey{}, in.call) // fuel ends calls, no deadline does
	return in, nil
}

func variable(mod api.Module, name string) api.MutableGlobal {
	return mod.ExportedGlobal(name).(api.MutableGlobal)
}

func (in *instance) close() { _ = in.mod.Close(context.Background()) }

// run calls an export with fuel and tells what was used of it.
func (in *instance) run(f api.Function, fuel int64) (used int64, fault *Fault) {
	in.holds, in.call.fault = nil, ""
	in.fuel.Set(uint64(fuel))
	in.stack.Set(gate.StackBudget)
	in.result[0] = 0
	err := f.CallWithStack(in.ctx, in.result[:])
	used = fuel - int64(in.fuel.Get())
	switch {
	case err == nil:
		return used, nil
	case used > fuel:
		return fuel, in.plugin.fault(OutOfFuel)
	case in.call.fault != "":
		return used, in.plugin.fault(in.call.fault)
	}
	return used, in.plugin.fault(Trap)
}

// prepare runs what comes before the first message.
func (in *instance) prepare(r *Rule) *Fault {
	in.call.begin(r.config, nil)
	left := int64(manifest.InitFuel)
	for _, name := range []string{"_initialize", "configure_v1"} {
		f := in.mod.ExportedFunction(name)
		if f == nil {
			continue
		}
		used, fault := in.run(f, left)
		if fault != nil {
			return fault
		}
		left -= used
		if number := api.DecodeI32(in.result[0]); name == "configure_v1" && number != 0 {
			fault := in.plugin.fault(BadConfig)
			fault.Number = number
			return fault
		}
	}
	return nil
}

// filter asks about one message.
func (in *instance) filter(r *Rule, facts *field.Facts, fuel int64) (out Outcome, fault *Fault) {
	in.call.begin(r.config, facts)
	out.Fuel, fault = in.run(in.verdict, fuel)
	defer in.call.end()
	if fault != nil {
		return out, fault
	}
	if !out.verdict(in.result[0], in.plugin.grant.bits) {
		return out, in.plugin.fault(BadVerdict)
	}
	out.Labels, out.Notes = slices.Clone(in.call.labels), slices.Clone(in.call.notes)
	return out, nil
}

// snapshot copies what a call can change.
func (in *instance) snapshot() *snapshot {
	view, _ := in.memory.Read(0, in.memory.Size())
	s := &snapshot{size: len(view)}
	end := len(view)
	for end > 0 && view[end-1] == 0 {
		end--
	}
	s.memory = slices.Clone(view[:end])
	for _, g := range in.state {
		s.state = append(s.state, g.Get())
	}
	return s
}

// restore makes memory and variables those of a snapshot; false if that cannot
// be, since memory does not shrink.
func (in *instance) restore(s *snapshot) bool {
	size := int(in.memory.Size())
	if size < s.size {
		if _, ok := in.memory.Grow(uint32((s.size - size) >> 16)); !ok {
			return false
		}
	}
	view, ok := in.memory.Read(0, in.memory.Size())
	if !ok || len(view) != s.size {
		return false
	}
	clear(view[copy(view, s.memory):])
	for i, g := range in.state {
		g.Set(s.state[i])
	}
	in.holds = s
	return true
}
