package gate

// A unit of fuel is about a nanosecond of machine code at the slowest that an
// instruction of its price can be made to take. The prices of single
// instructions are in the table of opcodes.
const (
	priceCall = 20  // entering a function
	priceHost = 100 // calling into the host, which takes more for what it does there
	priceTurn = 2   // one turn of a loop: the check itself
	priceBulk = 20  // memory.fill, memory.copy: before the first octet
	priceGrow = 20_000
)

// Octets a unit of fuel fills or copies, as a shift.
const (
	shiftFill = 3
	shiftCopy = 2
)

// priceOfLoad: a chain of loads, each from the address that the one before it
// gave, runs at the speed of the cache that the memory fits into, or of none. Beyond
// 16 pages the price does not cover the worst (154 ns at 64 pages, 214 at 256, on
// a machine whose caches others use as well): Go's runtime could not start. There
// a message gets less fuel in its place (manifest.MostFuel).
func priceOfLoad(pages uint32) int {
	switch {
	case pages <= 1:
		return 5
	case pages <= 4: // 256 KiB
		return 10
	case pages <= 8:
		return 20
	case pages <= 16:
		return 30
	case pages <= 64: // what Go takes
		return 20
	default:
		return 30
	}
}

// priceOfStore: a processor goes on while it stores, up to a point.
func priceOfStore(pages uint32) int {
	if pages <= 4 || pages > 16 {
		return 4
	}
	return 10
}

func (w *meter) price(in instr) int {
	switch {
	case in.op >= 0x28 && in.op <= 0x35:
		return priceOfLoad(w.pages)
	case in.op >= 0x36 && in.op <= 0x3e:
		return priceOfStore(w.pages)
	case in.op == opCall && int(in.index) < w.m.imported:
		return priceHost
	}
	return int(ops[in.op].price)
}

// charge opens a region: takes its price, which is not known yet, from the
// fuel and traps if there is not enough.
func (w *meter) charge(price int64) {
	w.out = append(w.out, opGlobalGet)
	w.u(w.fuel)
	w.out = append(w.out, opI64Const)
	w.regions = append(w.regions, region{patch: len(w.out), price: price})
	w.out = append(w.out, 0x80, 0x80, 0x80, 0x80, 0, opI64Sub, opGlobalSet)
	w.u(w.fuel)
	w.out = w.checkFuel(w.out)
}

// patchPrice writes a price over the five octets kept for it.
func patchPrice(at []byte, price int64) {
	for i := range 4 {
		at[i] = byte(price>>(7*i))&0x7f | 0x80
	}
	at[4] = byte(price >> 28 & 0x3f)
}

// checkFuel traps if there is less than none.
func (w *meter) checkFuel(out []byte) []byte {
	out = appendU(append(out, opGlobalGet), w.fuel)
	return append(out, opI64Const, 0, opI64LtS, opIf, emptyBlock, opUnreachable, opEnd)
}

// take takes a frame from the stack budget and traps if it is too large.
func (w *meter) take(frame int) {
	w.frame(frame, opI32Sub)
	w.out = append(w.out, opGlobalGet)
	w.u(w.stack)
	w.out = append(w.out, opI32Const, 0, opI32LtS, opIf, emptyBlock, opUnreachable, opEnd)
}

// give gives it back.
func (w *meter) give(frame int) { w.frame(frame, opI32Add) }

func (w *meter) frame(frame int, op byte) {
	w.out = append(w.out, opGlobalGet)
	w.u(w.stack)
	w.out = append(w.out, opI32Const)
	w.out = append(appendS(w.out, frame), op, opGlobalSet)
	w.u(w.stack)
}

// helper is a function that metering adds.
type helper struct {
	typ  int
	body []byte
}

// newHelper makes the function that is called in place of memory.copy,
// memory.fill or memory.grow.
func (w *meter) newHelper(kind int) helper {
	words := string([]byte{I32, I32, I32})
	pay := func(b []byte, price int) []byte { // fuel -= price + what is on the stack
		return append(append(appendS(append(b, opI64Const), price), opI64Add, opI64Sub, opGlobalSet), appendU(nil, w.fuel)...)
	}
	b := appendU([]byte{0, opGlobalGet}, w.fuel)
	if kind == helpsGrow {
		b = w.checkFuel(pay(append(b, opI64Const, 0), priceGrow))
		return helper{w.addType(words[:1], words[:1]), append(b, opLocalGet, 0, opMemoryGrow, 0, opEnd)}
	}
	shift, operation := byte(shiftCopy), []byte{opMisc, miscCopy, 0, 0}
	if kind == helpsFill {
		shift, operation = shiftFill, []byte{opMisc, miscFill, 0}
	}
	b = w.checkFuel(pay(append(b, opLocalGet, 2, opI64ExtendU, opI64Const, shift, opI64ShrU), priceBulk))
	b = append(b, opLocalGet, 0, opLocalGet, 1, opLocalGet, 2)
	return helper{w.addType(words, ""), append(append(b, operation...), opEnd)}
}
