package imap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// What a server may say between two commands of ours, in octets. A reading
	// of a few octets counts for more, since it costs us more.
	maxChatter   = 1 << 20
	leastReading = 64
)

// A talk speaks the few lines that surround waiting: SELECT, IDLE, DONE. It
// needs no go-imap, whose two buffers and goroutine cost more than all else
// about a connection that waits, and no guard: it parses no more than the
// beginning of a line, and keeps no more of it than its buffer holds.
type talk struct {
	*resting
	tags  int
	spent int // octets of chatter

	exists   uint32 // messages in the folder, as the server tells
	next     uint32 // UIDNEXT
	validity uint32
	news     bool // there is something to look at
	idling   bool // the server is in IDLE

	buf        [256]byte
	start, end int  // the octets of buf that are not taken
	skip       bool // up to the next line feed, they are the rest of a long line
}

func newTalk(r *resting) *talk { return &talk{resting: r} }

// line gives the next line, or its first octets, without its end. The octets
// are good until the next call. After a timeout it may be called again.
func (t *talk) line() ([]byte, error) {
	for {
		have := t.buf[t.start:t.end]
		if i := bytes.IndexByte(have, '\n'); i >= 0 {
			t.start += i + 1
			if t.skip {
				t.skip = false
				continue
			}
			return bytes.TrimSuffix(have[:i], []byte("\r")), nil
		}
		switch {
		case t.skip:
			t.start, t.end = 0, 0
		case len(have) == len(t.buf):
			t.skip, t.start, t.end = true, 0, 0
			return have, nil
		case t.start > 0:
			t.start, t.end = 0, copy(t.buf[:], have)
		}
		n, err := t.conn.Read(t.buf[t.end:])
		t.end += n
		if t.spent += max(n, leastReading); t.spent > maxChatter {
			return nil, protocolLimit(t.host, "chatter without end")
		}
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// halfway reports whether the beginning of a line has been read.
func (t *talk) halfway() bool { return t.skip || t.end > t.start && t.buf[t.end-1] != '\n' }

// send writes a line under a deadline. One that passes ends the connection:
// a tls.Conn does not recover from it.
func (t *talk) send(line string) error {
	t.spent = 0
	_ = t.conn.SetWriteDeadline(time.Now().Add(doneTime))
	_, err := t.conn.Write([]byte(line + "\r\n"))
	return err
}

// command sends a command and reads its answer; a refusal is a *refusal.
func (t *talk) command(line string, limit time.Duration) error {
	if err := t.begin(line); err != nil {
		return err
	}
	return t.answer(limit, "")
}

func (t *talk) begin(line string) error {
	t.tags++
	return t.send(fmt.Sprintf("P%d %s", t.tags, line))
}

// answer reads to the tagged answer of the last command, or to a line that
// begins with stop where that is wanted.
func (t *talk) answer(limit time.Duration, stop string) error {
	_ = t.conn.SetReadDeadline(time.Now().Add(limit))
	tag := fmt.Appendf(nil, "P%d ", t.tags)
	for {
		line, err := t.line()
		if err != nil {
			return err
		}
		switch rest, ok := bytes.CutPrefix(line, tag); {
		case ok:
			if r := parseResponse("* " + string(rest)); r.status != "OK" {
				return r.refusal()
			}
			return nil
		case stop != "" && bytes.HasPrefix(line, []byte(stop)):
			return nil
		}
		if err := t.hear(line); err != nil {
			return err
		}
	}
}

// hear takes an untagged line. What is no line of IMAP may be the end of one
// whose beginning go-imap has swallowed: reason enough for a look.
func (t *talk) hear(line []byte) error {
	rest, ok := bytes.CutPrefix(line, []byte("* "))
	if !ok {
		t.news = true
		return nil
	}
	first, rest, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.ParseUint(string(first), 10, 32)
	switch {
	case err == nil:
		t.count(uint32(n), rest)
	case bytes.EqualFold(first, []byte("BYE")):
		return parseResponse(string(line)).refusal()
	case bytes.EqualFold(first, []byte("OK")):
		r := parseResponse(string(line))
		n, _ := strconv.ParseUint(r.args, 10, 32)
		switch r.code {
		case "UIDNEXT":
			t.next = uint32(n)
		case "UIDVALIDITY":
			t.validity = uint32(n)
		}
	}
	return nil
}

// count takes "* n EXISTS" and "* n EXPUNGE" (RFC 3501 7.3.1, 7.4.1). More
// messages than before are news; fewer, and flags, are not: nothing has to be
// done about them now.
func (t *talk) count(n uint32, what []byte) {
	what = bytes.TrimSpace(what)
	switch {
	case bytes.EqualFold(what, []byte("EXISTS")):
		t.news = t.news || n > t.exists
		t.exists = n
	case bytes.EqualFold(what, []byte("EXPUNGE")) && t.exists > 0:
		t.exists--
	}
}

// explain gives the Fault for what a talk ended with.
func (t *talk) explain(err error, doing string) *mail.Fault {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.later(t.host, doing)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return tooSlow(t.host, doing, "timeout")
	}
	return lost(t.host, err)
}
