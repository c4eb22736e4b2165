package gate

// Sig is the type of a function of the ABI, in octets I32, I64, F32 and F64.
type Sig struct{ Params, Results string }

// Sig32 gives the type of a function that takes n words and leaves results.
func Sig32(n int, results string) Sig {
	const words = "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"
	return Sig{words[:n], results}
}

// Export is a function that a module has to offer, or may.
type Export struct {
	Name     string
	Sig      Sig
	Optional bool
}

// ABI is what a module may import and has to export. Memory has to be
// exported under the name "memory".
type ABI struct {
	Imports map[string]map[string]Sig // by module, by name
	Exports []Export
}

// Report is what an author is told of a module that was taken.
type Report struct {
	Octets    int      `json:"octets"`
	Functions int      `json:"functions"`
	Imports   []string `json:"imports"`       // "module.name"
	Pages     int      `json:"pages"`         // of 64 KiB: memory at the start
	Largest   int      `json:"largest_body"`  // octets of the largest function
	Blocks    int      `json:"blocks"`        // of the function that has most
	Effort    int      `json:"effort"`        // squares of the blocks of all functions: what compiling costs
	Exports   []string `json:"exports"`       // functions of the ABI that it has
	Table     int      `json:"table_entries"` // functions that can be called indirectly
}

// Module is a module that passed Check. It keeps the octets it was made of.
type Module struct {
	Report   Report
	Manifest []byte // the custom section smtpsync.manifest, nil if there is none

	raw      []byte
	types    []funcType
	funcs    []uint32 // types of all functions, imported ones first
	imported int
	globals  []global
	exports  []export
	bodies   []body
	sections [13]span // by id; empty: not there
	table    bool
	memory   bool
	minPages uint32
	maxPages uint32 // MaxPages if the module does not say
	bulk     [2]bool
	grows    bool
}

// span is a section in the file, with id and size.
type span struct{ start, end int }

type funcType struct{ params, results []byte }

type global struct {
	kind    byte
	mutable bool
}

type export struct {
	name  []byte
	kind  byte // 0 function, 1 table, 2 memory, 3 global
	index uint32
}

// body is one function of the module.
type body struct {
	start, end int // from its locals to its last octet
	code       int // where its instructions begin
	locals     int // with parameters
	height     int // most values on the operand stack
	blocks     int
	targets    int  // of its br_table
	calls      bool // calls functions of the module itself
}
