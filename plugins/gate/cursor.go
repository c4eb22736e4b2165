package gate

import (
	"fmt"
	"math"
)

// cursor reads a module from front to back. The first refusal stays: after it
// nothing is left to read, every read gives zero, and loops end by themselves.
type cursor struct {
	b        []byte
	at, end  int
	section  string
	function int // -1 outside of code
	refusal  *Refusal
}

func (c *cursor) ok() bool  { return c.refusal == nil }
func (c *cursor) left() int { return c.end - c.at }

// refuse notes what is wrong at an offset, unless something was wrong before.
func (c *cursor) refuse(at int, code Code, help, format string, args ...any) {
	if c.refusal == nil {
		c.refusal = &Refusal{Code: code, Section: c.section, Function: c.function, Offset: at, Text: fmt.Sprintf(format, args...), Help: help}
	}
	c.end = c.at
}

func (c *cursor) truncated() {
	c.refuse(c.at, Malformed, helpBuild, "ends in the middle")
}

// u8 reads one octet.
func (c *cursor) u8() byte {
	if c.at >= c.end {
		c.truncated()
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

// u32 reads an unsigned LEB128 number.
func (c *cursor) u32() uint32 {
	if c.at < c.end && c.b[c.at] < 0x80 {
		c.at++
		return uint32(c.b[c.at-1])
	}
	start, v := c.at, uint64(0)
	for shift := 0; shift < 35; shift += 7 {
		x := c.u8()
		v |= uint64(x&0x7f) << shift
		if x < 0x80 {
			if v > math.MaxUint32 {
				break
			}
			return uint32(v)
		}
	}
	c.refuse(start, Malformed, helpBuild, "a number does not fit into 32 bits")
	return 0
}

// signed reads a signed LEB128 number of at most so many octets (5 hold 32 and
// 33 bits, 10 hold 64). Whether unused bits are right is left to wazero, which
// reads the same octets or none.
func (c *cursor) signed(octets int) int64 {
	start, v := c.at, int64(0)
	for shift := 0; shift < 7*octets; shift += 7 {
		x := c.u8()
		v |= int64(x&0x7f) << shift
		if x < 0x80 {
			if x&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	c.refuse(start, Malformed, helpBuild, "a number does not fit into its bits")
	return 0
}

// skip passes over n octets and gives them.
func (c *cursor) skip(n int) []byte {
	if n < 0 || n > c.left() {
		c.truncated()
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at : c.at]
}

// count reads the length of a vector whose elements take at least size octets
// each: never more than could follow, never more than most.
func (c *cursor) count(what string, size, most int) int {
	start := c.at
	n := c.u32()
	switch {
	case uint64(n)*uint64(size) > uint64(c.left()):
		c.refuse(start, Malformed, helpBuild, "announces %d %s, with %d octets left for them", n, what, c.left())
	case int(n) > most:
		c.refuse(start, OverLimit, helpSmaller, "has %d %s, at most %d are allowed", n, what, most)
	default:
		return int(n)
	}
	return 0
}

// name reads a name.
func (c *cursor) name(what string) []byte {
	return c.skip(c.count("octets of "+what, 1, maxName))
}
