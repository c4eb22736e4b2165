package main

const (
	gate    = "./plugins/gate"
	plugins = "./plugins"

	hostile = "Hostile|CostsNoMemory|RefusalNames"
	metered = "MeteringChangesNothing"
	priced  = "PriceFollows" // ends, whatever it finds: without fuel nothing else would
)

func init() { mutants = append(mutants, ofPlugins...) }

var ofPlugins = []mutant{
	{
		name: "gate-count", why: "a count is believed without octets that bear it out",
		edits: in("plugins/gate/cursor.go", "case uint64(n)*uint64(size) > uint64(c.left()):", "case false:"),
		pkg:   gate, run: hostile,
	},
	{
		name: "gate-blocks", why: "a function may have as many blocks as it likes",
		edits: in("plugins/gate/code.go", "if b.blocks > c.caps.blocks {", "if false {"),
		pkg:   gate, run: "LimitsAre",
	},
	{
		name: "gate-opcodes", why: "an opcode that is not listed passes",
		edits: in("plugins/gate/code.go", "	case immForbidden:\n		if c.ok() {", "	case immForbidden:\n		if false {"),
		pkg:   gate, run: hostile,
	},
	{
		name: "gate-start", why: "a start function runs before there is fuel",
		edits: in("plugins/gate/sections.go", "func (c *checker) startSection() {", "func (c *checker) startSection() {\n	if c.u32(); c.ok() {\n		return\n	}"),
		pkg:   gate, run: hostile,
	},
	{
		name: "fuel-loops", why: "a turn of a loop costs nothing but its check",
		edits: in("plugins/gate/meter.go", "			if w.frames[last] || last == 0 {\n				patchPrice(w.out[top.patch:], top.price)", "			if w.frames[last] || last == 0 {\n				patchPrice(w.out[top.patch:], top.price*int64(b2i(last == 0))+1)"),
		pkg:   gate, run: priced,
	},
	{
		name: "fuel-bulk", why: "filling memory costs the same whatever its length",
		edits: in("plugins/gate/price.go", "shiftFill = 3", "shiftFill = 40"),
		pkg:   gate, run: priced,
	},
	{
		name: "stack-back", why: "a frame is not given back by a return from the middle",
		edits: in("plugins/gate/meter.go", "case in.op == opReturn && b.calls:", "case false:"),
		pkg:   gate, run: metered,
	},
	{
		name: "stack-depth", why: "the depth of calls is left to the engines",
		edits: in("plugins/gate/meter.go", "		w.take(frame)", "		w.give(frame)"),
		pkg:   gate, run: metered,
	},
	{
		name: "no-reset", why: "an instance is lent again as the last message left it",
		edits: in("plugins/plugin.go", "	if fault != nil || !in.restore(snap) {", "	if in.holds = snap; fault != nil {"),
		pkg:   plugins, run: "NoOctet",
	},
	{
		name: "half-reset", why: "what memory has beyond the snapshot is not cleared",
		edits: in("plugins/instance.go", "clear(view[copy(view, s.memory):])", "copy(view, s.memory)"),
		pkg:   plugins, run: "NoOctet",
	},
	{
		name: "free-host", why: "searching the header costs no fuel",
		edits: in("plugins/abi.go", "	c.pay(c.facts.Len() / 2) // it is searched each time\n", ""),
		pkg:   plugins, run: "Searching",
	},
	{
		name: "any-field", why: "a plugin sees fields that its manifest does not name",
		edits: in("plugins/call.go", "case !c.plugin.grant.fields[id]:", "case false:"),
		pkg:   plugins, run: "HostFunctions",
	},
	{
		name: "any-bit", why: "a verdict that was not granted counts",
		edits: in("plugins/chain.go", "o.Bits = all & granted", "o.Bits = all"),
		pkg:   plugins, run: "GrantedBits",
	},
	{
		name: "closed", why: "one rule that fails takes the others with it",
		edits: in("plugins/chain.go", "				left = fault.reason()\n			}\n			continue", "				left = fault.reason()\n			}\n			return mail.Verdict{}, nil"),
		pkg:   plugins, run: "LeftOut",
	},
	{
		name: "no-rest", why: "a plugin that always fails is asked for every message",
		edits: in("plugins/breaker.go", "if br.trying || time.Now().Before(br.until) {", "if false {"),
		pkg:   plugins, run: "Rests|RestDoubles|LeftOut",
	},
	{
		name: "two-manifests", why: "a module that is packed again keeps its former manifest",
		edits: in("plugins/gate/pack.go", "if string(name) == ManifestSection {", "if string(name) == \"\" {"),
		pkg:   gate, run: "Packed",
	},
	{
		name: "stale-rule", why: "a shipped module that differs from its source is taken for it",
		edits: in("internal/tools/shippedrules/main.go", "err == nil && bytes.Equal(got, made[path]) {", "err == nil && len(got) == len(made[path]) {"),
		pkg:   "./internal/tools/shippedrules", run: "NamedAndMended",
	},
	{
		name: "assembler-numbers", why: "the assembler writes -64 to 63 in one octet, and 64 too",
		edits: in("plugins/wat/module.go", "v == 0 && low&0x40 == 0 ||", "v == 0 ||"),
		pkg:   "./plugins/wat", run: "AnotherAssembler",
	},
	{
		name: "suite-memory", why: "the suite does not mind a filter that remembers",
		edits: in("plugins/filtertest/filtertest.go", "!got.equal(&want) || out.Fuel", "out.Fuel"),
		pkg:   "./plugins/filtertest", run: "FindsWhatIsWrong",
	},
	{
		name: "suite-grants", why: "the suite does not mind a verdict that was not granted",
		edits: in("plugins/filtertest/filtertest.go", "case o.Dropped > 0 || o.Bits&^m.Needs.May() != 0:", "case false:"),
		pkg:   "./plugins/filtertest", run: "FindsWhatIsWrong",
	},
	{
		name: "price-memory", why: "a load costs the same whatever the size of the memory",
		edits: in("plugins/gate/price.go", "	case in.op >= 0x28 && in.op <= 0x35:\n		return priceOfLoad(w.pages)", "	case in.op >= 0x28 && in.op <= 0x35:\n		return 4"),
		pkg:   gate, run: "PriceOfMemory",
	},
	{
		name: "worker-limits", why: "the kernel holds a worker to nothing",
		edits: in("plugins/confine_linux.go", "if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {", "if err := error(nil); err != nil || most > 1<<60 {"),
		pkg:   plugins, run: "LimitsOfTheKernel",
	},
	{
		name: "compile-cpu", why: "compiling a new module may take for ever, of a processor",
		edits: in("plugins/worker.go", "if err := limitCPU(c.cmd.Process.Pid, w.compile); err != nil {", "if err := limitCPU(c.cmd.Process.Pid, time.Hour); err != nil {"),
		pkg:   plugins, run: "CompilingHasALimit",
	},
	{
		name: "worker-clock", why: "a worker may take for ever",
		edits: in("plugins/child.go", "w.limit = time.AfterFunc(limit, c.kill)", "w.limit = time.AfterFunc(limit+time.Hour, c.kill)"),
		pkg:   plugins, run: "CompilingHasALimit|NoOther",
	},
	{
		name: "no-budget", why: "a user's rules may take all of a processor",
		edits: in("plugins/budget.go", "case d <= 0:", "case d <= 0 || d > 0:"),
		pkg:   plugins, run: "ThatEat",
	},
	{
		name: "no-room", why: "modules stay in memory for ever",
		edits: in("plugins/host.go", "if taken <= h.room || oldest == nil {", "if true {"),
		pkg:   plugins, run: "NobodyAsksFor",
	},
	{
		name: "book-grows", why: "memory keeps the rules of every user",
		edits: in("internal/rulebook/book.go", "if len(b.made) > maxUsers {", "if false {"),
		pkg:   "./internal/rulebook", run: "SomeUsers",
	},
}
