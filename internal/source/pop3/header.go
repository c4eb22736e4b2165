package pop3

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// headerRest is how much is read off the line behind a header section before
// a new connection is cheaper.
const headerRest = 1 << 20

// Header fetches the header section with TOP (RFC 1939 7). Where the server
// has no TOP it begins to read the whole message instead; if that goes on for
// long behind the header, the Source ends, and its next use says so.
func (s *Source) Header(ctx context.Context, ref mail.Ref) (*mail.Header, error) {
	end, err := s.begin(ctx, listLimit)
	if err != nil {
		return nil, err
	}
	defer end()
	one := []mail.Ref{ref}
	if !s.noTop {
		h, r, err := s.header(&batch{s: s, refs: one, verb: "TOP", tail: " 0"})
		if err != nil || r.ok {
			return h, err
		}
	}
	h, r, err := s.header(&batch{s: s, refs: one, verb: "RETR"})
	switch {
	case err != nil:
		return nil, err
	case !r.ok:
		return nil, undelivered(ref, r)
	}
	s.noTop = true // the message is there, so it was TOP that failed
	return h, nil
}

// Headers is Header for many messages, pipelined where the server offers that
// and announces TOP. A nil Header with an error of class mail.Undelivered
// means: not this one, go on; with any other the iteration ends.
func (s *Source) Headers(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Header, error] {
	return func(yield func(*mail.Header, error) bool) {
		if !s.caps.top || !s.caps.pipelining || s.noTop {
			s.headersSingly(ctx, refs, yield)
			return
		}
		end, err := s.begin(ctx, noLimit)
		if err != nil {
			yield(nil, err)
			return
		}
		defer end()
		b := batch{s: s, refs: refs, verb: "TOP", tail: " 0"}
		for i := range refs {
			h, r, err := s.header(&b)
			if err == nil && !r.ok {
				err = undelivered(refs[i], r)
			}
			if !yield(h, err) {
				b.giveUp(mail.Ref{}, &body{err: io.EOF})
				return
			}
			if h == nil && mail.ClassOf(err) != mail.Undelivered {
				return
			}
		}
	}
}

func (s *Source) headersSingly(ctx context.Context, refs []mail.Ref, yield func(*mail.Header, error) bool) {
	for _, ref := range refs {
		h, err := s.Header(ctx, ref)
		if !yield(h, err) || err != nil && mail.ClassOf(err) != mail.Undelivered {
			return
		}
	}
}

// header reads the next answer of b as far as the header section goes, at
// most mail.MaxHeader octets, and its rest off the line.
func (s *Source) header(b *batch) (*mail.Header, reply, error) {
	_, r, err := b.next()
	if err != nil || !r.ok {
		return nil, r, err
	}
	answer := s.body(r)
	raw := make([]byte, 0, 4<<10)
	end := -1
	for end < 0 && len(raw) < mail.MaxHeader && err == nil {
		if len(raw) == cap(raw) {
			raw = slices.Grow(raw, len(raw))
		}
		line := bytes.LastIndexByte(raw, '\n') + 1 // search each line once, however small the pieces
		var n int
		n, err = answer.Read(raw[len(raw):min(cap(raw), mail.MaxHeader)])
		raw = raw[:len(raw)+n]
		end = mail.HeaderEnd(raw[line:])
	}
	if err != nil && err != io.EOF {
		return nil, r, err
	}
	h := mail.ParseHeader(raw)
	if end < 0 && err == nil {
		h.SetTruncated()
	}
	if !answer.finish(headerRest) {
		_ = s.fail(reconnect()) // the next use says so; this header is good
	}
	return h, r, nil
}
