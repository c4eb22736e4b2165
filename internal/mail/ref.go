package mail

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Ref identifies a message at its source. It is made by a Source's List and
// is good for the life of that Source; Number is good for nothing else.
type Ref struct {
	Folder   string    // IMAP folder, as the server lists it, decoded to UTF-8; "" on POP3
	Validity uint32    // UIDVALIDITY (RFC 9051 2.3.1.1); 0 on POP3
	UID      uint32    // IMAP UID; 0 on POP3
	UIDL     string    // POP3 unique-id (RFC 1939 7); "" where missing, malformed or repeated in the listing
	Number   int       // POP3 message number in this session
	Size     int64     // octets as announced: a hint, never a length
	Date     time.Time // INTERNALDATE; zero on POP3
	Seen     bool      // IMAP \Seen
	Flagged  bool      // IMAP \Flagged
	Deleted  bool      // IMAP \Deleted: flagged, and not expunged; by its owner, or by us before a crash
}

// HasID reports whether the source gave the message an identity of its own.
func (r Ref) HasID() bool { return r.UIDL != "" || r.UID != 0 }

// AppendID appends the octets that identify the message within its mailbox,
// unambiguous between POP3 and IMAP. It must not be called without HasID.
func (r Ref) AppendID(b []byte) []byte {
	if r.UID == 0 {
		return append(append(b, 'p'), r.UIDL...)
	}
	b = append(b, 'i')
	b = binary.BigEndian.AppendUint32(b, r.Validity)
	b = binary.BigEndian.AppendUint32(b, r.UID)
	return append(b, r.Folder...)
}

// String names the message for errors and logs: never anything that was in it.
func (r Ref) String() string {
	if r.UID != 0 {
		return fmt.Sprintf("uid %d", r.UID)
	}
	return fmt.Sprintf("message %d", r.Number)
}

// Key is a keyed 16-octet hash: an id key or a content key.
type Key [16]byte

// Headed is a message of which nothing but the header section was fetched.
type Headed struct {
	Ref    Ref
	Header *Header
}

// Incoming is one message on its way: its octets pass through once.
type Incoming struct {
	Ref  Ref
	Size int64 // exact number of octets when known beforehand (IMAP literal), else -1
	// Body ends with io.EOF only after the complete message; a source that
	// broke off gives io.ErrUnexpectedEOF or a *Fault.
	Body io.Reader
}
