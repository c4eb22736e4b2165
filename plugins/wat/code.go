package wat

import (
	"math/bits"
	"strconv"
	"strings"
)

// function is one that is being assembled.
type function struct {
	m      *module
	sig    signature
	labels []string // of the blocks that are open, the outermost first
	code   []byte
}

// body assembles the next function's locals and instructions.
func (m *module) body(n *node) []byte {
	f := &function{m: m, sig: m.signatures[len(m.bodies)]}
	rest := n.list[1:]
	for len(rest) > 0 && (strings.HasPrefix(rest[0].word, "$") || rest[0].is("export") || rest[0].is("param") || rest[0].is("result")) {
		rest = rest[1:]
	}
	var groups [][]byte // locals, those of one type in a row together
	count, of := 0, byte(0)
	group := func() {
		if count > 0 {
			groups = append(groups, append(u(count), of))
		}
		count = 0
	}
	for len(rest) > 0 && rest[0].is("local") {
		for _, typ := range f.sig.declare(m, &rest[0]) {
			if typ != of {
				group()
			}
			of = typ
			count++
		}
		rest = rest[1:]
	}
	group()
	f.sequence(rest)
	return vec(cat(u(len(groups)), cat(groups...), f.code, []byte{0x0b}))
}

// sequence assembles instructions, folded ones and plain ones in a row.
func (f *function) sequence(rest []node) {
	for len(rest) > 0 {
		if rest[0].kind == '(' {
			f.instruction(&rest[0])
			rest = rest[1:]
			continue
		}
		o := f.op(&rest[0])
		immediate, left := f.immediates(o, &rest[0], rest[1:])
		f.code = append(append(f.code, o.code...), immediate...)
		rest = left
	}
}

func (f *function) op(n *node) op {
	o, known := ops[n.word]
	if !known {
		fail(n.line, "%s is no instruction here (block, loop and if are written folded)", n.shown())
	}
	return o
}

// instruction assembles a folded one: operands first.
func (f *function) instruction(n *node) {
	if len(n.list) == 0 {
		fail(n.line, "there is nothing in ()")
	}
	switch head := &n.list[0]; head.word {
	case "block":
		f.block(0x02, n)
	case "loop":
		f.block(0x03, n)
	case "if":
		f.branch(n)
	default:
		o := f.op(head)
		immediate, operands := f.immediates(o, head, n.list[1:])
		for i := range operands {
			if operands[i].kind != '(' {
				fail(operands[i].line, "%s should be a folded instruction", operands[i].shown())
			}
			f.instruction(&operands[i])
		}
		f.code = append(append(f.code, o.code...), immediate...)
	}
}

// open reads the label and the result of a block and gives what is in it.
func (f *function) open(n *node) (blockType byte, rest []node) {
	label, blockType, rest := "", 0x40, n.list[1:]
	if len(rest) > 0 && strings.HasPrefix(rest[0].word, "$") {
		label, rest = rest[0].word, rest[1:]
	}
	if len(rest) > 0 && rest[0].is("result") {
		if len(rest[0].list) != 2 {
			fail(n.line, "a block has one result at most")
		}
		blockType, rest = valueType(&rest[0].list[1]), rest[1:]
	}
	f.labels = append(f.labels, label)
	return blockType, rest
}

func (f *function) close() {
	f.labels = f.labels[:len(f.labels)-1]
	f.code = append(f.code, 0x0b)
}

func (f *function) block(code byte, n *node) {
	typ, rest := f.open(n)
	f.code = append(f.code, code, typ)
	f.sequence(rest)
	f.close()
}

// branch assembles (if $label (result t) condition (then …) (else …)); the
// condition stands outside of the label.
func (f *function) branch(n *node) {
	typ, rest := f.open(n)
	label := f.labels[len(f.labels)-1]
	f.labels = f.labels[:len(f.labels)-1]
	for len(rest) > 0 && !rest[0].is("then") {
		f.sequence(rest[:1])
		rest = rest[1:]
	}
	if len(rest) == 0 || len(rest) > 2 || len(rest) == 2 && !rest[1].is("else") {
		fail(n.line, "an if is (if condition (then …)) or (if condition (then …) (else …))")
	}
	f.labels = append(f.labels, label)
	f.code = append(f.code, 0x04, typ)
	f.sequence(rest[0].list[1:])
	if len(rest) == 2 && len(rest[1].list) > 1 {
		f.code = append(f.code, 0x05)
		f.sequence(rest[1].list[1:])
	}
	f.close()
}

// immediates reads what follows an instruction's name.
func (f *function) immediates(o op, at *node, rest []node) (code []byte, left []node) {
	if o.takes == takesMemory {
		return memory(o, rest)
	}
	if o.takes == 0 {
		return nil, rest
	}
	if len(rest) == 0 || rest[0].kind != 'w' {
		fail(at.line, "%s lacks what should follow it", at.word)
	}
	switch next := &rest[0]; o.takes {
	case takesLabel:
		code = u(f.label(next))
	case takesLabels:
		var labels [][]byte
		for len(rest) > 0 && rest[0].kind == 'w' && (rest[0].word[0] == '$' || rest[0].word[0] <= '9') {
			labels = append(labels, u(f.label(&rest[0])))
			rest = rest[1:]
		}
		if len(labels) == 0 {
			fail(at.line, "br_table lacks its labels")
		}
		return cat(u(len(labels)-1), cat(labels...)), rest
	case takesFunc:
		code = u(index(f.m.funcs, f.m.funcCount, next))
	case takesLocal:
		code = u(index(f.sig.names, f.sig.n, next))
	case takesGlobal:
		code = u(index(f.m.globals, len(f.m.globalDefs), next))
	case takesI32:
		code = s(nil, next.number(32))
	case takesI64:
		code = s(nil, next.number(64))
	}
	return code, rest[1:]
}

// index finds what is referred to by name or number.
func index(names map[string]int, n int, of *node) int {
	i, known := names[of.word]
	if !known {
		v, err := strconv.ParseUint(of.word, 10, 32)
		if err != nil || int(v) >= n {
			fail(of.line, "%s is not defined", of.shown())
		}
		i = int(v)
	}
	return i
}

// label counts the blocks between here and the one that is named.
func (f *function) label(n *node) int {
	for depth := range f.labels {
		if f.labels[len(f.labels)-1-depth] == n.word {
			return depth
		}
	}
	return index(nil, len(f.labels)+1, n)
}

// memory reads offset=… and align=….
func memory(o op, rest []node) (code []byte, left []node) {
	offset, align := 0, int(o.align)
	for len(rest) > 0 && rest[0].kind == 'w' {
		key, value, _ := strings.Cut(rest[0].word, "=")
		number := node{line: rest[0].line, kind: 'w', word: value}
		if key == "offset" {
			offset = int(uint32(number.number(32)))
		} else if key == "align" {
			octets := uint32(number.number(32))
			if align = bits.TrailingZeros32(octets); bits.OnesCount32(octets) != 1 || align > int(o.align) {
				fail(number.line, "an alignment is a power of two, at most what is moved")
			}
		} else {
			break
		}
		rest = rest[1:]
	}
	return cat(u(align), u(offset)), rest
}
