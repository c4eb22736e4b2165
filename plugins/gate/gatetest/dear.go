package gatetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Slow are endless loops of what a processor does slowly: each instruction that
// computes, by itself, with operands that are known to be bad; loads and stores that
// miss every cache, cross pages or wait for each other; branches that nobody can
// predict. What is dearer to run than its fuel says shows here.
func Slow() []Hostile {
	all := append(chases(), traffic()...)
	for opcode := 0x45; opcode <= 0xc4; opcode++ {
		all = append(all, computing(byte(opcode))...)
	}
	return all
}

const repeated = 300 // in one turn of a loop: the turn itself shall not matter

// endless is an endless loop in a filter with locals of these types.
func endless(pages int, locals []byte, before, body []byte) *Module {
	m := Filter(Cat(before, []byte{0x03, 0x40}, body, []byte{0x0c, 0, 0x0b}, I64Const(0))...)
	m.Funcs[0].Locals, m.Pages = locals, pages
	return m
}

// chases load from the address that the last load gave. _initialize makes the way:
// through all cache lines of the memory, each behind one that is far away.
func chases() (all []Hostile) {
	for _, pages := range []int{1, 4, 8, 16, 32, 64, 128, 256} {
		for _, crossing := range []int{0, 61} { // the second in two lines at once, and now and then in two pages
			m := endless(pages, []byte{I32}, nil, Cat([]byte{0x20, 0}, bytes.Repeat(Cat([]byte{0x28, 0}, U(crossing)), repeated), []byte{0x21, 0}))
			lines := int32(pages) << 10
			way := Cat(
				[]byte{0x20, 0}, I32Const(6), []byte{0x74}, // 64*i: where to
				[]byte{0x20, 0}, I32Const(1597*4+1), []byte{0x6c}, I32Const(12345), []byte{0x6a}, I32Const(lines-1), []byte{0x71}, // a period of all lines
				I32Const(6), []byte{0x74, 0x36, 0}, U(crossing))
			m.Funcs = append(m.Funcs, Func{Type: 1, Locals: []byte{I32}, Body: Cat([]byte{0x03, 0x40}, way,
				[]byte{0x20, 0}, I32Const(1), []byte{0x6a, 0x22, 0}, I32Const(lines-1), []byte{0x49, 0x0d, 0, 0x0b})})
			m.Exports = append(m.Exports, Export{"_initialize", 0, 1})
			all = append(all, Hostile{fmt.Sprintf("loads through %d pages, %d octets into each line", pages, crossing), m.Bytes(), true})
		}
	}
	return all
}

// next puts a new pseudo-random number into local 0 and leaves it on the stack.
var next = Cat([]byte{0x20, 0}, I32Const(1664525), []byte{0x6c}, I32Const(1013904223), []byte{0x6a, 0x22, 0})

func traffic() (all []Hostile) {
	add := func(name string, m *Module) { all = append(all, Hostile{name, m.Bytes(), true}) }
	for _, pages := range []int{1, 16, 64, 256} {
		mask := I32Const(int32(pages)<<16 - 8192)
		where := Cat(next, mask, []byte{0x71})
		add(fmt.Sprintf("stores all over %d pages", pages), endless(pages, []byte{I32}, nil, bytes.Repeat(Cat(where, []byte{0x20, 0, 0x36, 0}, U(4093)), repeated)))
		add(fmt.Sprintf("loads all over %d pages", pages), endless(pages, []byte{I32, I32}, nil, bytes.Repeat(Cat(where, []byte{0x28, 0}, U(4093), []byte{0x20, 1, 0x6a, 0x21, 1}), repeated)))
	}
	// A load that needs what two stores left, of which the second is not done yet.
	add("loads that wait for stores", endless(1, []byte{I32}, nil, bytes.Repeat(Cat(
		I32Const(0), []byte{0x20, 0, 0x3a, 0}, U(62), I32Const(0), []byte{0x28, 0}, U(61), []byte{0x21, 0}), repeated)))
	add("branches by chance", endless(1, []byte{I32, I32}, nil, bytes.Repeat(Cat(
		next, I32Const(1<<20), []byte{0x71, 0x04, 0x40, 0x20, 1, 0x20, 0, 0x6a, 0x21, 1, 0x0b}), repeated/2)))
	add("br_if by chance", endless(1, []byte{I32, I32}, nil, bytes.Repeat(Cat(
		[]byte{0x02, 0x40}, next, I32Const(1<<20), []byte{0x71, 0x0d, 0, 0x20, 1, 0x20, 0, 0x6a, 0x21, 1, 0x0b}), repeated/2)))
	table := Cat(bytes.Repeat([]byte{0x02, 0x40}, 16), next, I32Const(16), []byte{0x76}, I32Const(15), []byte{0x71, 0x0e, 15}, sequence(16))
	for i := range 16 {
		table = Cat(table, []byte{0x0b, 0x20, 1}, I32Const(int32(i)), []byte{0x6a, 0x21, 1})
	}
	add("br_table by chance", endless(1, []byte{I32, I32}, nil, table))
	calls := endless(1, []byte{I32}, nil, bytes.Repeat(Cat(next, I32Const(16), []byte{0x76}, I32Const(15), []byte{0x71, 0x11, 1, 0}), repeated))
	for i := range 16 {
		calls.Funcs = append(calls.Funcs, Func{Type: 1, Body: Cat([]byte{0x23, 0}, I32Const(int32(i)), []byte{0x6a, 0x24, 0})})
		calls.Table = append(calls.Table, i+1)
	}
	calls.Globals = []byte{I32}
	add("calls by chance", calls)
	return all
}

func sequence(n int) (b []byte) {
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

// bridges bring the octets of a value of one type into another, without
// computing: from, to.
var bridges = map[[2]byte][]byte{
	{I32, I64}: {0xad}, {I64, I32}: {0xa7}, {F32, I32}: {0xbc}, {I32, F32}: {0xbe}, {F64, I64}: {0xbd}, {I64, F64}: {0xbf},
	{F64, I32}: {0xbd, 0xa7}, {I32, F64}: {0xad, 0xbf}, {F32, I64}: {0xbc, 0xad}, {I64, F32}: {0xa7, 0xbe},
	{F32, F64}: {0xbc, 0xad, 0xbf}, {F64, F32}: {0xbd, 0xa7, 0xbe},
}

// bad are operands by type: pairs that keep a processor busy.
func bad(kind byte) (pairs [][2][]byte) {
	f32 := func(v uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{0x43}, v) }
	f64 := func(v uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0x44}, v) }
	switch kind {
	case I32:
		return [][2][]byte{{I32Const(math.MaxInt32), I32Const(3)}}
	case I64:
		return [][2][]byte{{I64Const(math.MaxInt64), I64Const(3)}}
	case F32: // a subnormal number, and one whose result is subnormal
		return [][2][]byte{{f32(0x000fffff), f32(0x3f700000)}, {f32(0x00900000), f32(0x3ea00001)}, {f32(0x3f9e0652), f32(0x3f9e0651)}}
	}
	return [][2][]byte{{f64(0x000f_ffff_ffff_ffff), f64(0x3fef_0000_0000_0000)}, {f64(0x0012_0000_0000_0000), f64(0x3fd4_0000_0000_0001)}, {f64(0x3ff3_c0ca_428c_1a62), f64(0x3ff3_c0ca_428c_1a61)}}
}

// computing is one instruction over and over, with operands that no compiler
// knows: once each after the result of the one before, once side by side.
func computing(opcode byte) (all []Hostile) {
	in, out, two := signature(opcode)
	for i, pair := range bad(in) {
		set := Cat(pair[0], []byte{0x24, 0}, pair[1], []byte{0x24, 1}, []byte{0x23, 0, 0x21, 0, 0x23, 1, 0x21, 1})
		operands := []byte{0x20, 0}
		if two {
			operands = []byte{0x20, 0, 0x20, 1}
		}
		for name, body := range map[string][]byte{
			"chained":      Cat(operands, []byte{opcode}, bridges[[2]byte{out, in}], []byte{0x21, 0}),
			"side by side": Cat(operands, []byte{opcode}, bridges[[2]byte{out, I64}], []byte{0x20, 2, 0x85, 0x21, 2}),
		} {
			m := endless(1, []byte{in, in, I64}, set, bytes.Repeat(body, repeated))
			m.Globals = []byte{in, in}
			all = append(all, Hostile{fmt.Sprintf("opcode %#x %s, operands %d", opcode, name, i), m.Bytes(), true})
		}
	}
	return all
}

// signature tells what an instruction that computes takes and leaves.
func signature(opcode byte) (in, out byte, two bool) {
	between := func(from, to byte) bool { return opcode >= from && opcode <= to }
	switch {
	case opcode == 0x45:
		return I32, I32, false
	case between(0x46, 0x4f):
		return I32, I32, true
	case opcode == 0x50:
		return I64, I32, false
	case between(0x51, 0x5a):
		return I64, I32, true
	case between(0x5b, 0x60):
		return F32, I32, true
	case between(0x61, 0x66):
		return F64, I32, true
	case between(0x67, 0x69), between(0xc0, 0xc1):
		return I32, I32, false
	case between(0x6a, 0x78):
		return I32, I32, true
	case between(0x79, 0x7b), between(0xc2, 0xc4):
		return I64, I64, false
	case between(0x7c, 0x8a):
		return I64, I64, true
	case between(0x8b, 0x91):
		return F32, F32, false
	case between(0x92, 0x98):
		return F32, F32, true
	case between(0x99, 0x9f):
		return F64, F64, false
	case between(0xa0, 0xa6):
		return F64, F64, true
	}
	kinds := "\x7f\x7e\x7d\x7c" // i32 i64 f32 f64
	pairs := map[byte]string{
		0xa7: "10", 0xa8: "20", 0xa9: "20", 0xaa: "30", 0xab: "30", 0xac: "01", 0xad: "01", 0xae: "21", 0xaf: "21", 0xb0: "31", 0xb1: "31",
		0xb2: "02", 0xb3: "02", 0xb4: "12", 0xb5: "12", 0xb6: "32", 0xb7: "03", 0xb8: "03", 0xb9: "13", 0xba: "13", 0xbb: "23", 0xbc: "20", 0xbd: "31", 0xbe: "02", 0xbf: "13",
	}
	p := pairs[opcode]
	return kinds[p[0]-'0'], kinds[p[1]-'0'], false
}
