// Package wat assembles WebAssembly text: as much of it as rules are written
// in, to the same octets as wat2wasm of the WebAssembly Binary Toolkit. So the
// rules that ship are built, and built again to compare, by Go alone.
//
// It speaks: imported functions; one memory; data; globals of numbers;
// functions with names, parameters, one result, locals and inline exports;
// instructions of integers and of memory, plain or folded, and block, loop and
// if in their folded form. It does not speak: floats, tables, types by name,
// start functions. What it does not know is an error with its line.
//
// It checks names and numbers, not types: the gate and wazero do that.
package wat
