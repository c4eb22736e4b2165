package dial

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Times limits how long a server may make us wait. Zero values are the
// defaults; only waiting counts, never the pauses of the reader above.
type Times struct {
	Greeting time.Duration // for the first line; 0: 30 s
	Read     time.Duration // for the next octets of an answer; 0: 60 s
	Idle     time.Duration // while the server owes us nothing; 0: 30 min
	Write    time.Duration // for a command to be taken; 0: 30 s
	MinRate  int           // octets a second in the middle of an answer, over 30 s of waiting; 0: 1024
}

const rateWindow = 30 * time.Second

func (t Times) withDefaults() Times {
	t.Greeting = orDefault(t.Greeting, 30*time.Second)
	t.Read = orDefault(t.Read, 60*time.Second)
	t.Idle = orDefault(t.Idle, 30*time.Minute)
	t.Write = orDefault(t.Write, 30*time.Second)
	t.MinRate = orDefault(t.MinRate, 1024)
	return t
}

// pace keeps the time of one connection. Reads come from one goroutine; all
// else may come from any.
type pace struct {
	conn net.Conn
	t    Times

	mu      sync.Mutex
	err     error     // why the connection ended; set once
	reading bool      // a Read is blocked
	since   time.Time // when its waiting began to count
	greeted bool      // its first octet has come
	owed    bool      // the server owes us an answer
	mid     bool      // it is in the middle of one
	limited bool      // an operation has an allowance
	left    time.Duration
	waited  time.Duration // in the rate window
	got     int
}

func newPace(conn net.Conn, t Times) *pace {
	return &pace{conn: conn, t: t.withDefaults(), owed: true}
}

// arm sets the deadline for the Read under way. mu is held.
func (p *pace) arm(now time.Time) {
	_ = p.conn.SetReadDeadline(now.Add(p.patience()))
}

// patience says how long a Read that begins now may block. mu is held.
func (p *pace) patience() time.Duration {
	if !p.owed && !p.mid {
		return p.t.Idle
	}
	d := p.t.Read
	if !p.greeted {
		d = p.t.Greeting
	}
	if p.limited {
		d = min(d, max(p.left, time.Millisecond))
	}
	return d
}

// read is conn.Read with the deadlines, and the account of the waiting.
func (p *pace) read(b []byte) (int, error) {
	p.mu.Lock()
	if p.err != nil {
		defer p.mu.Unlock()
		return 0, p.err
	}
	p.reading, p.since = true, time.Now()
	p.arm(p.since)
	p.mu.Unlock()

	n, err := p.conn.Read(b)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading = false
	p.greeted = p.greeted || n > 0
	if p.err != nil { // ended by Abort
		return 0, p.err
	}
	if n == 0 && err != nil && timedOut(err) {
		return 0, p.failLocked(p.timeout(err))
	}
	if late := p.account(n); late != nil {
		return 0, p.failLocked(late)
	}
	if n > 0 {
		return n, nil // an error comes again with the next Read
	}
	return n, err
}

// account books the wait that just ended. mu is held.
func (p *pace) account(n int) *mail.Fault {
	if !p.owed && !p.mid {
		return nil
	}
	w := time.Since(p.since)
	if p.limited {
		if p.left -= w; p.left <= 0 {
			return p.timeout(nil)
		}
	}
	if !p.mid {
		return nil
	}
	p.waited += w
	p.got += n
	if p.waited < rateWindow {
		return nil
	}
	slow := p.got < p.t.MinRate*int(rateWindow/time.Second)
	p.waited, p.got = 0, 0
	if slow {
		return &mail.Fault{Class: mail.Transient, Code: "too_slow",
			Text: "the mail server sends too slowly", Help: "it is tried again later"}
	}
	return nil
}

func (p *pace) timeout(err error) *mail.Fault {
	f := &mail.Fault{Class: mail.Transient, Code: "timeout", Err: err,
		Text: "the mail server did not answer in time", Help: "it is tried again later"}
	if !p.greeted {
		f.Code, f.Text = "timeout_greeting", "the mail server did not greet in time"
		f.Help = "check that the port is right for the protocol; a TLS port does not greet in clear text"
	}
	return f
}

// progress notes where the server's answer stands after a Read.
func (p *pace) progress(mid, turn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mid = mid
	if turn {
		p.owed = false
	}
}

// begin starts an operation that may wait d in all; 0 ends the allowance.
func (p *pace) begin(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limited, p.left = d > 0, d
	p.waited, p.got = 0, 0
	p.rearm()
}

// asked notes that we wrote something: the server owes an answer.
func (p *pace) asked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed = true
	p.rearm()
}

// rearm lets new rules hold for a Read that is already blocked. mu is held.
func (p *pace) rearm() {
	if p.reading {
		p.since = time.Now()
		p.arm(p.since)
	}
}

// write is conn.Write with a deadline.
func (p *pace) write(b []byte) (int, error) {
	if err := p.ended(); err != nil {
		return 0, err
	}
	p.asked()
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.t.Write))
	n, err := p.conn.Write(b)
	if err == nil {
		return n, nil
	}
	if timedOut(err) {
		err = p.fail(p.timeout(err))
	}
	if ended := p.ended(); ended != nil {
		err = ended
	}
	return n, err
}

// ended gives the reason why the connection was ended from our side, or nil.
func (p *pace) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// fail ends the connection for this reason, unless it has one already.
func (p *pace) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failLocked(err)
}

func (p *pace) failLocked(err error) error {
	if p.err == nil {
		if err == nil {
			err = net.ErrClosed
		}
		p.err = err
		cut(p.conn)
	}
	return p.err
}

// cut closes without courtesy: tls.Conn.Close may wait 5 s for its alert to be taken.
func cut(conn net.Conn) {
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = over.NetConn()
	}
	_ = conn.Close()
}

// watch ends the connection with ctx.
func (p *pace) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = p.fail(cancelled(ctx)) })
}
