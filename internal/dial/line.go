package dial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// LineLimits of a POP3 connection. Zero values are the defaults.
type LineLimits struct {
	Line    int   // octets of a line outside message bodies; 0: 2 KiB
	Lines   int   // lines of one answer outside message bodies; 0: 500,000
	Listing int64 // octets of one answer outside message bodies; 0: 64 MiB
	Times
}

func (l LineLimits) withDefaults() LineLimits {
	l.Line = orDefault(l.Line, 2<<10)
	l.Lines = orDefault(l.Lines, 500_000)
	l.Listing = orDefault(l.Listing, 64<<20)
	return l
}

// LineConn lets go-pop3 and our own streaming reader share one connection
// (RFC 1939, RFC 2449). Read delivers at most up to one line feed, so the
// library's private buffer is empty between commands; Write lets nothing
// through but whole lines, so that no user name smuggles in a second command.
//
// It is used by one goroutine at a time, except Abort and Explain.
type LineConn struct {
	net.Conn
	pace   *pace
	l      LineLimits
	r      *bufio.Reader
	replay []byte
	status []byte // first line of the last answer
	fresh  bool   // the next line is a status line
	length int    // of the line so far
	lines  int    // of the answer
	spent  int64  // octets of it
}

const lineBuffer = 32 << 10

// NewLineConn puts the guard on conn, which is secured or about to be.
func NewLineConn(c net.Conn, l LineLimits) *LineConn {
	lc := &LineConn{Conn: c, l: l.withDefaults(), pace: newPace(c, l.Times), fresh: true}
	lc.r = bufio.NewReaderSize(paced{lc.pace}, lineBuffer)
	return lc
}

// paced is what the shared reader reads from.
type paced struct{ *pace }

func (p paced) Read(b []byte) (int, error) {
	n, err := p.read(b)
	if n > 0 {
		p.progress(b[n-1] != '\n', false)
	}
	return n, err
}

// Reader is the shared reader, for streaming message bodies. Octets taken
// from it directly are counted against time only.
func (c *LineConn) Reader() *bufio.Reader { return c.r }

// LastStatus is the first line of the last answer, line end included, read
// through Read or ReadStatus. It holds the response codes (RFC 2449 8) that
// go-pop3 hides, and shows whether the server ends lines with a bare LF.
func (c *LineConn) LastStatus() string { return string(c.status) }

// Read delivers at most one line. It is for the library.
func (c *LineConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.replay) > 0 {
		n, _ := lineEnd(c.replay[:min(len(p), len(c.replay))])
		copy(p, c.replay[:n])
		c.replay = c.replay[n:]
		return n, nil
	}
	if _, err := c.r.Peek(1); err != nil {
		return 0, err
	}
	b, _ := c.r.Peek(min(c.r.Buffered(), len(p)))
	n, ended := lineEnd(b)
	if err := c.took(b[:n], ended); err != nil {
		return 0, err
	}
	copy(p, b[:n])
	_, _ = c.r.Discard(n)
	return n, nil
}

// ReadLine reads one line of an answer, its line end cut off. The octets are
// good until the next read.
func (c *LineConn) ReadLine() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > c.l.Line {
		return nil, c.pace.fail(limitFault(tooLong))
	}
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if err := c.took(line, true); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// ReadStatus reads a status line, as after each of several pipelined
// commands, and gives it without its line end.
func (c *LineConn) ReadStatus() (string, error) {
	c.fresh = true
	line, err := c.ReadLine()
	return string(line), err
}

// took books part of a line, or the rest of it.
func (c *LineConn) took(b []byte, ended bool) error {
	if c.fresh {
		if c.length == 0 {
			c.status = c.status[:0]
			c.lines, c.spent = 0, 0
		}
		c.status = append(c.status, b...)
	}
	c.length += len(b)
	c.spent += int64(len(b))
	if c.length > c.l.Line {
		return c.pace.fail(limitFault(tooLong))
	}
	if ended {
		c.length, c.fresh = 0, false
		c.lines++
	}
	if c.lines > c.l.Lines || c.spent > c.l.Listing {
		return c.pace.fail(limitFault(errors.New("a listing without end")))
	}
	return nil
}

// Write sends one whole line and refuses everything else before an octet
// leaves: RFC 1939 3 knows no way to quote a line break.
func (c *LineConn) Write(p []byte) (int, error) {
	line, ok := bytes.CutSuffix(p, []byte("\r\n"))
	if !ok || bytes.ContainsAny(line, "\r\n\x00") {
		return 0, errControl
	}
	c.fresh = true
	return c.pace.write(p)
}

var errControl = &mail.Fault{Class: mail.Setup, Code: "control_character",
	Text: "the user name or password contains a line break or NUL", Help: "enter it again without"}

// Send writes several commands at once, each without its line end
// (PIPELINING, RFC 2449 6.6). The answers are read with ReadStatus, in order.
func (c *LineConn) Send(commands ...string) error {
	var b bytes.Buffer
	for _, s := range commands {
		if strings.ContainsAny(s, "\r\n\x00") {
			return errControl
		}
		b.WriteString(s)
		b.WriteString("\r\n")
	}
	defer clear(b.Bytes()) // it may hold a password
	c.fresh = true
	_, err := c.pace.write(b.Bytes())
	return err
}

// Replay lets the next Reads of the library deliver this line first: the
// greeting, which we had to read before.
func (c *LineConn) Replay(line string) { c.replay = []byte(line) }

// SetOperation begins an operation during which the server may keep us
// waiting for at most d in all; 0 ends it.
func (c *LineConn) SetOperation(d time.Duration) { c.pace.begin(d) }

// StartTLS secures the connection after the server agreed to STLS (RFC 2595
// 4) and starts over on it, with no greeting to come. Octets that came ahead
// of the handshake in clear text are refused: somebody may have put them there.
func (c *LineConn) StartTLS(ctx context.Context, d *Dialer, host string) (*LineConn, error) {
	if c.r.Buffered() > 0 {
		return nil, c.pace.fail(&mail.Fault{Class: mail.Setup, Code: "tls_handshake",
			Text: "the mail server sent clear text into the TLS handshake", Help: "use the TLS port, 995 or 993; the connection may have been tampered with"})
	}
	_ = c.Conn.SetDeadline(time.Time{})
	t, err := d.TLS(ctx, c.Conn, host)
	if err != nil {
		return nil, err
	}
	next := NewLineConn(t, c.l)
	next.pace.greeted = true
	return next, nil
}

// Abort closes the connection at once; what is blocked on it fails with err.
// It is safe from any goroutine, as in context.AfterFunc.
func (c *LineConn) Abort(err error) { _ = c.pace.fail(err) }

// Watch aborts the connection when ctx ends, until stop is called.
func (c *LineConn) Watch(ctx context.Context) (stop func() bool) { return c.pace.watch(ctx) }

// Detach gives the connection for another guard, with first and what was read
// ahead before it. The LineConn must not be used any more. An IMAP source
// does greeting, CAPABILITY, STARTTLS and login on lines, and then hands
// Guard(c.Detach("* PREAUTH …\r\n"), …) to the library.
func (c *LineConn) Detach(first string) net.Conn {
	ahead, _ := c.r.Peek(c.r.Buffered())
	return Replay(c.Conn, append([]byte(first), ahead...))
}

// Explain gives the Fault behind an error that came out of the library.
func (c *LineConn) Explain(err error) error { return explain(c.pace.ended(), err) }

// SetDeadline does nothing: the guard keeps the time.
func (c *LineConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: the guard keeps the time.
func (c *LineConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: the guard keeps the time.
func (c *LineConn) SetWriteDeadline(time.Time) error { return nil }
