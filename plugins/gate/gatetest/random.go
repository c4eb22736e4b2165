package gatetest

import "math/rand/v2"

// Random is a module that always ends, made by chance: functions that compute,
// branch, loop a few times, use memory, globals and the table, and call later
// functions. Its filter_v1 folds what it computed, and its memory shows the rest.
func Random(r *rand.Rand) *Module {
	g := &generator{Rand: r, functions: 2 + r.IntN(5)}
	m := &Module{
		Types:   []Type{{"", "\x7e"}, {"\x7f\x7f", "\x7f"}, {"\x7f", "\x7f\x7f"}, {"\x7f\x7f", "\x7f\x7f"}},
		Pages:   1,
		Most:    1 + r.IntN(4),
		Globals: []byte{I32, I64, I32},
		Exports: []Export{{"memory", 2, 0}, {"filter_v1", 0, 0}},
		Data:    []Data{{At: 8, Bytes: []byte("a few octets to start with")}},
		Custom:  map[string][]byte{"producers": {0}},
	}
	m.Funcs = []Func{{Type: 0, Body: Cat(I32Const(int32(r.Uint32())), I32Const(3), []byte{0x10, 1, 0xad, 0x23, 1, 0x7c})}}
	for i := 1; i <= g.functions; i++ {
		g.self = i
		// parameters 0 and 1, locals 2 and 3 for values, 4 to 8 count loops
		body := Cat(g.statements(4), g.value(3), []byte{0x22, 2}, g.value(2), []byte{0x6a})
		m.Funcs = append(m.Funcs, Func{Type: 1, Locals: []byte{I32, I32, I32, I32, I32, I32, I32}, Body: body})
		m.Table = append(m.Table, i)
	}
	// one function with two results, and a return from its depth
	m.Funcs = append(m.Funcs, Func{Type: 2, Body: []byte{0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 5, 0x0f, 0x0b, 0x41, 1, 0x41, 2, 0x10, byte(g.functions + 2)}},
		Func{Type: 3, Body: []byte{0x20, 1, 0x20, 0}})
	return m
}

type generator struct {
	*rand.Rand
	self, functions int
	loops           int
}

func (g *generator) statements(depth int) (b []byte) {
	for range 1 + g.IntN(3) {
		b = append(b, g.statement(depth)...)
	}
	return b
}

func (g *generator) statement(depth int) []byte {
	v := g.value(depth - 1)
	if depth <= 0 {
		return Cat(v, []byte{0x21, byte(g.IntN(4))})
	}
	address := Cat(v, I32Const(0xfff8), []byte{0x71})
	switch g.IntN(12) {
	case 0:
		return Cat(v, []byte{0x24, byte(g.IntN(2) * 2)})
	case 1:
		return Cat(address, g.value(depth-1), []byte{0x36, 0x00, 0x00})
	case 2:
		return Cat(v, []byte{0x04, 0x40}, g.statements(depth-1), []byte{0x05}, g.statements(depth-1), []byte{0x0b})
	case 3:
		return Cat([]byte{0x02, 0x40}, g.statements(depth-1), v, []byte{0x0d, 0}, g.statements(depth-1), []byte{0x0b})
	case 4, 5:
		if g.loops >= 2 {
			break
		}
		g.loops++
		counter := byte(4 + g.loops)
		body := g.statements(depth - 1)
		g.loops--
		return Cat(I32Const(int32(1+g.IntN(6))), []byte{0x21, counter, 0x03, 0x40}, body,
			[]byte{0x20, counter, 0x41, 1, 0x6b, 0x22, counter, 0x0d, 0, 0x0b})
	case 6:
		return Cat(v, []byte{0x04, 0x40}, g.value(1), []byte{0x0f, 0x0b}) // return in the middle
	case 7:
		return Cat(address, g.value(depth-1), I32Const(int32(g.IntN(7))), []byte{0xfc, 11, 0})
	case 8:
		return Cat(address, I32Const(int32(g.IntN(4000))), I32Const(int32(g.IntN(8))), []byte{0xfc, 10, 0, 0})
	case 9:
		return Cat(I32Const(int32(g.IntN(2))), []byte{0x40, 0, 0x21, 2})
	case 10: // br_table out of three blocks
		return Cat([]byte{0x02, 0x40, 0x02, 0x40, 0x02, 0x40}, v, []byte{0x0e, 2, 0, 1, 2, 0x0b}, g.statements(depth-1), []byte{0x0b}, g.statements(depth-1), []byte{0x0b})
	}
	return Cat([]byte{0x23, 1}, v, []byte{0xac, 0x7c, 0x24, 1})
}

// value leaves one i32.
func (g *generator) value(depth int) []byte {
	if depth <= 0 {
		switch g.IntN(3) {
		case 0:
			return I32Const(int32(g.Uint32() >> g.IntN(32)))
		case 1:
			return []byte{0x23, byte(g.IntN(2) * 2)}
		}
		return []byte{0x20, byte(g.IntN(4))}
	}
	a, b := g.value(depth-1), g.value(depth-1)
	switch g.IntN(10) {
	case 0:
		if next := g.self + 1; next <= g.functions && g.loops == 0 {
			return Cat(a, b, []byte{0x10, byte(next + g.IntN(g.functions-g.self))})
		}
	case 1:
		if next := g.self + 1; next <= g.functions && g.loops == 0 {
			return Cat(a, b, I32Const(int32(next-1)), []byte{0x11, 1, 0}) // the table begins with function 1
		}
	case 2:
		return Cat(a, I32Const(0xfff0), []byte{0x71, 0x28, 0x02, 0x04})
	case 3:
		return Cat(a, b, I32Const(1), []byte{0x72, 0x6e}) // divided by an odd number
	case 4:
		return Cat(a, []byte{0xb7}, b, []byte{0xb7, 0xa0, 0xfc, 2}) // through floats and back
	case 5:
		return Cat(a, []byte{0x04, 0x7f}, b, []byte{0x05}, a, []byte{0x0b})
	case 6:
		return Cat(a, b, a, []byte{0x1b})
	case 7: // the function with two results
		return Cat(a, []byte{0x10, byte(g.functions + 1), 0x6a})
	}
	op := []byte{0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x75, 0x77, 0x46, 0x48, 0x4d}
	return Cat(a, b, op[g.IntN(len(op)):][:1])
}
