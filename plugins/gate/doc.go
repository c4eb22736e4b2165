// Package gate stands between an uploaded Wasm module and wazero.
//
// wazero by itself is no sandbox for modules of strangers: a vector count of
// 2^30 in a module of fifteen octets ends the process inside its decoder,
// nested blocks keep its compiler busy for minutes, and machine code without a
// loop, or with one, cannot be stopped by a context and holds up the garbage
// collector of the whole process. So nothing gets there that has not been here:
//
//	upload --Check--> Module --Meter--> Metered --> wazero
//
// [Check] reads the module once, front to back. Every count is compared with
// the octets that are left and with a cap before anything is made for it; what
// a filter does not need (start functions, reference types, table changes,
// SIMD, threads, tail calls, exceptions, passive segments, imports other than
// the ABI's) is refused. Types are left to wazero, which checks them when it
// compiles; what is checked here is what its decoder and compiler believe.
//
// [Module.Meter] rewrites what passed, so that every function and every turn of
// a loop pays before it runs, in fuel, and calls pay in stack. An amount of fuel
// ends whatever runs away, after the same instruction at every run, on both of
// wazero's engines, where no context and no watchdog would.
//
// A refusal is a [*Refusal]: what is wrong, where, and the cure, under a code
// that stays. The gate holds no state and uses the standard library only.
package gate
