// Package gatetest builds small Wasm modules, right and wrong ones, without a
// tool chain: from Go literals that follow the binary format section by section.
package gatetest

import (
	"encoding/binary"
	"slices"
)

// Value types.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
	F32 byte = 0x7d
	F64 byte = 0x7c
)

// Type is the type of a function, in octets of value types.
type Type struct{ Params, Results string }

// Types makes types of pairs of parameters and results.
func Types(pairs ...string) (types []Type) {
	for i := 0; i < len(pairs); i += 2 {
		types = append(types, Type{pairs[i], pairs[i+1]})
	}
	return types
}

// Func is one function: its type, its locals (groups as in the format), its
// instructions without the last end.
type Func struct {
	Type   int
	Locals []byte // value types, one each
	Body   []byte
}

// Import is an imported function.
type Import struct {
	Module, Name string
	Type         int
}

// Export names a thing; Kind is 0 for functions, 2 for memory, 3 for globals.
type Export struct {
	Name  string
	Kind  byte
	Index int
}

// Data is an active segment.
type Data struct {
	At    int
	Bytes []byte
}

// Module is what Bytes puts together. A memory of Pages is always there.
type Module struct {
	Types   []Type
	Imports []Import
	Funcs   []Func
	Table   []int // functions that can be called indirectly
	Pages   int
	Most    int // pages; 0: no limit
	Globals []byte
	Exports []Export
	Start   []byte // the content of a start section; nil: none
	Data    []Data
	Custom  map[string][]byte
}

// Filter is a module whose first function is filter_v1, with the instructions
// given; it imports nothing.
func Filter(body ...byte) *Module {
	return &Module{
		Types:   []Type{{"", "\x7e"}, {"", ""}},
		Funcs:   []Func{{Body: body}},
		Pages:   1,
		Exports: []Export{{"memory", 2, 0}, {"filter_v1", 0, 0}},
	}
}

// Bytes is the module in the binary format.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	var types, imports, funcs, code, exports, globals, data [][]byte
	for _, t := range m.Types {
		types = append(types, Cat([]byte{0x60}, str(t.Params), str(t.Results)))
	}
	for _, i := range m.Imports {
		imports = append(imports, Cat(str(i.Module), str(i.Name), []byte{0}, U(i.Type)))
	}
	for _, f := range m.Funcs {
		funcs = append(funcs, U(f.Type))
		var locals [][]byte
		for _, l := range f.Locals {
			locals = append(locals, []byte{1, l})
		}
		code = append(code, sized(Cat(Vec(locals), f.Body, []byte{0x0b})))
	}
	for _, e := range m.Exports {
		exports = append(exports, Cat(str(e.Name), []byte{e.Kind}, U(e.Index)))
	}
	for _, g := range m.Globals {
		globals = append(globals, Cat([]byte{g, 1}, zero(g), []byte{0x0b}))
	}
	for _, d := range m.Data {
		data = append(data, Cat([]byte{0, 0x41}, S(int64(d.At)), []byte{0x0b}, sized(d.Bytes)))
	}
	memory := Cat([]byte{1, 0}, U(m.Pages))
	if m.Most > 0 {
		memory = Cat([]byte{1, 1}, U(m.Pages), U(m.Most))
	}
	out = Cat(out, Section(1, Vec(types)), Section(2, Vec(imports)), Section(3, Vec(funcs)))
	if m.Table != nil {
		out = Cat(out, Section(4, Cat([]byte{1, 0x70, 0}, U(len(m.Table)))))
	}
	out = Cat(out, Section(5, memory), Section(6, Vec(globals)), Section(7, Vec(exports)))
	if m.Start != nil {
		out = Cat(out, Section(8, m.Start))
	}
	if m.Table != nil {
		var entries [][]byte
		for _, f := range m.Table {
			entries = append(entries, U(f))
		}
		out = Cat(out, Section(9, Cat([]byte{1, 0, 0x41, 0, 0x0b}, Vec(entries))))
	}
	out = Cat(out, Section(10, Vec(code)), Section(11, Vec(data)))
	for name, content := range m.Custom {
		out = Cat(out, Section(0, Cat(str(name), content)))
	}
	return out
}

func zero(kind byte) []byte {
	switch kind {
	case I32:
		return []byte{0x41, 0}
	case I64:
		return []byte{0x42, 0}
	case F32:
		return append([]byte{0x43}, make([]byte, 4)...)
	}
	return append([]byte{0x44}, make([]byte, 8)...)
}

// Section puts id and size in front of a section's content.
func Section(id byte, content []byte) []byte { return append([]byte{id}, sized(content)...) }

// Raw is a module of sections as given, under the right magic and version.
func Raw(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), Cat(sections...)...)
}

// Cat puts parts behind one another.
func Cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Vec puts the number of elements in front of them.
func Vec(elements [][]byte) []byte { return append(U(len(elements)), slices.Concat(elements...)...) }

// U is an unsigned LEB128 number.
func U(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// S is a signed LEB128 number.
func S(v int64) (b []byte) {
	for {
		x := byte(v & 0x7f)
		v >>= 7
		if v == 0 && x&0x40 == 0 || v == -1 && x&0x40 != 0 {
			return append(b, x)
		}
		b = append(b, x|0x80)
	}
}

// I32Const and I64Const are the instructions.
func I32Const(v int32) []byte { return append([]byte{0x41}, S(int64(v))...) }
func I64Const(v int64) []byte { return append([]byte{0x42}, S(v)...) }

func sized(content []byte) []byte { return append(U(len(content)), content...) }

func str(s string) []byte { return sized([]byte(s)) }
