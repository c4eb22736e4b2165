package plugins

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
)

// What host and worker say to each other: frames of a head in JSON and octets
// as they are.
//
//	length of both (4) | length of the head (4) | head | octets
//
// The worker is not trusted: a frame of it that is too long or no JSON ends it.
const (
	maxRequest = gate.MaxModule + 1<<20
	maxReply   = 64 << 10
)

// request asks a worker for one thing. The octets beside it are a module for
// opLoad, settings for opRule, a header section for opRun.
type request struct {
	ID     uint64 `json:"id"`
	Op     op     `json:"op"`
	Plugin Digest `json:"plugin,omitzero"`
	Config Digest `json:"config,omitzero"` // of the rule's settings

	Mailbox   string    `json:"mailbox,omitempty"`
	Authserv  []string  `json:"authserv,omitempty"`
	Folder    string    `json:"folder,omitempty"`
	Size      int64     `json:"size,omitempty"`
	Date      time.Time `json:"date,omitzero"`
	Truncated bool      `json:"truncated,omitempty"`
}

type op int

const (
	opLoad   op = iota + 1 // compile a module
	opRule                 // make a rule of it
	opRun                  // ask the rule of plugin and settings about a message
	opDrop                 // forget a rule
	opForget               // forget a module
)

func (q *request) key() snapshotKey { return snapshotKey{q.Plugin, q.Config} }

// reply is the answer to the request of the same ID.
type reply struct {
	ID      uint64  `json:"id"`
	Class   Class   `json:"class,omitempty"` // of the fault; "": it went well
	Number  int32   `json:"number,omitempty"`
	Detail  string  `json:"detail,omitempty"`
	Outcome Outcome `json:"outcome,omitzero"`
}

// MarshalText writes the digest as it is shown.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads it.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return errFrame
	}
	_, err := hex.Decode(d[:], text)
	return err
}

var errFrame = errors.New("plugins: a frame that is none")

// appendFrame writes what goes over the pipe in one piece.
func appendFrame(b []byte, head any, octets []byte) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return b, err
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)+len(octets)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return append(append(b, text...), octets...), nil
}

// readFrame reads one of at most so many octets. The octets are the caller's.
func readFrame(r io.Reader, most int, head any) (octets []byte, err error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	all, text := binary.LittleEndian.Uint32(lengths[:4]), binary.LittleEndian.Uint32(lengths[4:])
	if all > uint32(most) || text > all {
		return nil, errFrame
	}
	b := make([]byte, all)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	if json.Unmarshal(b[:text], head) != nil {
		return nil, errFrame
	}
	return b[text:], nil
}

// header makes again what the host sent.
func (q *request) header(raw []byte) (*mail.Header, mail.Ref) {
	h := mail.ParseHeader(raw)
	if q.Truncated {
		h.SetTruncated()
	}
	return h, mail.Ref{Folder: q.Folder, Size: q.Size, Date: q.Date}
}
