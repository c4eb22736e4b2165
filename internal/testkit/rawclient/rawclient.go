// Package rawclient reads a mailbox as plainly as can be and hashes what is in
// it. It is the truth that end-to-end tests compare with: it shares no line
// with the product and none with the libraries the product is built on, so a
// mistake there cannot hide here.
//
// It trusts the server of a test: no limits, no policy, no retries. A reply it
// does not expect is an error.
package rawclient

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"hash"
	"net"
	"strings"
)

// Config names a mailbox and how to reach it.
type Config struct {
	Protocol string // "pop3" or "imap"
	Addr     string // host:port
	StartTLS bool   // STLS or STARTTLS on a plain port, else TLS from the start
	TLS      *tls.Config
	User     string
	Password string
	Folder   string // IMAP; "" is INBOX
}

// Message is what is known of one message: its hash and how long it is.
type Message struct {
	SHA256 string // hex
	Size   int64
	// Announced is the size the server gave for it (LIST, RFC822.SIZE).
	Announced int64
}

// Hashes counts the messages of a mailbox by the SHA-256 of their octets.
func Hashes(ctx context.Context, c Config) (map[string]int, error) {
	all, err := Messages(ctx, c)
	if err != nil {
		return nil, err
	}
	sums := map[string]int{}
	for _, m := range all {
		sums[m.SHA256]++
	}
	return sums, nil
}

// Messages reads every message of a mailbox, in the order of the server, and
// leaves it as it was.
func Messages(ctx context.Context, c Config) ([]Message, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	var read func(*session, Config) ([]Message, error)
	switch c.Protocol {
	case "pop3":
		read = readPOP3
	case "imap":
		read = readIMAP
	default:
		return nil, fmt.Errorf("rawclient: unknown protocol %q", c.Protocol)
	}
	s := &session{raw: raw}
	s.use(raw)
	if !c.StartTLS {
		if err := s.secure(ctx, c.TLS); err != nil {
			return nil, err
		}
	}
	s.ctx = ctx
	messages, err := read(s, c)
	if err != nil {
		return nil, fmt.Errorf("rawclient: %s %s: %w", c.Protocol, c.Addr, err)
	}
	return messages, nil
}

// session is a connection read by lines.
type session struct {
	ctx  context.Context
	raw  net.Conn
	conn net.Conn
	r    *bufio.Reader
}

func (s *session) use(conn net.Conn) {
	s.conn, s.r = conn, bufio.NewReaderSize(conn, 64<<10)
}

func (s *session) secure(ctx context.Context, config *tls.Config) error {
	t := tls.Client(s.raw, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	s.use(t)
	return nil
}

func (s *session) send(line string) error {
	_, err := s.conn.Write([]byte(line + "\r\n"))
	return err
}

// line reads one line without its CRLF.
func (s *session) line() (string, error) {
	line, err := s.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// tally hashes and counts one message.
type tally struct {
	sum  hash.Hash
	size int64
}

func newTally() *tally { return &tally{sum: sha256.New()} }

func (t *tally) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	return t.sum.Write(p)
}

func (t *tally) message(announced int64) Message {
	return Message{SHA256: hex.EncodeToString(t.sum.Sum(nil)), Size: t.size, Announced: announced}
}
