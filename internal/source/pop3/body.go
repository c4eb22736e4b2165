package pop3

import (
	"bufio"
	"bytes"
	"io"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// body reads one multi-line answer (RFC 1939 3) from the shared reader and
// undoes its dot-stuffing: the octets of a message, nothing added and nothing
// lost. It ends with io.EOF after CRLF . CRLF and with io.ErrUnexpectedEOF
// where the connection ends before that, and never reads past the end.
//
// A line begins after CRLF, not after a bare LF: servers that pass bare LF
// through stuff after CRLF only, so LF . CRLF is mail and no end. Only where
// the status line itself ended in a bare LF do all of them.
type body struct {
	r      *bufio.Reader
	bareLF bool
	pos    position
	broke  func(error) error // told of an answer that breaks off; may be nil
	err    error             // sticky; io.EOF after a complete answer
	n      int64             // octets given out
}

// position within a line.
type position uint8

const (
	lineStart position = iota // before the first octet, or after a line end
	afterCR
	within
)

var (
	crlfDot = []byte("\r\n.")
	lfDot   = crlfDot[1:]
)

// Read fills p with what is buffered and blocks only for the first octet.
func (b *body) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && b.err == nil {
		if b.pos == lineStart && (n == 0 || b.r.Buffered() > len(crlfDot)) {
			b.lineStart()
			if b.err != nil {
				break
			}
		} else if b.pos == lineStart {
			break // deciding about a dot might block: give out what there is
		}
		if n > 0 && b.r.Buffered() == 0 {
			break
		}
		w := b.chunk(len(p) - n)
		n += copy(p[n:], w)
		b.skip(len(w))
	}
	b.n += int64(n)
	if n > 0 {
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, b.err
}

// lineStart looks at the first octets of a line: an end, a stuffed dot, mail.
func (b *body) lineStart() {
	head, ok := b.peek(1)
	switch {
	case !ok:
	case head[0] == '.':
		b.dot()
	}
}

func (b *body) dot() {
	head, ok := b.peek(2)
	switch {
	case !ok:
		return
	case b.bareLF && head[1] == '\n':
		b.skip(2)
		b.err = io.EOF
		return
	case head[1] == '\r':
		if head, ok = b.peek(3); !ok {
			return
		}
		if head[2] == '\n' {
			b.skip(3)
			b.err = io.EOF
			return
		}
	}
	b.skip(1)
	b.pos = within
}

// chunk gives what is buffered up to the next line that begins with a dot, at
// most that many octets. They are still to be skipped.
func (b *body) chunk(most int) []byte {
	if _, ok := b.peek(1); !ok {
		return nil
	}
	w, _ := b.r.Peek(min(most, b.r.Buffered()))
	w = w[:b.span(w)]
	b.pos = b.after(w)
	return w
}

// finish reads off what its consumer has left of the answer, at most that many
// octets, and reports whether the connection stands behind it now. What was
// left is lost: the consumer gets an error for it, never io.EOF.
func (b *body) finish(most int64) bool {
	if b.err != nil {
		return true // ended, or there was nothing to read
	}
	for b.err == nil && most > 0 {
		if b.pos <= lineStart {
			b.lineStart()
		}
		if b.err == nil {
			w := b.chunk(b.r.Size())
			b.skip(len(w))
			most -= int64(len(w))
		}
	}
	whole := b.err == io.EOF
	b.err = abandoned
	return whole
}

var abandoned = &mail.Fault{Class: mail.Transient, Code: "abandoned", Text: "the message was given up before its end"}

// span is how much of w can be given out before a dot has to be looked at.
func (b *body) span(w []byte) int {
	if b.bareLF {
		if i := bytes.Index(w, lfDot); i >= 0 {
			return i + 1
		}
		return len(w)
	}
	if b.pos == afterCR && w[0] == '\n' {
		return 1
	}
	if i := bytes.Index(w, crlfDot); i >= 0 {
		return i + 2
	}
	return len(w)
}

// after is the position behind w.
func (b *body) after(w []byte) position {
	switch w[len(w)-1] {
	case '\r':
		return afterCR
	case '\n':
		cr := b.pos == afterCR
		if len(w) > 1 {
			cr = w[len(w)-2] == '\r'
		}
		if cr || b.bareLF {
			return lineStart
		}
	}
	return within
}

// peek gives the next n octets, or keeps the error.
func (b *body) peek(n int) ([]byte, bool) {
	head, err := b.r.Peek(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && b.broke != nil {
		err = b.broke(err)
	}
	if err != nil {
		b.err = err
	}
	return head, err == nil
}

func (b *body) skip(n int) { _, _ = b.r.Discard(n) }
