package imap

import (
	"context"
	"hash/maphash"
	"io"
	"net"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/dial"
)

// A hold is the secured connection as the guard and go-imap see it: they can
// be made to let go of it. Release wakes a blocked Read by a deadline in the
// past; what they get is io.EOF, and what they close from then on is nothing.
// A read that timed out does no harm to a tls.Conn; a write would.
type hold struct {
	net.Conn

	mu   sync.Mutex
	over bool
}

func (h *hold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	_ = h.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (h *hold) released() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

func (h *hold) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n == 0 && h.released() {
		return 0, io.EOF
	}
	return n, err
}

func (h *hold) SetReadDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	return h.Conn.SetReadDeadline(t)
}

func (h *hold) Close() error {
	if h.released() {
		return nil
	}
	return h.Conn.Close()
}

// NetConn gives the connection beneath, which the guard cuts.
func (h *hold) NetConn() net.Conn {
	if h.released() {
		return inert{}
	}
	return h.Conn
}

// inert is what can be cut of a connection that belongs to somebody else.
type inert struct{ net.Conn }

func (inert) Close() error { return nil }

// A resting connection is logged in, and nothing is under way on it: what a
// Source leaves behind. It knows nothing of the Source, its configuration or
// its credentials.
type resting struct {
	conn  net.Conn // secured
	raw   net.Conn // beneath it
	host  string
	whose uint64
	can   abilities
	since time.Time
}

func (r *resting) close() { _ = r.raw.Close() }

// logout ends the session politely, and in any case soon.
func (r *resting) logout() {
	t := newTalk(r)
	_ = t.command("LOGOUT", byeTime)
	r.close()
}

var seed = maphash.MakeSeed()

// whose tells the mailboxes of this process apart.
func (c Config) whose() uint64 {
	return maphash.Comparable(seed, struct {
		host, user string
		port       uint16
		security   Security
		oauth      bool
	}{c.Host, c.Username, c.Port, c.Security, c.Token != nil})
}

// leave takes the connection from go-imap and gives it to the Dialer. It
// returns false if the Source has no healthy one.
func (s *Source) leave() bool {
	s.mu.Lock()
	if s.cause != nil || s.hold == nil {
		s.mu.Unlock()
		return false
	}
	s.cause, s.left = errClosed, true
	s.mu.Unlock()
	s.hold.release()
	<-s.client.Closed()
	_ = s.client.Close()
	r := &resting{conn: s.hold.Conn, raw: s.raw, host: s.cfg.Host, whose: s.cfg.whose(), can: s.can}
	if s.lease.ended() != io.EOF {
		r.close()
		return true
	}
	_ = r.conn.SetReadDeadline(time.Time{})
	s.dialer.keep(r)
	return true
}

// keepTime is how long a connection may lie about before somebody parks it or
// goes on with it; servers end idle ones after 30 minutes, some after less.
const keepTime = time.Minute

// keep takes a connection that a Source leaves. One is enough.
func (d *Dialer) keep(r *resting) {
	r.since = time.Now()
	d.mu.Lock()
	full := d.kept != nil
	if !full {
		d.kept = r
	}
	d.mu.Unlock()
	if full {
		r.logout()
	}
}

// take gives a connection that Open can go on with, or nil.
func (d *Dialer) take() *resting {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.next
	d.next = nil
	if r == nil {
		r, d.kept = d.kept, nil
	}
	if r != nil && (time.Since(r.since) > keepTime || r.whose != d.cfg.whose()) {
		r.close()
		return nil
	}
	return r
}

// Close ends what was kept and not parked, or resumed and not opened.
func (d *Dialer) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range []*resting{d.kept, d.next} {
		if r != nil {
			r.close()
		}
	}
	d.kept, d.next = nil, nil
}

// show notes what the first folder looked like when it was listed.
func (d *Dialer) show(v snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.folder == d.cfg.Folders[0] {
		d.shown = v
	}
}

// reopen lends a resting connection to go-imap: no greeting, no login.
func (d *Dialer) reopen(ctx context.Context, r *resting) (*Source, error) {
	s := &Source{cfg: d.cfg, dialer: d, raw: r.raw}
	w := s.watch(ctx, loginTime, "go on")
	defer w.end()
	s.hold = &hold{Conn: r.conn}
	s.guard = guarded(dial.Replay(s.hold, greeting(r.can)))
	if err := s.handOver(r.can, nil); err != nil {
		return nil, s.end(lost(d.cfg.Host, err))
	}
	return s, nil
}
