package plugins

import (
	"context"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// What host functions answer instead of a length or a truth.
const (
	absent     = -1
	notGranted = -2
	badArg     = -3
)

const (
	maxIndex  = 31 // of header()
	maxKey    = 64 // octets of a setting's or a header's name
	maxLabels = 5  // of one rule for one message
	maxSaid   = 64 // labels and notes
)

// hostFunc is one function of the ABI. Arguments are words, whose upper halves
// wazero leaves as they happen to be.
type hostFunc struct {
	name string
	sig  gate.Sig
	run  func(c *call, m api.Memory, stack []uint64)
}

const word, long = string(gate.I32), string(gate.I64)

// hostModules are what plugins may import.
var hostModules = map[string][]hostFunc{
	manifest.ABI: {
		{"field", gate.Sig32(3, word), (*call).field},
		{"header", gate.Sig32(5, word), (*call).header},
		{"number", gate.Sig32(1, long), (*call).number},
		{"config", gate.Sig32(4, word), (*call).setting},
		{"in_list", gate.Sig32(3, word), (*call).inList},
		{"matches", gate.Sig32(3, word), (*call).matches},
		{"label", gate.Sig32(2, word), (*call).label},
		{"note", gate.Sig{Params: word + long}, (*call).note},
	},
	"wasi_snapshot_preview1": wasi,
}

// ABI is smtpsync_v1 as the gate checks it.
var ABI = func() *gate.ABI {
	abi := &gate.ABI{
		Imports: map[string]map[string]gate.Sig{},
		Exports: []gate.Export{
			{Name: "filter_v1", Sig: gate.Sig{Results: long}},
			{Name: "configure_v1", Sig: gate.Sig{Results: word}, Optional: true},
			{Name: "_initialize", Optional: true},
		},
	}
	for module, functions := range hostModules {
		abi.Imports[module] = map[string]gate.Sig{}
		for _, f := range functions {
			abi.Imports[module][f.name] = f.sig
		}
	}
	return abi
}()

type callKey struct{}

// offer registers host functions without reflection, which would cost more
// than most of them do.
func (h *Host) offer(ctx context.Context, module string, functions []hostFunc) error {
	b := h.rt.NewHostModuleBuilder(module)
	for _, f := range functions {
		run := api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			f.run(ctx.Value(callKey{}).(*call), mod.Memory(), stack)
		})
		b.NewFunctionBuilder().WithGoModuleFunction(run, []api.ValueType(f.sig.Params), []api.ValueType(f.sig.Results)).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// call is what host functions know while a plugin runs.
type call struct {
	plugin *Plugin
	fuel   api.MutableGlobal
	config *manifest.Config
	facts  *field.Facts // nil while settings are read
	labels []string
	notes  []Note
	said   int
	fault  Class // why a host function ended the call
}

func (c *call) begin(config *manifest.Config, facts *field.Facts) {
	c.config, c.facts, c.said = config, facts, 0
	c.labels, c.notes = c.labels[:0], c.notes[:0]
}

// end lets go of the message.
func (c *call) end() {
	c.facts = nil
	clear(c.labels[:cap(c.labels)])
}

// fail ends the call: wazero turns the panic into an error of the caller.
func (c *call) fail(class Class) {
	c.fault = class
	panic(class)
}

// pay charges what a host function does beyond its base price.
func (c *call) pay(units int) {
	left := int64(c.fuel.Get()) - int64(units)
	if c.fuel.Set(uint64(left)); left < 0 {
		c.fail(OutOfFuel)
	}
}

func u32(stack []uint64, i int) uint32 { return api.DecodeU32(stack[i]) }

func answer(stack []uint64, n int) { stack[0] = api.EncodeI32(int32(n)) }

// read gives octets of the plugin's memory. They are good until it runs again.
func (c *call) read(m api.Memory, at, n uint32) []byte {
	b, ok := m.Read(at, n)
	if !ok {
		c.fail(HostArg)
	}
	return b
}

// give writes a value into the plugin's buffer if it fits there whole, and
// answers its length.
func (c *call) give(m api.Memory, stack []uint64, value string, at, room uint32) {
	if len(value) <= int(room) {
		c.pay(len(value) / 8)
		if !m.WriteString(at, value) {
			c.fail(HostArg)
		}
	}
	answer(stack, len(value))
}

// value finds a field that the plugin may see.
func (c *call) value(id uint32) (value string, problem int) {
	switch {
	case id == 0 || id >= uint32(len(c.plugin.grant.fields)):
		return "", absent // a field of a newer host
	case !c.plugin.grant.fields[id]:
		return "", notGranted
	case c.facts == nil:
		return "", absent
	}
	value, ok := c.facts.Value(field.ID(id))
	if !ok {
		return "", absent
	}
	return value, 0
}

// field(id, buf, cap) -> length
func (c *call) field(m api.Memory, stack []uint64) {
	value, problem := c.value(u32(stack, 0))
	if problem != 0 {
		answer(stack, problem)
		return
	}
	c.give(m, stack, value, u32(stack, 1), u32(stack, 2))
}

// header(name, nlen, index, buf, cap) -> length
func (c *call) header(m api.Memory, stack []uint64) {
	at, n, index := u32(stack, 0), u32(stack, 1), u32(stack, 2)
	if n == 0 || n > maxKey || index > maxIndex {
		answer(stack, badArg)
		return
	}
	name := string(c.read(m, at, n))
	switch {
	case !c.plugin.grant.header(name):
		answer(stack, notGranted)
		return
	case c.facts == nil:
		answer(stack, absent)
		return
	}
	c.pay(c.facts.Len() / 2) // it is searched each time
	value, found := c.facts.Header(name, int(index))
	if !found {
		answer(stack, absent)
		return
	}
	c.give(m, stack, value, u32(stack, 3), u32(stack, 4))
}

// number(id) -> value
func (c *call) number(_ api.Memory, stack []uint64) {
	n := int64(absent)
	switch id := field.Number(u32(stack, 0)); {
	case id == field.ABIMinor:
		n = field.Minor
	case c.facts != nil:
		n = c.facts.Number(id)
	}
	stack[0] = uint64(n)
}

// key reads the name of a setting.
func (c *call) key(m api.Memory, at, n uint32) (key string, ok bool) {
	if n == 0 || n > maxKey {
		return "", false
	}
	return string(c.read(m, at, n)), true
}

// config(key, klen, buf, cap) -> length
func (c *call) setting(m api.Memory, stack []uint64) {
	key, ok := c.key(m, u32(stack, 0), u32(stack, 1))
	if !ok {
		answer(stack, badArg)
		return
	}
	text, found := c.config.Text(key)
	if !found {
		answer(stack, absent)
		return
	}
	c.give(m, stack, text, u32(stack, 2), u32(stack, 3))
}

// in_list(id, key, klen) -> 1 or 0
func (c *call) inList(m api.Memory, stack []uint64) {
	value, problem := c.value(u32(stack, 0))
	key, ok := c.key(m, u32(stack, 1), u32(stack, 2))
	switch {
	case !ok:
		problem = badArg
	case problem == 0:
		c.pay(100 + 2*len(value))
		held, list := c.config.Holds(key, value)
		if problem = b2i(held); !list {
			problem = badArg
		}
	}
	answer(stack, problem)
}

// matches(id, key, klen) -> 1 or 0
func (c *call) matches(m api.Memory, stack []uint64) {
	value, problem := c.value(u32(stack, 0))
	key, ok := c.key(m, u32(stack, 1), u32(stack, 2))
	switch {
	case !ok:
		problem = badArg
	case problem == 0:
		pattern, program := c.config.Pattern(key)
		if pattern == nil {
			answer(stack, badArg)
			return
		}
		c.pay(200 + 16*len(value)*program) // at the worst each instruction looks at each octet
		problem = b2i(pattern.MatchString(value))
	}
	answer(stack, problem)
}

// label(ptr, len) -> 0
func (c *call) label(m api.Memory, stack []uint64) {
	at, n := u32(stack, 0), u32(stack, 1)
	switch c.said++; {
	case !c.plugin.grant.labels:
		answer(stack, notGranted)
	case n > manifest.MaxLabel || c.said > maxSaid:
		answer(stack, badArg)
	default:
		b := c.read(m, at, n)
		if len(c.labels) == maxLabels || !utf8.Valid(b) || !manifest.ValidLabel(string(b)) {
			answer(stack, badArg)
			return
		}
		c.labels = append(c.labels, string(b))
		answer(stack, 0)
	}
}

// note(code, value)
func (c *call) note(_ api.Memory, stack []uint64) {
	if c.said++; c.said <= maxSaid {
		c.notes = append(c.notes, Note{api.DecodeI32(stack[0]), int64(stack[1])})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
