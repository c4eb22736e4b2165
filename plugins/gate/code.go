package gate

// instr is one instruction with what follows it.
type instr struct {
	at    int
	op    byte
	sub   uint32 // second opcode after opMisc
	index uint32 // label, function, type, local or global; the largest label of a br_table
	block int64  // block type: a type index, or negative
	n     int    // labels of a br_table
}

// next reads one instruction. What it gives is within the format; whether
// indices exist is for the caller to see.
func (c *cursor) next() (in instr) {
	in.at = c.at
	in.op = c.u8()
	switch ops[in.op].imm {
	case immNone:
	case immBlock:
		c.blockType(&in)
	case immLabel, immCall, immLocal, immGlobal:
		in.index = c.u32()
	case immTable:
		in.n = c.count("targets of a br_table", 1, maxTargets)
		for i := 0; i <= in.n && c.ok(); i++ { // one more: the default
			in.index = max(in.index, c.u32())
		}
	case immIndirect:
		in.index = c.u32()
		if at := c.at; c.u32() != 0 {
			c.refuse(at, Forbidden, helpFeature, "a call goes through a second table")
		}
	case immSelect:
		if at := c.at; c.u32() != 1 {
			c.refuse(at, Malformed, helpBuild, "select does not have one type")
		}
		c.valueType()
	case immMem:
		at := c.at
		if align := c.u32(); align > wide(in.op) {
			c.refuse(at, Malformed, helpFeature, "an access has an impossible alignment or a second memory")
		}
		c.u32()
	case immZero:
		if at := c.at; c.u8() != 0 {
			c.refuse(at, Forbidden, helpFeature, "uses a second memory")
		}
	case immI32:
		c.signed(5)
	case immI64:
		c.signed(10)
	case immF32:
		c.skip(4)
	case immF64:
		c.skip(8)
	case immMisc:
		in.sub = c.u32()
		c.misc(in)
	case immForbidden:
		if c.ok() {
			c.refuse(in.at, Forbidden, helpFeature, "uses %s (opcode %#02x)", unlisted(in.op), in.op)
		}
	}
	return in
}

func (c *cursor) misc(in instr) {
	switch {
	case in.sub <= 7: // saturating truncation
	case in.sub == miscCopy || in.sub == miscFill:
		for range int(12 - in.sub) { // copy names two memories, fill one
			if at := c.at; c.u8() != 0 {
				c.refuse(at, Forbidden, helpFeature, "uses a second memory")
			}
		}
	case in.sub == 8 || in.sub == 9:
		c.refuse(in.at, Forbidden, helpFeature, "uses passive data segments")
	case in.sub <= 17:
		c.refuse(in.at, Forbidden, helpFeature, "changes tables")
	default:
		c.refuse(in.at, Forbidden, helpFeature, "uses an unknown instruction (opcode 0xfc %d)", in.sub)
	}
}

// blockType reads what a block takes and leaves: nothing, one value, or a type.
func (c *cursor) blockType(in *instr) {
	if c.at < c.end {
		switch b := c.b[c.at]; b {
		case emptyBlock, I32, I64, F32, F64:
			c.at++
			in.block = int64(b) - 0x80
			return
		}
	}
	at := c.at
	if in.block = c.signed(5); in.block < 0 {
		c.refuse(at, Forbidden, helpFeature, "a block has a result that is no number")
	}
}

func (c *cursor) valueType() byte {
	at := c.at
	t := c.u8()
	if c.ok() && (t < F64 || t > I32) {
		c.refuse(at, Forbidden, helpFeature, "uses the value type %#02x, which is no number", t)
	}
	return t
}

// frame is an open block.
type frame struct {
	op              byte
	base            int // height below its parameters
	params, results int
	dead            bool // nothing gets here: heights say nothing
	unreached       bool // nothing ever got into the block
}

// body checks one function: locals, nesting, indices, and how high its operand
// stack gets. Types are wazero's to check.
func (c *checker) body(f int) body {
	size := c.count("octets of code", 1, c.caps.body)
	b := body{start: c.at, end: c.at + size}
	outer := c.end
	c.end = b.end
	t := c.m.types[c.m.funcs[f]]
	b.locals = len(t.params)
	for groups := c.count("groups of locals", 2, MaxBody); groups > 0 && c.ok(); groups-- {
		at := c.at
		n := c.u32()
		c.valueType()
		if uint64(b.locals)+uint64(n) > maxLocals {
			c.refuse(at, OverLimit, helpSplit, "has more than %d locals", maxLocals)
		}
		b.locals += int(n)
	}
	b.code = c.at
	c.expression(&b, len(t.results))
	if c.ok() && c.at != b.end {
		c.refuse(c.at, Malformed, helpBuild, "goes on after its end")
	}
	if c.ok() {
		c.end = outer
	}
	return b
}

func (c *checker) expression(b *body, results int) {
	c.frames = append(c.frames[:0], frame{op: opBlock, results: results})
	height, targets := 0, 0
	for len(c.frames) > 0 && c.ok() {
		in := c.next()
		if !c.ok() {
			return // what was read of it may be anything
		}
		top := &c.frames[len(c.frames)-1]
		o := ops[in.op]
		pop, push := int(o.pop), int(o.push)
		leave := false
		var open frame
		switch in.op {
		case opBlock, opLoop, opIf:
			open = c.open(in)
			pop += open.params
			b.blocks += 1 + b2i(in.op == opLoop) // metering puts an if into each loop
		case opElse:
			if top.op != opIf {
				c.refuse(in.at, Malformed, helpBuild, "else without if")
			}
			c.balanced(in.at, top, height)
			top.op, top.dead, height = opElse, top.unreached, top.base+top.params
			continue
		case opEnd:
			c.balanced(in.at, top, height)
			height = top.base + top.results
			b.height = max(b.height, height)
			c.frames = c.frames[:len(c.frames)-1]
			continue
		case opBr, opBrIf, opBrTable:
			if targets += in.n; targets > maxTargets {
				c.refuse(in.at, OverLimit, helpSplit, "has more than %d targets of br_table", maxTargets)
			}
			if int(in.index) >= len(c.frames) {
				c.refuse(in.at, Malformed, helpBuild, "branches to label %d of %d", in.index, len(c.frames))
			}
			leave = in.op != opBrIf
		case opReturn, opUnreachable:
			leave = true
		case opCall:
			pop, push = c.call(in)
			b.calls = b.calls || int(in.index) >= c.m.imported
		case opCallIndirect:
			pop, push = c.indirect(in)
			b.calls = true
		case opSelectTyped:
		case opMisc:
			pop, push = 1, 1
			if in.sub >= miscCopy {
				pop, push = 3, 0
				c.m.bulk[in.sub-miscCopy] = true
			}
		case opMemoryGrow:
			c.m.grows = true
		default:
			c.indices(in, o.imm, b.locals)
		}
		if !c.ok() {
			return
		}
		if height -= pop; height < top.base {
			if !top.dead {
				c.refuse(in.at, Malformed, helpBuild, "takes a value that is not there")
				return
			}
			height = top.base
		}
		if open.op != 0 {
			open.base, open.dead, open.unreached = height, top.dead, top.dead
			height += open.params
			c.frames = append(c.frames, open)
			if b.blocks > c.caps.blocks {
				c.refuse(in.at, OverLimit, helpSplit, "has more than %d blocks", c.caps.blocks)
			}
			continue
		}
		height += push
		b.height = max(b.height, height)
		if height > c.caps.height {
			c.refuse(in.at, OverLimit, helpSplit, "has more than %d values on the operand stack", c.caps.height)
		}
		if leave {
			top.dead = true
		}
	}
	b.targets = targets
}

// balanced refuses a block that ends with more or fewer values than its type says.
func (c *checker) balanced(at int, f *frame, height int) {
	if !f.dead && height != f.base+f.results {
		c.refuse(at, Malformed, helpBuild, "a block leaves %d values, its type says %d", height-f.base, f.results)
	}
}

// open makes the frame of a block.
func (c *checker) open(in instr) frame {
	f := frame{op: in.op}
	switch {
	case in.block >= int64(len(c.m.types)):
		c.refuse(in.at, Malformed, helpBuild, "a block has type %d of %d", in.block, len(c.m.types))
	case in.block >= 0:
		f.params, f.results = len(c.m.types[in.block].params), len(c.m.types[in.block].results)
	case in.block != emptyBlock-0x80:
		f.results = 1
	}
	return f
}

// call tells what a call takes and leaves.
func (c *checker) call(in instr) (pop, push int) {
	if int(in.index) >= len(c.m.funcs) {
		c.refuse(in.at, Malformed, helpBuild, "calls function %d of %d", in.index, len(c.m.funcs))
		return 0, 0
	}
	t := c.m.types[c.m.funcs[in.index]]
	return len(t.params), len(t.results)
}

func (c *checker) indirect(in instr) (pop, push int) {
	if int(in.index) >= len(c.m.types) || !c.m.table {
		c.refuse(in.at, Malformed, helpBuild, "calls through a table or type that is not there")
		return 0, 0
	}
	t := c.m.types[in.index]
	return len(t.params) + 1, len(t.results)
}

// indices checks what an instruction names.
func (c *checker) indices(in instr, kind imm, locals int) {
	switch {
	case kind == immLocal && int(in.index) >= locals:
		c.refuse(in.at, Malformed, helpBuild, "uses local %d of %d", in.index, locals)
	case kind == immGlobal && int(in.index) >= len(c.m.globals):
		c.refuse(in.at, Malformed, helpBuild, "uses global %d of %d", in.index, len(c.m.globals))
	case kind == immGlobal && in.op == opGlobalSet && !c.m.globals[in.index].mutable:
		c.refuse(in.at, Malformed, helpBuild, "sets global %d, which is constant", in.index)
	}
}
