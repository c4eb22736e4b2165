package gate

import "slices"

// Pack gives a module with a manifest in it, in place of one that it may have:
// what `plugin pack` and the build of the shipped rules write. It looks at
// nothing but where sections begin; its error is a *Refusal.
func Pack(wasm, manifest []byte) ([]byte, error) {
	if len(manifest) > MaxManifest {
		return nil, &Refusal{Code: TooLarge, Section: "custom", Function: -1, Offset: len(wasm), Help: "shorten its texts",
			Text: "would have a manifest that is too long"}
	}
	const head = len("\x00asm\x01\x00\x00\x00")
	if len(wasm) < head || string(wasm[:head]) != "\x00asm\x01\x00\x00\x00" {
		return nil, &Refusal{Code: NotWasm, Function: -1, Help: helpBuild, Text: "is no WebAssembly module"}
	}
	c := &cursor{b: wasm, at: head, end: len(wasm), function: -1}
	out := slices.Clone(wasm[:head])
	for c.left() > 0 {
		start := c.at
		id := c.u8()
		size := int(c.u32())
		in := &cursor{b: wasm, at: c.at, section: "custom", function: -1}
		c.skip(size)
		if in.end = c.at; !c.ok() {
			return nil, c.refusal
		}
		if id == 0 {
			name := in.skip(int(in.u32()))
			if !in.ok() {
				return nil, in.refusal
			}
			if string(name) == ManifestSection {
				continue
			}
		}
		out = append(out, wasm[start:c.at]...)
	}
	content := append(append([]byte{byte(len(ManifestSection))}, ManifestSection...), manifest...)
	return append(appendU(append(out, 0), len(content)), content...), nil
}
