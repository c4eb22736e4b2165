package imap

import (
	"net"
	"sync"
	"time"
)

// A lease is the connection as go-imap sees it: already logged in. It hides
// the preamble behind a synthetic greeting, keeps the reason for which the
// connection ended (go-imap keeps only its text), and leaves time to the
// guard and the watch: go-imap's fixed five minutes for a literal would cut a
// reader that waits for Gmail.
type lease struct {
	net.Conn        // the guard
	head     []byte // what is read before it

	mu  sync.Mutex
	err error // the first that Read or Write gave
}

// greeting announces what we want go-imap to use. Capabilities decide what
// go-imap sends: it learns only of those, so it never writes folder names in an
// encoding the server has not agreed to (IMAP4rev2 beside IMAP4rev1 means
// nothing before ENABLE).
func greeting(can abilities) []byte {
	list := "IMAP4rev1"
	if can.all(onlyRev2) {
		list = "IMAP4rev2"
	}
	for _, c := range []struct {
		can  abilities
		name string
	}{{esearch, " ESEARCH"}, {literalPlus, " LITERAL+"}, {literalMinus, " LITERAL-"}, {move, " MOVE"}} {
		if can.all(c.can) {
			list += c.name
		}
	}
	return []byte("* PREAUTH [CAPABILITY " + list + "] logged in\r\n")
}

func (l *lease) Read(b []byte) (int, error) {
	if len(l.head) > 0 {
		n := copy(b, l.head)
		l.head = l.head[n:]
		return n, nil
	}
	n, err := l.Conn.Read(b)
	l.note(err)
	return n, err
}

func (l *lease) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	l.note(err)
	return n, err
}

func (l *lease) note(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// ended gives the error that ended the connection, nil if it was not the
// connection.
func (l *lease) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *lease) SetDeadline(time.Time) error      { return nil }
func (l *lease) SetReadDeadline(time.Time) error  { return nil }
func (l *lease) SetWriteDeadline(time.Time) error { return nil }
