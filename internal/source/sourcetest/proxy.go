package sourcetest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between source and server and fails on demand. It passes
// octets on and does not look at them, so TLS goes through it unbroken.
type proxy struct {
	l      net.Listener
	server string
	wg     sync.WaitGroup

	mu    sync.Mutex
	ended *sync.Cond
	conns []net.Conn
	left  int64 // octets from the server still passed on; -1: all
	cuts  bool  // what happens after those: the line is cut, or nothing comes any more
	done  bool
}

func startProxy(t *testing.T, server string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, server: server, left: -1}
	p.ended = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.server)
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		done := p.done
		p.mu.Unlock()
		if done {
			near.Close()
			far.Close()
			return
		}
		p.wg.Go(func() {
			_, _ = io.Copy(far, near)
			far.Close()
			near.Close()
		})
		p.wg.Go(func() {
			p.answers(near, far)
			far.Close()
			near.Close()
		})
	}
}

// answers passes on what the server sends, as long as it may.
func (p *proxy) answers(near, far net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		for rest := buf[:n]; len(rest) > 0; {
			n, goOn := p.admit(len(rest))
			if !goOn {
				return
			}
			if _, err := near.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
	}
}

// admit says how many of n octets pass and whether more may come. It waits
// for ever where nothing comes any more.
func (p *proxy) admit(n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.left == 0 && !p.cuts && !p.done {
		p.ended.Wait()
	}
	switch {
	case p.done:
		return 0, false
	case p.left < 0:
		return n, true
	}
	pass := int(min(int64(n), p.left))
	p.left -= int64(pass)
	return pass, pass > 0
}

// freezeAfter passes on n more octets from the server and then nothing.
func (p *proxy) freezeAfter(n int64) { p.failAfter(n, false) }

// cutAfter breaks the connection after n more octets from the server.
func (p *proxy) cutAfter(n int64) { p.failAfter(n, true) }

func (p *proxy) failAfter(n int64, cuts bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.cuts = n, cuts
}

// cut breaks all connections now.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}

// stop ends the proxy and waits for it.
func (p *proxy) stop() {
	p.mu.Lock()
	p.done = true
	p.ended.Broadcast()
	p.mu.Unlock()
	p.l.Close()
	p.cut()
	p.wg.Wait()
}
