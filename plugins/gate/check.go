package gate

// ManifestSection is the custom section with the manifest of a module; all
// others are passed over and left out of what is compiled.
const ManifestSection = "smtpsync.manifest"

const (
	reserved = "__ss_" // exports that metering adds
	magic    = "\x00asm"
	version  = "\x01\x00\x00\x00"
)

// Check reads a module and tells what is in it, or gives the *Refusal that
// says why it is not taken. The time it takes is linear in the octets, and so
// is what it holds; wasm must not change as long as the Module is used.
func Check(wasm []byte, abi *ABI) (*Module, error) {
	return check(wasm, abi, &uploaded)
}

func check(wasm []byte, abi *ABI, limits *caps) (*Module, error) {
	c := checker{cursor: cursor{b: wasm, end: len(wasm), function: -1}, m: &Module{raw: wasm, maxPages: MaxPages}, abi: abi, caps: limits}
	c.module()
	if c.refusal != nil {
		return nil, c.refusal
	}
	return c.m, nil
}

type checker struct {
	cursor
	m      *Module
	abi    *ABI
	caps   *caps
	frames []frame
}

// sections are those that are known: its name, and its place among the others.
var sections = [13]struct {
	name string
	rank int
	read func(*checker)
}{
	0:  {"custom", 0, (*checker).custom},
	1:  {"type", 1, (*checker).typeSection},
	2:  {"import", 2, (*checker).importSection},
	3:  {"function", 3, (*checker).functionSection},
	4:  {"table", 4, (*checker).tableSection},
	5:  {"memory", 5, (*checker).memorySection},
	6:  {"global", 6, (*checker).globalSection},
	7:  {"export", 7, (*checker).exportSection},
	8:  {"start", 8, (*checker).startSection},
	9:  {"element", 9, (*checker).elementSection},
	10: {"code", 11, (*checker).codeSection},
	11: {"data", 12, (*checker).dataSection},
	12: {"data count", 10, (*checker).dataCount},
}

func (c *checker) module() {
	const helpWasm = "upload the .wasm file that your compiler wrote"
	switch {
	case len(c.b) < 8 || string(c.b[:4]) != magic:
		c.refuse(0, NotWasm, helpWasm, "is no WebAssembly module")
	case string(c.b[4:8]) != version:
		c.refuse(4, NotWasm, helpWasm+"; components are not taken, core modules are", "is not WebAssembly version 1")
	case len(c.b) > c.caps.module:
		c.refuse(0, TooLarge, helpSmaller, "has %d octets, at most %d are allowed", len(c.b), c.caps.module)
	}
	c.at = min(8, c.end)
	for rank := 0; c.left() > 0 && c.ok(); {
		rank = c.readSection(rank)
	}
	if c.section, c.function = "", -1; c.ok() {
		c.whole()
	}
}

// readSection reads one section that has to come after those of a rank.
func (c *checker) readSection(rank int) int {
	start := c.at
	c.section = ""
	id := c.u8()
	if int(id) >= len(sections) {
		c.refuse(start, Forbidden, helpFeature, "has a section of kind %d", id)
		return rank
	}
	s := sections[id]
	c.section = s.name
	size := c.count("octets", 1, c.caps.module)
	if id != 0 && s.rank <= rank {
		c.refuse(start, Malformed, helpBuild, "comes twice or out of order")
	}
	if !c.ok() {
		return rank
	}
	outer := c.end
	c.end = c.at + size
	s.read(c)
	if c.function = -1; c.ok() && c.at != c.end {
		c.refuse(c.at, Malformed, helpBuild, "has %d octets after its end", c.left())
	}
	if !c.ok() {
		return rank
	}
	c.end = outer
	if id == 0 {
		return rank
	}
	c.m.sections[id] = span{start, c.at}
	return s.rank
}

// custom passes over a custom section, unless it is the manifest.
func (c *checker) custom() {
	start := c.at
	name := c.skip(c.count("octets of name", 1, MaxModule))
	content := c.skip(c.left())
	switch {
	case !c.ok() || string(name) != ManifestSection:
	case c.m.Manifest != nil:
		c.refuse(start, Malformed, "pack the module once, from the file that the compiler wrote", "has two manifests")
	case len(content) > MaxManifest:
		c.refuse(start, TooLarge, "shorten its texts", "has a manifest of %d octets, at most %d are allowed", len(content), MaxManifest)
	default:
		c.m.Manifest = content
	}
}

// whole checks what shows only at the end.
func (c *checker) whole() {
	m := c.m
	m.Report.Octets, m.Report.Functions = len(c.b), len(m.funcs)-m.imported
	if len(m.bodies) != m.Report.Functions {
		c.refuse(c.at, Malformed, helpBuild, "declares %d functions and has none", m.Report.Functions)
	}
	c.required()
}

// required looks for the exports of the ABI.
func (c *checker) required() {
	if e := c.m.export("memory"); e == nil || e.kind != 2 {
		c.refuse(c.at, MissingABI, "export the linear memory under this name", `lacks the export "memory"`)
	}
	for _, want := range c.abi.Exports {
		e := c.m.export(want.Name)
		switch {
		case e == nil && want.Optional:
		case e == nil:
			c.refuse(c.at, MissingABI, "export it as the documentation for plugin authors shows", "lacks the export %q", want.Name)
		case e.kind != 0 || !want.Sig.is(c.m.types[c.m.funcs[e.index]]):
			c.refuse(c.at, MissingABI, "declare it as the documentation for plugin authors does", "exports %q with another type", want.Name)
		default:
			c.m.Report.Exports = append(c.m.Report.Exports, want.Name)
		}
	}
}

func (m *Module) export(name string) *export {
	for i := range m.exports {
		if string(m.exports[i].name) == name {
			return &m.exports[i]
		}
	}
	return nil
}
