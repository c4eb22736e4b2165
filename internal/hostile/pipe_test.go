package hostile

import (
	"net"
	"sync"
)

// wire gives both ends of a connection that holds some octets on their way,
// as a socket does and a net.Pipe does not: a client that sends commands ahead
// would wait for ever for a server that writes.
func wire(wg *sync.WaitGroup) (client, server net.Conn) {
	client, a := net.Pipe()
	server, b := net.Pipe()
	carry(wg, a, b)
	carry(wg, b, a)
	return client, server
}

// carry takes octets from one end to the other until either is closed.
func carry(wg *sync.WaitGroup, from, to net.Conn) {
	under := make(chan []byte, 32)
	wg.Go(func() {
		defer close(under)
		for {
			buf := make([]byte, 8<<10)
			n, err := from.Read(buf)
			if n > 0 {
				under <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	})
	wg.Go(func() {
		var err error
		for p := range under {
			if err == nil {
				if _, err = to.Write(p); err != nil {
					_ = from.Close()
				}
			}
		}
		_ = to.Close()
	})
}

// hall is a listener that is handed its connections.
type hall struct {
	conns chan net.Conn
	shut  chan struct{}
	once  sync.Once
}

func newHall() *hall { return &hall{conns: make(chan net.Conn), shut: make(chan struct{})} }

// give hands a connection to whoever serves the hall.
func (h *hall) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.shut:
		_ = c.Close()
	}
}

func (h *hall) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.shut:
		return nil, net.ErrClosed
	}
}

func (h *hall) Close() error {
	h.once.Do(func() { close(h.shut) })
	return nil
}

func (h *hall) Addr() net.Addr { return &net.TCPAddr{} }
