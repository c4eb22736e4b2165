package gate

// u writes an unsigned LEB128 number.
func (w *meter) u(v int) { w.out = appendU(w.out, v) }

func appendU(b []byte, v int) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// appendS writes a signed LEB128 number that is not negative.
func appendS(b []byte, v int) []byte {
	for ; v >= 0x40; v >>= 7 {
		b = append(b, byte(v)&0x7f|0x80)
	}
	return append(b, byte(v))
}

// pad keeps room for a size that is not known yet, patch fills it in.
func (w *meter) pad() int {
	w.out = append(w.out, 0x80, 0x80, 0x80, 0x80, 0)
	return len(w.out)
}

func (w *meter) patch(start int) {
	size := len(w.out) - start
	for i := range 4 {
		w.out[start-5+i] = byte(size>>(7*i))&0x7f | 0x80
	}
	w.out[start-1] = byte(size >> 28)
}

// begin and end write a section around what is written between them. They do
// not nest.
func (w *meter) begin(id byte) {
	w.out = append(w.out, id)
	w.open = w.pad()
}

func (w *meter) end() { w.patch(w.open) }

// section writes a vector: what the module has in its section, and more.
func (w *meter) section(id byte, n, more int, add func()) {
	w.begin(id)
	w.u(n + more)
	if s := w.m.sections[id]; s.end > 0 {
		c := cursor{b: w.m.raw, at: s.start + 1, end: s.end}
		c.u32() // size
		c.u32() // number of elements
		w.out = append(w.out, c.skip(c.left())...)
	}
	add()
	w.end()
}

// copySection writes a section as it is, if it is there.
func (w *meter) copySection(id byte) {
	s := w.m.sections[id]
	w.out = append(w.out, w.m.raw[s.start:s.end]...)
}

// blockType writes the type of a block that leaves results.
func (w *meter) blockType(results []byte) {
	switch len(results) {
	case 0:
		w.out = append(w.out, emptyBlock)
	case 1:
		w.out = append(w.out, results[0])
	default:
		w.out = appendS(w.out, w.multi[string(results)])
	}
}
