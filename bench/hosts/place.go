package hosts

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// large is the size from which a message is made anew each time it is read.
const large = 1 << 20

// fleet is a Fleet at work.
type fleet struct {
	Placed
	seed    uint64 // of its first message; below the next fleet's
	serial  atomic.Uint64
	boxes   []func(message) // put a message into the i-th mailbox
	polls   *polls
	open    atomic.Int64
	arrived atomic.Int64
	closers []io.Closer
}

// message is what is delivered.
type message struct {
	size int64
	raw  []byte           // nil if it is large
	open func() io.Reader // its octets, always the same
	sha  string
}

// next makes the next message of the fleet: no two are equal.
func (f *fleet) next() message {
	seed := f.seed + f.serial.Add(1)
	if f.Size > large {
		m := message{size: f.Size, open: func() io.Reader { return testkit.Big(f.Size, seed) }}
		h := sha256.New()
		_, _ = io.Copy(h, m.open())
		m.sha = hex.EncodeToString(h.Sum(nil))
		return m
	}
	var m message
	if f.Size > 0 {
		m.raw, _ = io.ReadAll(testkit.Big(f.Size, seed))
	} else {
		m.raw = testkit.Message(seed)
	}
	sum := sha256.Sum256(m.raw)
	m.size, m.sha = int64(len(m.raw)), hex.EncodeToString(sum[:])
	return m
}

// place starts the servers of a fleet and makes its mailboxes.
func place(o Fleet, index int, secure *tls.Config) (_ *fleet, err error) {
	f := &fleet{Placed: Placed{Fleet: o}, seed: uint64(index+1) << 40, polls: newPolls(o.Mailboxes)}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	for first := 0; first < o.Mailboxes; first += o.perHost() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		f.Ports = append(f.Ports, l.Addr().(*net.TCPAddr).Port)
		f.host(counted{l, f}, first, min(first+o.perHost(), o.Mailboxes), secure)
	}
	return f, nil
}

// host serves the mailboxes from first to before end on l.
func (f *fleet) host(l net.Listener, first, end int, secure *tls.Config) {
	if f.Behaves != "" && f.hostile(l, secure) {
		f.boxes = append(f.boxes, make([]func(message), end-first)...) // nothing can be put there
		return
	}
	l = tls.NewListener(l, secure)
	if f.Protocol == "pop3" {
		srv := pop3d.New(pop3d.Options{TLS: secure})
		srv.Misbehave(f.faults())
		for i := first; i < end; i++ {
			drop := pop3d.NewMemory()
			srv.AddUser(f.Username(i), Password, watched{drop, f.polls, i})
			f.boxes = append(f.boxes, func(m message) { drop.Add(m.raw) })
		}
		f.closers = append(f.closers, srv)
		go srv.Serve(l)
		return
	}
	srv := imapd.New(imapd.Options{TLS: secure})
	for i := first; i < end; i++ {
		u := srv.AddUser(f.Username(i), Password)
		f.boxes = append(f.boxes, func(m message) {
			if m.raw != nil {
				u.Deliver("INBOX", m.raw)
			} else {
				u.DeliverFrom("INBOX", time.Now(), m.size, m.open)
			}
		})
	}
	f.closers = append(f.closers, srv)
	go srv.Serve(l)
}

// put delivers the next message into the i-th mailbox.
func (f *fleet) put(i int, intended time.Time) (Delivery, error) {
	if f.boxes[i] == nil {
		return Delivery{}, fmt.Errorf("fleet %s behaves %s: nothing can be delivered there", f.Name, f.Behaves)
	}
	m := f.next()
	f.boxes[i](m)
	return Delivery{Fleet: f.Name, Box: i, SHA256: m.sha, Size: m.size, Intended: intended}, nil
}

func (f *fleet) close() {
	var all sync.WaitGroup
	for _, c := range f.closers {
		all.Go(func() { _ = c.Close() })
	}
	all.Wait()
}

// counted counts the connections of a fleet.
type counted struct {
	net.Listener
	f *fleet
}

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.f.arrived.Add(1)
	c.f.open.Add(1)
	return &countedConn{Conn: conn, f: c.f}, nil
}

type countedConn struct {
	net.Conn
	f    *fleet
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.f.open.Add(-1) })
	return c.Conn.Close()
}

// watched is a maildrop whose listings are noted: one for each login.
type watched struct {
	*pop3d.Memory
	polls *polls
	box   int
}

func (w watched) List() ([]pop3d.Entry, error) {
	w.polls.note(w.box, time.Now())
	return w.Memory.List()
}
