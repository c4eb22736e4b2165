package gatetest

import "bytes"

// Hostile is a module that harms a bare wazero.
type Hostile struct {
	Name string
	Wasm []byte
	Runs bool // the gate lets it through: it has to run out of fuel or of stack
}

// AllHostile are the modules that ended or froze a process with wazero v1.12.0
// in it, and their kin.
func AllHostile() []Hostile {
	filter := func(body ...byte) []byte { return Filter(body...).Bytes() }
	huge := U(1 << 30)
	empty := []Type{{"", "\x7e"}, {"", ""}}
	bombs := []Hostile{
		{"type count 2^27", Raw(Section(1, U(1<<27))), false},
		{"import count 2^30", Raw(Section(2, huge)), false},
		{"function count 2^31", Raw(Section(3, U(1<<31))), false},
		{"table count 2^30", Raw(Section(4, huge)), false},
		{"global count 2^30", Raw(Section(6, huge)), false},
		{"export count 2^30", Raw(Section(7, huge)), false},
		{"element count 2^30", Raw(Section(9, huge)), false},
		{"functions of an element 2^30", Raw(Section(9, Cat([]byte{1, 0, 0x41, 0, 0x0b}, huge))), false},
		{"code count 2^30", Raw(Section(10, huge)), false},
		{"data count 2^31", Raw(Section(11, U(1<<31))), false},
		{"data of 2^31 octets", Raw(Section(11, Cat([]byte{1, 0, 0x41, 0, 0x0b}, U(1<<31)))), false},
		{"name count 2^30", Raw(Section(0, Cat(str("name"), []byte{1, 6}, huge))), false},
		{"local name count 2^30", Raw(Section(0, Cat(str("name"), []byte{2, 8, 1, 0}, huge))), false},
		{"memory of 4 GiB", Raw(Section(5, Cat([]byte{1, 0}, U(65536)))), false},
		{"table of 100 M", Raw(Section(4, Cat([]byte{1, 0x70, 0}, U(100_000_000)))), false},
		{"2000 tables", Raw(Section(4, Cat(U(2000), bytes.Repeat(Cat([]byte{0x70, 0}, U(100_000)), 2000)))), false},
		{"50 M locals", locals(Cat([]byte{1}, U(50_000_000), []byte{I64})), false},
		{"100 functions of 50 k locals", manyLocals(100, 50_000), false},
		{"loop in start", Raw(Section(1, Cat([]byte{1, 0x60, 0, 0})), Section(3, []byte{1, 0}), Section(8, []byte{0}),
			Section(10, Cat([]byte{1, 7, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b}))), false},
		{"table.grow 100 M", (&Module{Types: empty, Table: []int{0}, Pages: 1, Funcs: []Func{{Body: Cat([]byte{0xd0, 0x70}, I32Const(100_000_000), []byte{0xfc, 15, 0, 0x1a}, I64Const(0))}}, Exports: Filter().Exports}).Bytes(), false},
		{"100 k nested blocks", filter(Cat(bytes.Repeat([]byte{0x02, 0x40}, 100_000), bytes.Repeat([]byte{0x0b}, 100_000), I64Const(0))...), false},
		{"20 k nested ifs", filter(Cat(bytes.Repeat([]byte{0x41, 0, 0x04, 0x40}, 20_000), bytes.Repeat([]byte{0x0b}, 20_000), I64Const(0))...), false},
		{"16 k loops in a row", filter(Cat(bytes.Repeat([]byte{0x03, 0x40, 0x0b}, 16_000), I64Const(0))...), false},
		{"br_table of 1 M", filter(Cat([]byte{0x41, 0, 0x0e}, U(1_000_000), make([]byte, 1_000_001))...), false},
		{"200 br_tables of 5 k", filter(Cat(bytes.Repeat(Cat([]byte{0x02, 0x40, 0x41, 0, 0x0e}, U(1000), make([]byte, 1001), []byte{0x0b}), 200), I64Const(0))...), false},
		{"300 k empty functions", emptyFunctions(300_000), false},
		{"200 k unknown imports", Raw(Section(1, Cat([]byte{1, 0x60, 0, 0})), Section(2, Cat(U(200_000), bytes.Repeat(Cat(str("a"), str("b"), []byte{0, 0}), 200_000)))), false},
		{"10 MB", Filter(0x42, 0).padded(10 << 20), false},
		{"16 MB of data", Filter(0x42, 0).padded(16 << 20), false},
		{"20 k memory.fill of 16 MiB in a row", func() []byte {
			m := Filter(Cat(bytes.Repeat(Cat(I32Const(0), I32Const(1), I32Const(16<<20), []byte{0xfc, 11, 0}), 20_000), I64Const(0))...)
			m.Pages = 256
			return m.Bytes()
		}(), true},
	}
	return append(bombs, runaways()...)
}

// runaways pass the gate and never end by themselves.
func runaways() []Hostile {
	filter := func(body ...[]byte) []byte { return Filter(Cat(body...)...).Bytes() }
	paged := func(pages int, body ...[]byte) []byte {
		m := Filter(Cat(body...)...)
		m.Pages = pages
		return m.Bytes()
	}
	exponential := &Module{Types: []Type{{"", "\x7e"}, {"", ""}}, Pages: 1, Exports: Filter().Exports}
	exponential.Funcs = []Func{{Body: []byte{0x10, 1, 0x42, 0}}}
	for i := range 60 {
		exponential.Funcs = append(exponential.Funcs, Func{Type: 1, Body: Cat([]byte{0x10}, U(i+2), []byte{0x10}, U(i+2))})
	}
	exponential.Funcs = append(exponential.Funcs, Func{Type: 1})
	indirect := Filter(0x41, 0, 0x11, 0, 0)
	indirect.Table = []int{0}
	thousand := Filter(0x10, 0)
	thousand.Funcs[0].Locals = bytes.Repeat([]byte{I64}, 1000)
	loop := func(body ...[]byte) []byte {
		return Cat([]byte{0x03, 0x40}, Cat(body...), []byte{0x0c, 0, 0x0b}, I64Const(0))
	}
	return []Hostile{
		{"endless loop", filter([]byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x42, 0}), true},
		{"60 functions, each calls the next twice", exponential.Bytes(), true},
		{"endless recursion", filter([]byte{0x10, 0}), true},
		{"endless recursion through the table", indirect.Bytes(), true},
		{"endless recursion with 1000 locals", thousand.Bytes(), true},
		{"loop of memory.grow", filter(loop(I32Const(1), []byte{0x40, 0, 0x1a})), true},
		{"loop of memory.grow by nothing", filter(loop(I32Const(0), []byte{0x40, 0, 0x1a})), true},
		{"loop of memory.fill 16 MiB", paged(256, loop(I32Const(0), I32Const(7), I32Const(16<<20), []byte{0xfc, 11, 0})), true},
		{"loop of memory.copy 8 MiB", paged(256, loop(I32Const(0), I32Const(8<<20), I32Const(8<<20), []byte{0xfc, 10, 0, 0})), true},
		{"loop of 100 k divisions", filter(loop(bytes.Repeat(Cat(I64Const(-7), I64Const(3), []byte{0x7f, 0x1a}), 40_000))), true},
		{"loop of br_table", filter([]byte{0x03, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b, 0x42, 0}), true},
	}
}

func locals(groups []byte) []byte {
	return Raw(Section(1, []byte{1, 0x60, 0, 0}), Section(3, []byte{1, 0}), Section(10, Cat([]byte{1}, sized(Cat(groups, []byte{0x0b})))))
}

func manyLocals(functions, each int) []byte {
	body := sized(Cat([]byte{1}, U(each), []byte{I64, 0x0b}))
	return Raw(Section(1, []byte{1, 0x60, 0, 0}), Section(3, Cat(U(functions), make([]byte, functions))), Section(10, Cat(U(functions), bytes.Repeat(body, functions))))
}

func emptyFunctions(n int) []byte {
	return Raw(Section(1, []byte{1, 0x60, 0, 0}), Section(3, Cat(U(n), make([]byte, n))), Section(10, Cat(U(n), bytes.Repeat([]byte{2, 0, 0x0b}, n))))
}

// padded is the module with a custom section of so many octets.
func (m *Module) padded(n int) []byte {
	return Cat(m.Bytes(), Section(0, Cat(str("pad"), make([]byte, n))))
}
