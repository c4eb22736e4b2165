package gate

import "fmt"

// Code says what kind of thing is wrong with a module. Codes are part of the
// API: they stay.
type Code string

const (
	NotWasm       Code = "not_wasm"       // no core module of version 1
	Malformed     Code = "malformed"      // breaks the binary format
	TooLarge      Code = "too_large"      // the module as a whole
	OverLimit     Code = "over_limit"     // more of something than any rule needs
	Forbidden     Code = "forbidden"      // a feature that rules have no use for
	UnknownImport Code = "unknown_import" // asks for a function that there is not
	MissingABI    Code = "missing_abi"    // lacks an export of the ABI, or has it with another type
)

// Refusal tells the author of a module why it is not taken.
type Refusal struct {
	Code     Code   `json:"code"`
	Section  string `json:"section,omitempty"` // "" where it is about the module
	Function int    `json:"function"`          // index as the module counts, -1 outside of code
	Offset   int    `json:"offset"`            // octets from the start of the file
	Text     string `json:"text"`              // what is wrong
	Help     string `json:"help"`              // what to do
}

// Error gives one line: place, thing, cure.
func (r *Refusal) Error() string {
	place := "module"
	switch {
	case r.Function >= 0:
		place = fmt.Sprintf("function %d at octet %d", r.Function, r.Offset)
	case r.Section != "":
		place = fmt.Sprintf("%s section at octet %d", r.Section, r.Offset)
	}
	return fmt.Sprintf("%s: %s: %s", place, r.Text, r.Help)
}

// The cures that several refusals share.
const (
	helpBuild   = "build the module again and upload the whole file"
	helpFeature = "build for the WebAssembly MVP, with nothing on top but bulk-memory, mutable-globals, sign-ext, nontrapping-fptoint and multivalue"
	helpSmaller = "make it smaller: rules need little, and what a tool chain adds can often be switched off"
	helpSplit   = "split the function"
)

// printable cuts a name from a module short for an error.
func printable(name []byte) string {
	const most = 64
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}
