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
