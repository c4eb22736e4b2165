package imap

import (
	"io"

	"github.com/emersion/go-imap/v2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// incoming is a message and its body in one allocation.
type incoming struct {
	mail.Incoming
	body body
}

// A body reads one literal and insists on every announced octet: go-imap ends
// a literal that was cut with a clean io.EOF.
type body struct {
	source *Source
	lit    imap.LiteralReader
	left   int64
	err    error // what Read gives from now on
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.lit.Read(p)
	b.left -= int64(n)
	switch {
	case err != nil && err != io.EOF || err == io.EOF && b.left > 0:
		b.err = b.source.cut(err)
	case b.left == 0:
		if err == nil {
			// go-imap's reader goes on when it has handed out the end.
			var one [1]byte
			_, _ = b.lit.Read(one[:])
		}
		b.err = io.EOF
	}
	return n, b.err
}

// discard reads what the caller left, and keeps him from reading on. The
// buffer is the Source's own: io.Discard's would keep the octets in a pool.
func (b *body) discard() {
	if b.err == nil && b.source.scratch == nil {
		b.source.scratch = make([]byte, 16<<10)
	}
	for b.err == nil {
		_, _ = b.Read(b.source.scratch)
	}
	if b.err == io.EOF {
		b.err = io.ErrClosedPipe
	}
}

// discard reads a literal that nobody wants; nil is none.
func (s *Source) discard(lit imap.LiteralReader) {
	if lit == nil {
		return
	}
	b := body{source: s, lit: lit, left: lit.Size()}
	b.discard()
}

// cut ends the Source because a literal stopped before its end. It waits for
// go-imap's reader, which goes on now and finds the connection closed: whoever
// asks go-imap for the next item reads from the same buffer, for go-imap then
// tries to discard what is left of this one.
func (s *Source) cut(err error) *mail.Fault {
	if why := s.lease.ended(); why != nil {
		err = why
	}
	f := s.end(lost(s.cfg.Host, err))
	<-s.client.Closed()
	return f
}
