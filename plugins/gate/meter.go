package gate

import "fmt"

// Names of what metering adds to a module's exports.
const (
	FuelExport  = reserved + "fuel"  // i64: units left; negative: they ran out
	StackExport = reserved + "stack" // i32: octets left; negative: they ran out
	stateExport = reserved + "g"     // and a number: the variables of the module itself
)

// StackBudget is what StackExport starts with for every call: 1024 frames of
// the smallest size. wazero's interpreter ends at 2000 frames, its compiler
// somewhere near 400 MB; ours is reached first, in both at the same frame.
const StackBudget = 1024 * minFrame

const minFrame = 512

// Metered is a module that ends: whatever it does takes fuel, and without fuel
// it traps.
type Metered struct {
	Wasm  []byte   // what is compiled
	State []string // exports of all variables: with the memory, all that a call can change
	Pages uint32   // of 64 KiB, more it never has
}

// Meter rewrites a module, so that each call costs fuel and stack in an amount
// that depends on nothing but module and input. pages is what its memory may
// grow to.
//
//   - A function pays at its entry for every instruction of its body that is
//     outside of loops, a loop at each turn for every one inside: no
//     instruction runs more often than its region is entered, so what is paid
//     is an upper bound, and costs one check for a function or turn.
//   - What takes longer with its operand (memory.fill, memory.copy) or is dear
//     (memory.grow) is called through a function that pays by the operand.
//   - A function that calls others of the module takes its frame from the
//     stack budget and gives it back.
//
// Whoever calls an export sets both budgets before. Custom sections are left
// out, variables are exported, and the result has passed Check itself.
func (m *Module) Meter(abi *ABI, pages uint32) (*Metered, error) {
	if pages = min(pages, m.maxPages, MaxPages); m.minPages > pages {
		return nil, &Refusal{
			Code: OverLimit, Section: sections[5].name, Function: -1, Offset: m.sections[5].start,
			Text: fmt.Sprintf("starts with %d pages of memory, %d are allowed", m.minPages, pages),
			Help: "give the linker a smaller initial memory or stack, or ask for more in limits.memory_pages of the manifest",
		}
	}
	w := &meter{m: m, pages: pages, out: make([]byte, 0, len(m.raw)+len(m.raw)/2+512), multi: map[string]int{}}
	w.plan()
	w.module()
	if _, err := check(w.out, abi, &metered); err != nil {
		return nil, fmt.Errorf("metered module: %w", err)
	}
	return &Metered{Wasm: w.out, State: w.state, Pages: pages}, nil
}

// meter writes the metered module, section by section.
type meter struct {
	m     *Module
	out   []byte
	pages uint32
	state []string

	fuel, stack int            // indices of the globals
	multi       map[string]int // types of blocks with several results
	added       [][]byte       // those and the types of the helpers, in order
	helpers     []helper
	helper      [3]int // index of the function for memory.copy, memory.fill, memory.grow
	open        int    // where the open section begins

	frames  []bool // open blocks: is it a loop?
	regions []region
}

// region is code that is entered at one place: a function without its loops, a
// loop without those inside.
type region struct {
	patch int // where its price goes
	price int64
}

const helpsCopy, helpsFill, helpsGrow = 0, 1, 2

// plan decides on indices: what is added stands behind what was there.
func (w *meter) plan() {
	m := w.m
	w.fuel = len(m.globals)
	w.stack = w.fuel + 1
	for _, f := range m.funcs[m.imported:] {
		if results := string(m.types[f].results); len(results) > 1 && w.multi[results] == 0 {
			w.multi[results] = w.addType("", results)
		}
	}
	for kind, used := range []bool{m.bulk[0], m.bulk[1], m.grows} {
		if used {
			w.helper[kind] = len(m.funcs) + len(w.helpers)
			w.helpers = append(w.helpers, w.newHelper(kind))
		}
	}
}

func (w *meter) addType(params, results string) int {
	t := append(appendU([]byte{0x60}, len(params)), params...)
	w.added = append(w.added, append(appendU(t, len(results)), results...))
	return len(w.m.types) + len(w.added) - 1
}

func (w *meter) module() {
	m := w.m
	w.out = append(w.out, magic+version...)
	w.section(1, len(m.types), len(w.added), func() {
		for _, t := range w.added {
			w.out = append(w.out, t...)
		}
	})
	w.copySection(2)
	w.section(3, len(m.funcs)-m.imported, len(w.helpers), func() {
		for _, h := range w.helpers {
			w.u(h.typ)
		}
	})
	w.copySection(4)
	w.begin(5)
	w.out = append(w.out, 1, 1)
	w.u(int(m.minPages))
	w.u(int(w.pages))
	w.end()
	w.section(6, len(m.globals), 2, func() {
		w.out = append(w.out, I64, 1, opI64Const, 0, opEnd, I32, 1, opI32Const, 0, opEnd)
	})
	w.exports()
	w.copySection(9)
	w.code()
	w.copySection(11)
}

func (w *meter) exports() {
	variables := 0
	for _, g := range w.m.globals {
		variables += b2i(g.mutable)
	}
	w.section(7, len(w.m.exports), variables+2, func() {
		for i, g := range w.m.globals {
			if g.mutable {
				name := fmt.Sprintf("%s%d", stateExport, i)
				w.state = append(w.state, name)
				w.export(name, i)
			}
		}
		w.export(FuelExport, w.fuel)
		w.export(StackExport, w.stack)
	})
}

func (w *meter) export(name string, index int) {
	w.u(len(name))
	w.out = append(append(w.out, name...), 3)
	w.u(index)
}

func (w *meter) code() {
	m := w.m
	w.begin(10)
	w.u(len(m.bodies) + len(w.helpers))
	for i := range m.bodies {
		w.function(m.types[m.funcs[m.imported+i]], &m.bodies[i])
	}
	for _, h := range w.helpers {
		w.u(len(h.body))
		w.out = append(w.out, h.body...)
	}
	w.end()
}

// function writes one body. Where the function calls others the body becomes a
// block, so that every way out of it comes past the end, where the frame is
// given back; `return` becomes a branch to there.
func (w *meter) function(t funcType, b *body) {
	size := w.pad()
	w.out = append(w.out, w.m.raw[b.start:b.code]...)
	w.frames, w.regions = append(w.frames[:0], false), w.regions[:0]
	w.charge(int64(priceCall + b.locals))
	frame := max(minFrame, 64+8*(b.locals+b.height))
	if b.calls {
		w.take(frame)
		w.out = append(w.out, opBlock)
		w.blockType(t.results)
	}
	w.instructions(b)
	if b.calls {
		w.out = append(w.out, opEnd)
		w.give(frame)
	}
	w.out = append(w.out, opEnd)
	w.patch(size)
}

// instructions copies what is between the first instruction of a body and its
// last end, which is left out.
func (w *meter) instructions(b *body) {
	c := cursor{b: w.m.raw, at: b.code, end: b.end}
	copied := b.code
	flush := func(to int) {
		w.out = append(w.out, w.m.raw[copied:to]...)
		copied = c.at
	}
	for {
		in := c.next()
		top := &w.regions[len(w.regions)-1]
		top.price += int64(w.price(in))
		switch {
		case in.op == opLoop:
			flush(c.at)
			w.frames = append(w.frames, true)
			w.charge(priceTurn)
		case in.op == opBlock || in.op == opIf:
			w.frames = append(w.frames, false)
		case in.op == opEnd:
			last := len(w.frames) - 1
			if w.frames[last] || last == 0 {
				patchPrice(w.out[top.patch:], top.price)
				w.regions = w.regions[:len(w.regions)-1]
			}
			if w.frames = w.frames[:last]; last == 0 {
				flush(in.at)
				return
			}
		case in.op == opReturn && b.calls:
			flush(in.at)
			w.out = append(w.out, opBr)
			w.u(len(w.frames) - 1)
		case in.op == opMemoryGrow:
			flush(in.at)
			w.call(helpsGrow)
		case in.op == opMisc && in.sub >= miscCopy:
			flush(in.at)
			w.call(int(in.sub - miscCopy))
		}
	}
}

func (w *meter) call(kind int) {
	w.out = append(w.out, opCall)
	w.u(w.helper[kind])
}
