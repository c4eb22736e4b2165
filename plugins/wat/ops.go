package wat

import "strings"

// ops are the plain instructions by name: those without immediates, and what
// follows the others.
var ops = instructions()

type op struct {
	code  []byte
	takes byte  // what follows: 0 nothing, else one of the constants below
	align uint8 // of a load or store: the octets that it moves, as a power of two
}

const (
	takesLabel byte = 1 + iota
	takesLabels
	takesFunc
	takesLocal
	takesGlobal
	takesI32
	takesI64
	takesMemory
)

func instructions() map[string]op {
	t := map[string]op{
		"unreachable": {code: []byte{0x00}}, "nop": {code: []byte{0x01}}, "return": {code: []byte{0x0f}},
		"drop": {code: []byte{0x1a}}, "select": {code: []byte{0x1b}},
		"br": {[]byte{0x0c}, takesLabel, 0}, "br_if": {[]byte{0x0d}, takesLabel, 0}, "br_table": {[]byte{0x0e}, takesLabels, 0},
		"call":      {[]byte{0x10}, takesFunc, 0},
		"local.get": {[]byte{0x20}, takesLocal, 0}, "local.set": {[]byte{0x21}, takesLocal, 0}, "local.tee": {[]byte{0x22}, takesLocal, 0},
		"global.get": {[]byte{0x23}, takesGlobal, 0}, "global.set": {[]byte{0x24}, takesGlobal, 0},
		"i32.const": {[]byte{0x41}, takesI32, 0}, "i64.const": {[]byte{0x42}, takesI64, 0},
		"memory.size": {code: []byte{0x3f, 0}}, "memory.grow": {code: []byte{0x40, 0}},
		"memory.copy": {code: []byte{0xfc, 10, 0, 0}}, "memory.fill": {code: []byte{0xfc, 11, 0}},
		"i32.wrap_i64": {code: []byte{0xa7}}, "i64.extend_i32_s": {code: []byte{0xac}}, "i64.extend_i32_u": {code: []byte{0xad}},
	}
	row := func(first byte, names string) {
		for i, name := range strings.Fields(names) {
			t[name] = op{code: []byte{first + byte(i)}}
		}
	}
	// In the order of the format (WebAssembly core specification, 5.4).
	const compare = " eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
	const compute = " clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr"
	of := func(typ, names string) string { return strings.ReplaceAll(names, " ", " "+typ+".") }
	row(0x45, of("i32", " eqz"+compare))
	row(0x50, of("i64", " eqz"+compare))
	row(0x67, of("i32", compute))
	row(0x79, of("i64", compute))
	row(0xc0, "i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s")
	memory := func(code, align byte, name string) { t[name] = op{[]byte{code}, takesMemory, align} }
	memory(0x28, 2, "i32.load")
	memory(0x29, 3, "i64.load")
	for i, name := range strings.Fields("i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u") {
		memory(0x2c+byte(i), byte(i%4/2)+byte(i/8)*2, name)
	}
	memory(0x36, 2, "i32.store")
	memory(0x37, 3, "i64.store")
	for i, name := range strings.Fields("i32.store8 i32.store16 i64.store8 i64.store16 i64.store32") {
		memory(0x3a+byte(i), []byte{0, 1, 0, 1, 2}[i], name)
	}
	return t
}
