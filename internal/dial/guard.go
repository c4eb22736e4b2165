package dial

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Limits of a guarded IMAP connection. Zero values are the defaults.
type Limits struct {
	Line    int   // octets of one response without its message literal; 0: 256 KiB
	Depth   int   // nesting of parentheses; 0: 8, as ENVELOPE and BODYSTRUCTURE are never asked for
	Literal int64 // octets of a literal that was not announced to us; 0: 64 KiB
	Total   int64 // octets of an operation without its message literals; 0: 16 MiB
	Times
}

// Conn is the guard between go-imap and an IMAP server: a net.Conn that
// delivers only what the library can digest. Deadlines set from above are
// swallowed, since the library's are absolute and cut a steady but slow
// reader after five minutes.
//
// Read belongs to one goroutine (the library's); everything else may be
// called from any.
type Conn struct {
	net.Conn
	pace  *pace
	scan  scanner
	total int64        // Limits.Total
	spent atomic.Int64 // octets of this operation outside message literals
	each  atomic.Int64 // largest message literal awaited
	all   atomic.Int64 // octets of message literals still allowed
}

// Guard puts the guard on conn, which is already secured, or about to be
// asked for STARTTLS. The guard reads IMAP, not TLS records.
func Guard(conn net.Conn, l Limits) *Conn {
	c := &Conn{Conn: conn, pace: newPace(conn, l.Times), total: orDefault(l.Total, 16<<20)}
	c.scan = scanner{
		maxLine:  orDefault(l.Line, 256<<10),
		maxDepth: orDefault(l.Depth, 8),
		maxSmall: orDefault(l.Literal, 64<<10),
		body:     c.takeLiteral,
	}
	return c
}

// SetOperation begins an operation: the server may keep us waiting for at
// most d in all, and the count of octets starts anew. 0 ends it without
// beginning another.
func (c *Conn) SetOperation(d time.Duration) {
	c.spent.Store(0)
	c.pace.begin(d)
}

// AllowLiterals raises the literal limit while message bodies are awaited:
// each at most that large, and so many octets together. 0, 0 takes it back.
func (c *Conn) AllowLiterals(each, all int64) {
	c.each.Store(each)
	c.all.Store(all)
}

func (c *Conn) takeLiteral(n int64) bool {
	if n > c.each.Load() {
		return false
	}
	if c.all.Add(-n) < 0 {
		c.all.Add(n)
		return false
	}
	return true
}

// Read delivers octets that passed the scanner, or the reason why not.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.pace.read(p)
	if n == 0 {
		return n, err
	}
	broken := c.scan.scan(p[:n])
	if broken == nil && c.spent.Add(c.scan.counted) > c.total {
		broken = endless
	}
	if broken != nil {
		return 0, c.pace.fail(limitFault(broken))
	}
	c.pace.progress(c.scan.mid(), c.scan.turn)
	c.scan.turn, c.scan.counted = false, 0
	return n, err
}

// Write sends to the server.
func (c *Conn) Write(p []byte) (int, error) { return c.pace.write(p) }

// SetDeadline does nothing: the guard keeps the time.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: the guard keeps the time.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: the guard keeps the time.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Abort closes the connection at once; what is blocked on it fails with err.
// It is safe from any goroutine, as in context.AfterFunc.
func (c *Conn) Abort(err error) { _ = c.pace.fail(err) }

// Watch aborts the connection when ctx ends, until stop is called.
func (c *Conn) Watch(ctx context.Context) (stop func() bool) { return c.pace.watch(ctx) }

// Explain gives the Fault behind an error that came out of the library: the
// guard's own reason where there is one, since libraries wrap or hide it.
func (c *Conn) Explain(err error) error { return explain(c.pace.ended(), err) }

func explain(own, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := mail.AsFault(own); ok {
		return f
	}
	if f, ok := mail.AsFault(err); ok {
		return f
	}
	f := &mail.Fault{Class: mail.Transient, Code: "cut", Err: err,
		Text: "the mail server broke off the connection", Help: "it is tried again"}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) && !isNet(err) {
		f.Class, f.Code, f.Text = mail.Protocol, "protocol_error", "the mail server sent an answer that makes no sense"
	}
	return f
}

func limitFault(err error) error {
	return &mail.Fault{Class: mail.Protocol, Code: "protocol_limit", Err: err,
		Text: "the mail server broke our limits: it sent " + err.Error(),
		Help: "nothing was imported from that answer; its operator should look into it"}
}

// Replay gives a connection that delivers first before what conn has: for a
// greeting that was read before a library took over.
func Replay(conn net.Conn, first []byte) net.Conn {
	return &replay{Conn: conn, first: first}
}

// NetConn gives the connection beneath.
func (r *replay) NetConn() net.Conn { return r.Conn }

type replay struct {
	net.Conn
	first []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.first)
	r.first = r.first[n:]
	return n, nil
}
