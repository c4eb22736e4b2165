package gate

import (
	"bytes"
	"unicode/utf8"
)

func (c *checker) typeSection() {
	n := c.count("types", 3, c.caps.types)
	c.m.types = make([]funcType, 0, n)
	for ; n > 0 && c.ok(); n-- {
		at := c.at
		if c.u8() != 0x60 {
			c.refuse(at, Forbidden, helpFeature, "defines a type that is no function")
		}
		params := c.valueTypes("parameters")
		c.m.types = append(c.m.types, funcType{params, c.valueTypes("results")})
	}
}

func (c *checker) valueTypes(what string) []byte {
	n := c.count(what, 1, maxParams)
	start := c.at
	for range n {
		c.valueType()
	}
	if !c.ok() {
		return nil
	}
	return c.b[start:c.at]
}

func (c *checker) importSection() {
	n := c.count("imports", 4, maxImports)
	c.m.Report.Imports = make([]string, 0, n)
	for ; n > 0 && c.ok(); n-- {
		at := c.at
		module, name, kind := c.name("module name"), c.name("name"), c.u8()
		if kind != 0 && c.ok() {
			c.refuse(at, Forbidden, "let the module define and export its own memory, tables and globals", "imports %s.%s, which is no function", printable(module), printable(name))
		}
		index := c.typeIndex()
		if !c.ok() {
			return
		}
		want, found := c.abi.Imports[string(module)][string(name)]
		switch {
		case !found:
			c.refuse(at, UnknownImport, "use only what the documentation for plugin authors lists; link without a system interface", "imports %s.%s, which does not exist", printable(module), printable(name))
		case !want.is(c.m.types[index]):
			c.refuse(at, MissingABI, "declare it as the documentation for plugin authors does", "imports %s.%s with another type", printable(module), printable(name))
		}
		c.m.funcs = append(c.m.funcs, index)
		c.m.Report.Imports = append(c.m.Report.Imports, string(module)+"."+string(name))
	}
	c.m.imported = len(c.m.funcs)
}

func (s Sig) is(t funcType) bool {
	return string(t.params) == s.Params && string(t.results) == s.Results
}

func (c *checker) typeIndex() uint32 {
	at := c.at
	i := c.u32()
	if c.ok() && int(i) >= len(c.m.types) {
		c.refuse(at, Malformed, helpBuild, "names type %d of %d", i, len(c.m.types))
	}
	return i
}

func (c *checker) functionSection() {
	n := c.count("functions", 1, c.caps.functions)
	funcs := make([]uint32, len(c.m.funcs), len(c.m.funcs)+n)
	copy(funcs, c.m.funcs)
	for ; n > 0 && c.ok(); n-- {
		funcs = append(funcs, c.typeIndex())
	}
	c.m.funcs = funcs
}

func (c *checker) tableSection() {
	if n := c.count("tables", 3, 1); n == 0 || !c.ok() {
		return
	}
	at := c.at
	if c.u8() != 0x70 {
		c.refuse(at, Forbidden, helpFeature, "has a table of something else than functions")
	}
	at = c.at
	least, _ := c.limits()
	if least > maxTable {
		c.refuse(at, OverLimit, helpSmaller, "has a table of %d entries, at most %d are allowed", least, maxTable)
	}
	c.m.table, c.m.Report.Table = true, int(least)
}

// limits reads a size and the size that may be grown to, if there is one.
func (c *checker) limits() (least, most uint32) {
	at := c.at
	switch flag := c.u8(); flag {
	case 0:
		return c.u32(), ^uint32(0)
	case 1:
		least, most = c.u32(), c.u32()
		if least > most {
			c.refuse(at, Malformed, helpBuild, "may grow to less than it starts with")
		}
		return least, most
	default:
		c.refuse(at, Forbidden, helpFeature, "is shared between threads or has 64-bit addresses")
		return 0, 0
	}
}

func (c *checker) memorySection() {
	if n := c.count("memories", 2, 1); n == 0 || !c.ok() {
		return
	}
	at := c.at
	least, most := c.limits()
	if least > MaxPages {
		c.refuse(at, OverLimit, "give the linker a smaller initial memory or stack", "starts with %d pages of memory, at most %d are allowed", least, MaxPages)
	}
	c.m.memory = true
	c.m.minPages, c.m.maxPages = least, min(most, MaxPages)
	c.m.Report.Pages = int(least)
}

func (c *checker) globalSection() {
	n := c.count("globals", 5, c.caps.globals)
	c.m.globals = make([]global, 0, n)
	for ; n > 0 && c.ok(); n-- {
		kind := c.valueType()
		at := c.at
		mutable := c.u8()
		if mutable > 1 {
			c.refuse(at, Malformed, helpBuild, "has a global that is neither constant nor variable")
		}
		c.constant(kind)
		c.m.globals = append(c.m.globals, global{kind, mutable == 1})
	}
}

// constant reads an initial value: one constant of a kind, nothing computed.
func (c *checker) constant(kind byte) (v int64) {
	at := c.at
	if op := c.u8(); c.ok() && op != opI32Const+(I32-kind) {
		c.refuse(at, Forbidden, helpFeature, "has an initial value that is not a plain constant of its type")
	}
	switch kind {
	case I32:
		v = c.signed(5)
	case I64:
		v = c.signed(10)
	case F32:
		c.skip(4)
	case F64:
		c.skip(8)
	}
	at = c.at
	if c.u8() != opEnd {
		c.refuse(at, Forbidden, helpFeature, "has an initial value that is computed")
	}
	return v
}

func (c *checker) startSection() {
	c.refuse(c.at, Forbidden, "export what must run first as _initialize (AssemblyScript: --exportStart _initialize; others: build a reactor)", "has a start function")
}

func (c *checker) elementSection() {
	total := 0
	for n := c.count("segments", 4, maxTable); n > 0 && c.ok(); n-- {
		at := c.at
		if flag := c.u32(); flag != 0 {
			c.refuse(at, Forbidden, helpFeature, "has a passive, declared or typed segment")
		}
		offset := uint32(c.constant(I32))
		k := c.count("functions", 1, maxTable)
		if total += k; total > maxTable {
			c.refuse(at, OverLimit, helpSmaller, "has more than %d functions", maxTable)
		}
		if c.ok() && uint64(offset)+uint64(k) > uint64(c.m.Report.Table) {
			c.refuse(at, Malformed, helpBuild, "fills entries %d to %d of a table of %d", offset, uint64(offset)+uint64(k), c.m.Report.Table)
		}
		for ; k > 0 && c.ok(); k-- {
			at := c.at
			if f := c.u32(); c.ok() && int(f) >= len(c.m.funcs) {
				c.refuse(at, Malformed, helpBuild, "names function %d of %d", f, len(c.m.funcs))
			}
		}
	}
}

func (c *checker) dataCount() { c.count("segments", 0, maxSegments) }

func (c *checker) dataSection() {
	for n := c.count("segments", 5, maxSegments); n > 0 && c.ok(); n-- {
		at := c.at
		if flag := c.u32(); flag != 0 {
			c.refuse(at, Forbidden, helpFeature, "has a passive segment")
		}
		offset := uint32(c.constant(I32))
		data := c.skip(c.count("octets", 1, MaxModule))
		if c.ok() && uint64(offset)+uint64(len(data)) > uint64(c.m.minPages)<<16 {
			c.refuse(at, Malformed, helpBuild, "puts data at %d to %d, memory has %d octets", offset, uint64(offset)+uint64(len(data)), uint64(c.m.minPages)<<16)
		}
	}
}

func (c *checker) codeSection() {
	at := c.at
	n := c.count("functions", 2, c.caps.functions)
	if c.ok() && n != len(c.m.funcs)-c.m.imported {
		c.refuse(at, Malformed, helpBuild, "has %d functions, %d are declared", n, len(c.m.funcs)-c.m.imported)
	}
	c.m.bodies = make([]body, 0, n)
	r := &c.m.Report
	for i := 0; i < n && c.ok(); i++ {
		c.function = c.m.imported + i
		b := c.body(c.function)
		r.Largest, r.Blocks = max(r.Largest, b.end-b.start), max(r.Blocks, b.blocks)
		if live := (b.locals + b.height) * (b.blocks + b.targets); live > c.caps.live {
			c.refuse(b.start, OverLimit, helpSplit, "has %d locals and %d branches: together they keep the compiler busy", b.locals, b.blocks+b.targets)
		}
		if r.Effort += b.blocks * b.blocks; r.Effort > c.caps.squares {
			c.refuse(b.start, OverLimit, helpSplit, "this function and those before it have too many blocks: squared and added %d, at most %d are allowed", r.Effort, c.caps.squares)
		}
		c.m.bodies = append(c.m.bodies, b)
	}
}

func (c *checker) exportSection() {
	n := c.count("exports", 3, c.caps.exports)
	c.m.exports = make([]export, 0, n)
	most := [4]int{len(c.m.funcs), b2i(c.m.table), b2i(c.m.memory), len(c.m.globals)}
	for ; n > 0 && c.ok(); n-- {
		at := c.at
		e := export{name: c.name("name"), kind: c.u8(), index: c.u32()}
		switch {
		case !c.ok():
		case !utf8.Valid(e.name):
			c.refuse(at, Malformed, helpBuild, "has a name that is not UTF-8")
		case e.kind > 3:
			c.refuse(at, Forbidden, helpFeature, "exports %s, which is neither function, memory nor global", printable(e.name))
		case int(e.index) >= most[e.kind]:
			c.refuse(at, Malformed, helpBuild, "exports %s, which is not there", printable(e.name))
		case !c.caps.ours && bytes.HasPrefix(e.name, []byte(reserved)):
			c.refuse(at, Forbidden, "choose another name", "exports %s; names that begin with %s are ours", printable(e.name), reserved)
		}
		c.m.exports = append(c.m.exports, e)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
