package plugins

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
)

// WASI's errno.
const (
	success = 0
	noSys   = 52
)

// wasi are the ten functions that Go's runtime asks for. There is no system
// behind them: no arguments, a clock that stands, the same random octets for ever,
// and what is written is dropped.
var wasi = []hostFunc{
	{"sched_yield", gate.Sig{Results: word}, nothing},
	{"proc_exit", gate.Sig{Params: word}, func(c *call, _ api.Memory, _ []uint64) { c.fail(Trap) }},
	{"args_get", gate.Sig32(2, word), nothing},
	{"args_sizes_get", gate.Sig32(2, word), none},
	{"environ_get", gate.Sig32(2, word), nothing},
	{"environ_sizes_get", gate.Sig32(2, word), none},
	{"clock_time_get", gate.Sig{Params: word + long + word, Results: word}, clock},
	{"fd_write", gate.Sig32(4, word), drop},
	{"random_get", gate.Sig32(2, word), random},
	{"poll_oneoff", gate.Sig32(4, word), func(_ *call, _ api.Memory, stack []uint64) { answer(stack, noSys) }},
}

func nothing(_ *call, _ api.Memory, stack []uint64) { answer(stack, success) }

// none writes that there is nothing: two zeros.
func none(c *call, m api.Memory, stack []uint64) {
	c.put(m, u32(stack, 0), 0)
	c.put(m, u32(stack, 1), 0)
	answer(stack, success)
}

func (c *call) put(m api.Memory, at, v uint32) {
	if !m.WriteUint32Le(at, v) {
		c.fail(HostArg)
	}
}

// clock always says that it is one second after the epoch: Go's runtime does
// not start at zero.
func clock(c *call, m api.Memory, stack []uint64) {
	binary.LittleEndian.PutUint64(c.read(m, u32(stack, 2), 8), 1e9)
	answer(stack, success)
}

// drop counts what is written and forgets it.
func drop(c *call, m api.Memory, stack []uint64) {
	vectors, n := u32(stack, 1), u32(stack, 2)
	if n > 1024 {
		c.fail(HostArg)
	}
	total := uint32(0)
	for v := c.read(m, vectors, 8*n); len(v) > 0; v = v[8:] {
		total += binary.LittleEndian.Uint32(v[4:])
	}
	c.put(m, u32(stack, 3), total)
	answer(stack, success)
}

// random fills with the octets of SplitMix64 from zero.
func random(c *call, m api.Memory, stack []uint64) {
	b := c.read(m, u32(stack, 0), u32(stack, 1))
	c.pay(len(b) / 4)
	var seed uint64
	var octets [8]byte
	for len(b) > 0 {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(octets[:], z^z>>31)
		b = b[copy(b, octets[:]):]
	}
	answer(stack, success)
}
