package wat

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Assemble makes a module of its text; its error is an *Error.
func Assemble(source []byte) (wasm []byte, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			e, ours := problem.(*Error)
			if !ours {
				panic(problem)
			}
			wasm, err = nil, e
		}
	}()
	r := &reader{src: string(source), line: 1}
	top := r.nodes(0)
	if len(top) != 1 || !top[0].is("module") {
		fail(1, "a source is one (module …)")
	}
	m := &module{funcs: map[string]int{}, globals: map[string]int{}}
	fields := top[0].list[1:]
	for i := range fields {
		m.declare(&fields[i])
	}
	for i := range fields {
		if fields[i].is("func") {
			m.bodies = append(m.bodies, m.body(&fields[i]))
		}
	}
	return m.bytes(), nil
}

// module is what is known so far: the elements of its sections.
type module struct {
	types, imports, functions, memories, globalDefs, exports, bodies, data [][]byte

	funcs, globals map[string]int // index by name
	funcCount      int
	signatures     []signature // of the functions with a body
}

// signature of a function: its locals begin with its parameters.
type signature struct {
	names map[string]int
	n     int
}

// declare reads what other fields may refer to.
func (m *module) declare(n *node) {
	switch {
	case n.is("import"):
		m.imported(n)
	case n.is("func"):
		index := m.funcCount
		rest := m.name(m.funcs, m.funcCount, n.list[1:])
		m.funcCount++
		rest = m.inlineExports(rest, 0, index)
		typ, sig, _ := m.signature(rest)
		m.functions = append(m.functions, u(typ))
		m.signatures = append(m.signatures, sig)
	case n.is("memory"):
		rest := m.inlineExports(n.list[1:], 2, 0)
		if len(m.memories) > 0 || len(rest) < 1 || len(rest) > 2 {
			fail(n.line, "a module has one (memory pages) or (memory pages most)")
		}
		limits := []byte{byte(len(rest) - 1)}
		for i := range rest {
			limits = append(limits, u(int(uint32(rest[i].number(32))))...)
		}
		m.memories = append(m.memories, limits)
	case n.is("global"):
		m.global(n)
	case n.is("data"):
		m.segment(n)
	default:
		fail(n.line, "%s is not known in a module: use import, func, memory, global, data", n.shown())
	}
}

// name takes the $name off a definition, if it has one.
func (m *module) name(names map[string]int, index int, rest []node) []node {
	if len(rest) == 0 || !strings.HasPrefix(rest[0].word, "$") {
		return rest
	}
	if _, twice := names[rest[0].word]; twice {
		fail(rest[0].line, "%s is there already", rest[0].word)
	}
	names[rest[0].word] = index
	return rest[1:]
}

func (m *module) inlineExports(rest []node, kind byte, index int) []node {
	for len(rest) > 0 && rest[0].is("export") {
		if len(rest[0].list) != 2 {
			fail(rest[0].line, `an export is (export "name")`)
		}
		m.exports = append(m.exports, cat(vec(rest[0].list[1].name()), []byte{kind}, u(index)))
		rest = rest[1:]
	}
	return rest
}

func (m *module) imported(n *node) {
	if len(n.list) != 4 || !n.list[3].is("func") || len(m.functions) > 0 {
		fail(n.line, `an import is (import "module" "name" (func $name …)), before the functions of the module`)
	}
	typ, _, left := m.signature(m.name(m.funcs, m.funcCount, n.list[3].list[1:]))
	if len(left) > 0 {
		fail(n.line, "an import has parameters and a result, nothing else")
	}
	m.funcCount++
	m.imports = append(m.imports, cat(vec(n.list[1].name()), vec(n.list[2].name()), []byte{0}, u(typ)))
}

// signature reads (param …)* (result …)? and gives the type's index.
func (m *module) signature(rest []node) (index int, sig signature, left []node) {
	sig.names = map[string]int{}
	var params, results []byte
	for len(rest) > 0 && rest[0].is("param") {
		params = append(params, sig.declare(m, &rest[0])...)
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0].is("result") {
		for i := range rest[0].list[1:] {
			results = append(results, valueType(&rest[0].list[1+i]))
		}
		rest = rest[1:]
	}
	typ := cat([]byte{0x60}, vec(params), vec(results))
	index = slices.IndexFunc(m.types, func(t []byte) bool { return string(t) == string(typ) })
	if index < 0 {
		index = len(m.types)
		m.types = append(m.types, typ)
	}
	return index, sig, rest
}

// declare reads ($name type) or (type …) of parameters or locals.
func (s *signature) declare(m *module, n *node) (types []byte) {
	named := m.name(s.names, s.n, n.list[1:])
	if len(named) < len(n.list)-1 && len(named) != 1 {
		fail(n.line, "what has a name has one type")
	}
	for i := range named {
		types = append(types, valueType(&named[i]))
	}
	s.n += len(types)
	return types
}

func valueType(n *node) byte {
	switch n.word {
	case "i32":
		return 0x7f
	case "i64":
		return 0x7e
	}
	fail(n.line, "%s is no type: use i32 or i64", n.shown())
	return 0
}

// global reads (global $name (mut i32) (i32.const 0)).
func (m *module) global(n *node) {
	rest := m.name(m.globals, len(m.globalDefs), n.list[1:])
	if len(rest) != 2 {
		fail(n.line, "a global is (global $name type (type.const number)), the type in (mut …) if it changes")
	}
	typ, mutable := &rest[0], byte(0)
	if typ.is("mut") && len(typ.list) == 2 {
		typ, mutable = &typ.list[1], 1
	}
	m.globalDefs = append(m.globalDefs, cat([]byte{valueType(typ), mutable}, m.constant(&rest[1], typ.word), []byte{0x0b}))
}

// constant reads (i32.const n) or (i64.const n).
func (m *module) constant(n *node, typ string) []byte {
	if !n.is(typ+".const") || len(n.list) != 2 {
		fail(n.line, "%s should be (%s.const number)", n.shown(), typ)
	}
	f := &function{m: m}
	f.instruction(n)
	return f.code
}

// segment reads (data (i32.const at) "…").
func (m *module) segment(n *node) {
	if len(n.list) < 2 {
		fail(n.line, `data is (data (i32.const place) "octets")`)
	}
	var octets []byte
	for i := range n.list[2:] {
		if n.list[2+i].kind != '"' {
			fail(n.line, "data is made of strings")
		}
		octets = append(octets, n.list[2+i].text...)
	}
	m.data = append(m.data, cat([]byte{0}, m.constant(&n.list[1], "i32"), []byte{0x0b}, vec(octets)))
}

// bytes puts the sections in their order.
func (m *module) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id       byte
		elements [][]byte
	}{{1, m.types}, {2, m.imports}, {3, m.functions}, {5, m.memories}, {6, m.globalDefs}, {7, m.exports}, {10, m.bodies}, {11, m.data}} {
		if len(s.elements) > 0 {
			content := append(u(len(s.elements)), slices.Concat(s.elements...)...)
			out = append(append(out, s.id), vec(content)...)
		}
	}
	return out
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// u is an unsigned LEB128 number, vec octets with their number in front.
func u(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func vec(octets []byte) []byte { return append(u(len(octets)), octets...) }

// s appends a signed LEB128 number.
func s(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
