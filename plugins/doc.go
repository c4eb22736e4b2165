// Package plugins runs rules: Wasm modules that see a message's header, through
// fields that they were granted, and give a verdict. It is the only home of
// wazero.
//
//	upload ── gate.Check ── manifest ── gate.Meter ── compile ─→ Plugin (one per digest)
//	Plugin + settings ── _initialize ── configure_v1 ── three warm-ups ─→ Rule with a snapshot
//	Chain (rules in a user's order) ── Decide(header, ref) ─→ mail.Verdict
//
// What it promises:
//
//   - A call ends. It has fuel and stack, and both run out at the same
//     instruction every time, on both engines; calls run in a bounded number of
//     slots, fewer than there are processors where there are several.
//   - Nothing of a message is left in a plugin: after each call memory and
//     variables are those of the snapshot, and an instance that failed or grew
//     is thrown away. So module, settings and header decide alone.
//   - It fails open. A rule that fails is left out for that message and
//     reported by a Class, never by a text that a plugin or wazero wrote; one
//     that goes on failing is switched off for a while.
//
// Plugins have no clock, no randomness, no network and no files. What leaves
// them is a verdict, a reason number, labels, numeric notes, and their fuel.
package plugins
