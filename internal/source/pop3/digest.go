package pop3

import (
	"context"
	"encoding/binary"
	"io"
)

// digestVersion changes when the octets that stand for a listing do.
const digestVersion = "pop3 1\n"

// Digest writes what UIDL and LIST say of every message: its number, size and
// unique-id. It is the listing that the next List gives, so a session asks for
// it once. A message without a usable unique-id makes ok false: another one
// could take its place and look the same.
func (s *Source) Digest(ctx context.Context, w io.Writer) (ok bool, err error) {
	s.forget()
	entries, err := s.listing(ctx)
	if err != nil {
		return false, err
	}
	s.digested, s.listed = true, entries
	buf := append(make([]byte, 0, 4<<10), digestVersion...)
	for _, e := range entries {
		if e.uidl == "" {
			return false, nil
		}
		buf = binary.AppendUvarint(buf, uint64(e.number))
		buf = binary.AppendUvarint(buf, uint64(e.size))
		buf = append(append(buf, e.uidl...), '\n') // never in a unique-id
		if len(buf) > cap(buf)-128 {
			if _, err := w.Write(buf); err != nil {
				return false, err
			}
			buf = buf[:0]
		}
	}
	_, err = w.Write(buf)
	return err == nil, err
}

// forget drops the listing that Digest has kept.
func (s *Source) forget() { s.digested, s.listed = false, nil }
