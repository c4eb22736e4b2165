package bridge

import (
	"io"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Buffers for messages come in three sizes, so that a hundred small mails in
// flight do not cost a hundred windows. They are cleared before they go back.
var bufferSizes = [...]int{16 << 10, 64 << 10, window}

var bufferPools [len(bufferSizes)]sync.Pool

type buffer struct {
	b     []byte // b[:n] is filled
	n     int
	class int
}

func getBuffer(class int) *buffer {
	if v, ok := bufferPools[class].Get().(*buffer); ok {
		return v
	}
	return &buffer{b: make([]byte, bufferSizes[class]), class: class}
}

func (b *buffer) put() {
	clear(b.b[:b.n])
	b.n = 0
	bufferPools[b.class].Put(b)
}

func (b *buffer) bytes() []byte { return b.b[:b.n] }

// fill reads into a buffer until the message ends (eof) or the window is
// full, moving up a size when one is full. hint is the announced size.
func fill(r io.Reader, hint int64) (b *buffer, eof bool, err error) {
	class := 0
	for class < len(bufferSizes)-1 && hint >= int64(bufferSizes[class]) {
		class++
	}
	b = getBuffer(class)
	for {
		for b.n < len(b.b) {
			n, err := r.Read(b.b[b.n:])
			b.n += n
			if err == io.EOF {
				return b, true, nil
			}
			if err != nil {
				return b, false, err
			}
		}
		if b.class == len(bufferSizes)-1 {
			return b, false, nil
		}
		bigger := getBuffer(b.class + 1)
		bigger.n = copy(bigger.b, b.bytes())
		b.put()
		b = bigger
	}
}

// header cuts the header section out of what has been read.
func header(b *buffer, eof bool) *mail.Header {
	end := mail.HeaderEnd(b.bytes())
	truncated := end < 0 && !eof
	if end < 0 {
		end = b.n
	}
	h := mail.ParseHeader(b.b[:end:end])
	if truncated {
		h.SetTruncated()
	}
	return h
}
