package gate

// imm says what follows an opcode.
type imm uint8

const (
	immForbidden imm = iota // the zero value: what is not listed is refused
	immNone
	immBlock    // a block type
	immLabel    // a label
	immTable    // br_table: labels
	immCall     // a function
	immIndirect // a type and a table
	immSelect   // one value type
	immLocal
	immGlobal
	immMem // alignment and offset
	immZero
	immI32
	immI64
	immF32
	immF64
	immMisc // a second opcode
)

// op is what the gate knows of an instruction: its immediates, how many values
// it takes and leaves (where that does not depend on types), and what it costs.
type op struct {
	imm       imm
	pop, push int8
	price     uint8 // units of fuel: about the nanoseconds that the slowest of its kind takes
}

// Opcodes that the gate knows by name (WebAssembly core specification, 5.4).
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI32LtS       = 0x48
	opI64LtS       = 0x53
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad
	opMisc         = 0xfc

	miscCopy = 10
	miscFill = 11

	emptyBlock = 0x40
)

// Value types; there are no others here.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
	F32 byte = 0x7d
	F64 byte = 0x7c
)

var ops = table()

func table() (t [256]op) {
	set := func(from, to int, o op) {
		for i := from; i <= to; i++ {
			t[i] = o
		}
	}
	unary, binary := op{immNone, 1, 1, 1}, op{immNone, 2, 1, 1}
	set(0x00, 0x01, op{immNone, 0, 0, 1}) // unreachable, nop
	set(opBlock, opLoop, op{immBlock, 0, 0, 1})
	t[opIf] = op{immBlock, 1, 0, 1}
	t[opElse] = op{immNone, 0, 0, 1}
	t[opEnd] = op{immNone, 0, 0, 1}
	t[opBr] = op{immLabel, 0, 0, 1}
	t[opBrIf] = op{immLabel, 1, 0, 1}
	t[opBrTable] = op{immTable, 1, 0, 4}
	t[opReturn] = op{immNone, 0, 0, 1}
	t[opCall] = op{immCall, 0, 0, 1}
	t[opCallIndirect] = op{immIndirect, 1, 0, 6}
	t[0x1a] = op{immNone, 1, 0, 1} // drop
	t[0x1b] = op{immNone, 3, 1, 2} // select
	t[opSelectTyped] = op{immSelect, 3, 1, 2}
	t[opLocalGet] = op{immLocal, 0, 1, 1}
	t[0x21] = op{immLocal, 1, 0, 1}
	t[opLocalTee] = op{immLocal, 1, 1, 1}
	t[opGlobalGet] = op{immGlobal, 0, 1, 1}
	t[opGlobalSet] = op{immGlobal, 1, 0, 1}
	set(0x28, 0x35, op{immMem, 1, 1, 0}) // loads: priced by the size of the memory
	set(0x36, 0x3e, op{immMem, 2, 0, 0}) // stores: too
	t[opMemorySize] = op{immZero, 0, 1, 2}
	t[opMemoryGrow] = op{immZero, 1, 1, 1}
	t[opI32Const] = op{immI32, 0, 1, 1}
	t[opI64Const] = op{immI64, 0, 1, 1}
	t[0x43] = op{immF32, 0, 1, 1}
	t[0x44] = op{immF64, 0, 1, 1}
	set(0x45, 0x45, unary)
	set(0x46, 0x4f, binary)
	set(0x50, 0x50, unary)
	set(0x51, 0x66, binary)
	set(0x67, 0x69, unary)
	set(0x6a, 0x78, binary)
	set(0x79, 0x7b, unary)
	set(0x7c, 0x8a, binary)
	set(0x8b, 0x91, unary)
	set(0x92, 0x98, binary)
	set(0x99, 0x9f, unary)
	set(0xa0, 0xa6, binary)
	set(0xa7, 0xc4, unary)
	t[opMisc] = op{immMisc, 0, 0, 4}

	price := func(p uint8, from, to int) {
		for i := from; i <= to; i++ {
			t[i].price = p
		}
	}
	price(24, 0x6d, 0x70) // i32 division
	price(30, 0x7f, 0x82) // i64 division
	price(4, 0x5b, 0x66)  // comparison of floats
	price(4, 0x8d, 0x90)  // rounding
	price(4, 0x9b, 0x9e)
	price(8, 0x92, 0x93) // float addition
	price(8, 0xa0, 0xa1)
	price(50, 0x94, 0x95) // multiplication and division: some processors take their time for subnormal numbers
	price(50, 0xa2, 0xa3)
	price(50, 0x91, 0x91) // square root
	price(50, 0x9f, 0x9f)
	price(8, 0x96, 0x97) // min, max
	price(8, 0xa4, 0xa5)
	price(6, 0xa8, 0xab) // truncation, conversion
	price(6, 0xae, 0xba)
	price(50, 0xb6, 0xb6) // of one size of float into the other
	price(50, 0xbb, 0xbb)
	price(4, 0xbc, 0xbf)
	return t
}

// wide gives the octets that a load or store moves as a power of two: its
// largest alignment.
func wide(opcode byte) uint32 {
	const shifts = "\x02\x03\x02\x03\x00\x00\x01\x01\x00\x00\x01\x01\x02\x02\x02\x03\x02\x03\x00\x01\x00\x01\x02"
	return uint32(shifts[opcode-0x28])
}

// unlisted names the families of instructions that are refused.
func unlisted(opcode byte) string {
	switch {
	case opcode >= 0x06 && opcode <= 0x0a, opcode == 0x18, opcode == 0x19, opcode == 0x1f:
		return "exception handling"
	case opcode >= 0x12 && opcode <= 0x15:
		return "tail calls and typed calls"
	case opcode == 0x25, opcode == 0x26:
		return "table access"
	case opcode >= 0xd0 && opcode <= 0xd6:
		return "reference types"
	case opcode == 0xfb:
		return "garbage collection"
	case opcode == 0xfd:
		return "SIMD"
	case opcode == 0xfe:
		return "threads"
	}
	return "an unknown instruction"
}
