package mail

import (
	"bytes"
	"iter"
	"strings"
)

// MaxHeader is how much of a header section is looked at. What is longer is
// cut there and marked Truncated; the message itself passes through whole.
const MaxHeader = 256 << 10

// Header is the header section of one message, as it came.
//
// Real mail breaks every rule of RFC 5322 2.2, so nothing is ever refused:
// lines that are no field are passed over, line ends may be CRLF or LF (or CR
// where there is no LF at all), and octets that are not ASCII stay what they
// are. No index is built: a header of a few KiB is searched faster than an
// index is allocated, and a hostile one of 10^5 lines costs no memory.
type Header struct {
	raw       []byte
	truncated bool
}

// ParseHeader takes the header section that raw starts with; a body after it
// is left alone. It never fails. The Header keeps raw itself, no copy: the
// caller must not change it as long as the Header is used.
func ParseHeader(raw []byte) *Header {
	if end := HeaderEnd(raw); end >= 0 {
		raw = raw[:end:end]
	}
	return &Header{raw: raw}
}

// Raw gives the octets of the header section, including the blank line that
// ends it where there is one.
func (h *Header) Raw() []byte { return h.raw }

// Truncated reports whether the section was longer than its reader would hold.
func (h *Header) Truncated() bool { return h.truncated }

// SetTruncated notes that the section goes on after Raw.
func (h *Header) SetTruncated() { h.truncated = true }

// Get gives the value of the first field called name (in any case), unfolded
// and trimmed, "" if there is none. It holds no CR and no LF; encoded words
// (RFC 2047) and foreign octets stay as they are.
func (h *Header) Get(name string) string {
	value, _ := h.lookup(name)
	return value
}

// Count gives the number of fields called name.
func (h *Header) Count(name string) int {
	n := 0
	for got := range h.fields() {
		if sameName(got, name) {
			n++
		}
	}
	return n
}

// All yields the values of all fields called name as Get gives them, in their order.
func (h *Header) All(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for got, v := range h.fields() {
			if sameName(got, name) && !yield(unfold(v)) {
				return
			}
		}
	}
}

// lookup is Get that tells an empty field from a missing one.
func (h *Header) lookup(name string) (value string, found bool) {
	for got, v := range h.fields() {
		if sameName(got, name) {
			return unfold(v), true
		}
	}
	return "", false
}

// fields yields name and folded value of each field. An mbox "From " line
// needs no rule of its own: its "name" has spaces in it, so it is no field.
func (h *Header) fields() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		b := bytes.TrimPrefix(h.raw, bom)
		eol := byte('\n')
		if bytes.IndexByte(b, '\n') < 0 {
			eol = '\r'
		}
		for len(b) > 0 {
			n := lineLen(b, eol)
			if isBlank(b[:n]) {
				return
			}
			// RFC 5322 2.2.3: a line that starts with white space continues the field.
			for n < len(b) && isSpace(b[n]) {
				n += lineLen(b[n:], eol)
			}
			if name, value, ok := splitField(b[:n]); ok && !yield(name, value) {
				return
			}
			b = b[n:]
		}
	}
}

// splitField cuts a field at its colon. RFC 5322 2.2: a name is printable
// ASCII without space; 4.5.8 (obsolete) allows spaces before the colon.
func splitField(line []byte) (name, value []byte, ok bool) {
	for i, c := range line {
		switch {
		case c == ':':
			return line[:i], line[i+1:], i > 0
		case c == ' ' || c == '\t':
			rest := bytes.TrimLeft(line[i:], " \t")
			if i == 0 || len(rest) == 0 || rest[0] != ':' {
				return nil, nil, false
			}
			return line[:i], rest[1:], true
		case c < '!' || c > '~':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// HeaderEnd gives the index just after the blank line that ends the header
// section at the start of b, or -1 if it is not in b. More octets after b
// never change an answer other than -1. Only LF ends a line here: a lone CR
// is what hides a second header in the body of the first.
func HeaderEnd(b []byte) int {
	end := 0
	if bytes.HasPrefix(b, bom) {
		end = len(bom)
	}
	for {
		n := bytes.IndexByte(b[end:], '\n')
		if n < 0 {
			return -1
		}
		blank := isBlank(b[end : end+n+1])
		end += n + 1
		if blank {
			return end
		}
	}
}

var bom = []byte("\xef\xbb\xbf") // some servers put it in front (Office 365)

// lineLen gives the length of the line b starts with, its end included.
func lineLen(b []byte, eol byte) int {
	if n := bytes.IndexByte(b, eol); n >= 0 {
		return n + 1
	}
	return len(b)
}

// isBlank reports whether a line holds nothing but its end (CR CR LF as well).
func isBlank(line []byte) bool {
	for _, c := range line {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func sameName(got []byte, name string) bool {
	return len(got) == len(name) && strings.EqualFold(string(got), name)
}

// unfold takes the line breaks out of a value (RFC 5322 2.2.3) and trims it.
func unfold(v []byte) string {
	v = bytes.Trim(v, " \t\r\n")
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	var s strings.Builder
	s.Grow(len(v))
	for _, c := range v {
		if c != '\r' && c != '\n' {
			s.WriteByte(c)
		}
	}
	return s.String()
}
