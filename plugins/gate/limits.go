package gate

// What a module may have. The figures leave room for what compilers make of
// real rules (C, Rust and AssemblyScript: at most 76 blocks in a function; Go
// with its runtime, regexp and json: 986 blocks, nested over 500 deep, bodies
// of 50 kB, 17 locals) and stop well before wazero's compiler, whose time grows
// faster than linearly with the blocks of one function.
const (
	MaxModule   = 4 << 20   // octets of the file
	MaxManifest = 16 << 10  // octets of the manifest section
	MaxPages    = 256       // of 64 KiB: linear memory
	MaxBody     = 256 << 10 // octets of one function
	MaxBlocks   = 2500      // block and if of one function, and twice its loops
	MaxSquares  = 20_000_000

	maxTypes     = 2000
	maxParams    = 64 // of one type; results alike
	maxImports   = 64
	maxFunctions = 20_000
	maxTable     = 20_000
	maxGlobals   = 1000
	maxExports   = 1000
	maxName      = 256
	maxSegments  = 100_000 // of data: the Go linker cuts at every run of zeros
	maxLocals    = 2000    // parameters included
	maxTargets   = 4096    // of all br_table of one function
	maxHeight    = 1000    // values on the operand stack
	maxLive      = 500_000
)

// caps are the limits that metering moves: what it adds must pass as well.
type caps struct {
	module, body, blocks, height, squares, types, functions, globals, exports, live int
	ours                                                                            bool // exports of the reserved prefix are allowed
}

var (
	uploaded = caps{
		module: MaxModule, body: MaxBody, blocks: MaxBlocks, height: maxHeight, squares: MaxSquares,
		types: maxTypes, functions: maxFunctions, globals: maxGlobals, exports: maxExports, live: maxLive,
	}
	// Metering adds a block to each loop, three to a function, and less than
	// forty octets for each of them.
	metered = caps{
		module: 8 * MaxModule, body: 2*MaxBody + 40*MaxBlocks, blocks: 2*MaxBlocks + 3, height: maxHeight + 8, squares: 4*MaxSquares + 30*maxFunctions + 12*MaxSquares,
		types: maxTypes + maxFunctions + 2, functions: maxFunctions + 3, globals: maxGlobals + 2, exports: maxExports + maxGlobals + 2, live: 4 * maxLive,
		ours: true,
	}
)
