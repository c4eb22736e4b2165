package gatetest

// Rule is a module of the size and shape of a real rule: it looks for octets
// of its memory in a list of twenty, with loops, calls and a table.
func Rule() *Module {
	m := &Module{
		Types:   []Type{{"", "\x7e"}, {"\x7f\x7f", "\x7f"}},
		Pages:   1,
		Table:   []int{1, 2},
		Globals: []byte{I32},
		Exports: []Export{{"memory", 2, 0}, {"filter_v1", 0, 0}},
		Data:    []Data{{At: 16, Bytes: []byte("example.org\nexample.com\nspam.example\nnews.example\nlists.example")}},
	}
	// filter_v1: for i in 0..64 { acc += table[i&1](i, acc) }
	m.Funcs = append(m.Funcs, Func{Type: 0, Locals: []byte{I32, I32}, Body: Cat(
		[]byte{0x03, 0x40},
		[]byte{0x20, 0, 0x20, 1, 0x20, 0, 0x41, 1, 0x71, 0x11, 1, 0, 0x20, 1, 0x6a, 0x21, 1},
		[]byte{0x20, 0, 0x41, 1, 0x6a, 0x22, 0}, I32Const(64), []byte{0x49, 0x0d, 0},
		[]byte{0x0b, 0x20, 1, 0xad})})
	// compare: count equal octets at 16+a and 16+b
	m.Funcs = append(m.Funcs, Func{Type: 1, Locals: []byte{I32}, Body: Cat(
		[]byte{0x02, 0x40, 0x03, 0x40},
		[]byte{0x20, 0, 0x20, 2, 0x6a, 0x2d, 0, 16, 0x20, 1, 0x41, 15, 0x71, 0x20, 2, 0x6a, 0x2d, 0, 16, 0x47, 0x0d, 1},
		[]byte{0x20, 2, 0x41, 1, 0x6a, 0x22, 2, 0x41, 8, 0x49, 0x0d, 0},
		[]byte{0x0b, 0x0b, 0x20, 2})})
	// hash: fold the first argument into the second, keep it in the global
	m.Funcs = append(m.Funcs, Func{Type: 1, Body: Cat(
		[]byte{0x20, 0}, I32Const(16777619), []byte{0x6c, 0x20, 1, 0x73, 0x22, 1, 0x24, 0, 0x20, 1, 0x41, 7, 0x71})})
	for range 6 { // what a compiler would leave around it
		m.Funcs = append(m.Funcs, m.Funcs[1], m.Funcs[2])
	}
	return m
}
