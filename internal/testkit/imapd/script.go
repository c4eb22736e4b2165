package imapd

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Script is a server that misbehaves on purpose. Left alone it lets anybody
// in and serves Messages from one folder that every name selects; On takes
// over where a test wants something else. The zero Script works, in clear.
type Script struct {
	// TLS secures from the first octet, or with StartTLS after that command.
	TLS      *tls.Config
	StartTLS bool

	Greeting  string // without CRLF; "": * OK
	Caps      string // "": IMAP4rev1 UIDPLUS SASL-IR AUTH=PLAIN LITERAL+ IDLE
	Validity  uint32 // UIDVALIDITY; 0: 1
	NoUIDNext bool   // SELECT and STATUS do not tell it
	ModSeq    uint64 // HIGHESTMODSEQ; 0: not told. Caps must name CONDSTORE
	Mute      bool   // IDLE is answered, but nothing is ever told in it
	// Messages by ascending UID; once it serves, Deliver adds to them.
	Messages []ScriptMessage
	// On is asked first for every command; true: it has answered. It is called
	// by the goroutine of the connection.
	On func(w *Wire, c Command) bool

	wg     sync.WaitGroup
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	l      net.Listener
	idle   map[*Wire]bool // in IDLE
	log    []string
	closed bool
}

// A ScriptMessage is one message of a Script.
type ScriptMessage struct {
	UID  uint32
	Body string
	Size int64 // RFC822.SIZE as announced; 0: the truth
}

// A Command as the client sent it.
type Command struct {
	Tag  string
	Name string // upper case, "UID FETCH" in one
	Args string
}

// A Wire is one connection of a Script.
type Wire struct {
	script *Script
	conn   net.Conn
	r      *bufio.Reader
	shown  int // messages the client knows of
}

// Listen serves on a free port of 127.0.0.1 and gives the address.
func (s *Script) Listen() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.begin(l)
	s.wg.Go(func() { s.accept(l) })
	return l.Addr().String(), nil
}

// Serve accepts connections in clear until the listener or the Script is
// closed; where TLS is set it is the Script that secures them.
func (s *Script) Serve(l net.Listener) {
	s.begin(l)
	s.accept(l)
}

func (s *Script) begin(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open, s.idle, s.l = map[net.Conn]struct{}{}, map[*Wire]bool{}, l
}

func (s *Script) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.serve(conn) })
	}
}

// Close ends everything and waits for it.
func (s *Script) Close() error {
	s.mu.Lock()
	s.closed = true
	err := s.l.Close()
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// Log gives the commands received on all connections, without tags.
func (s *Script) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Saw reports whether a command with this name has come.
func (s *Script) Saw(name string) bool {
	return slices.ContainsFunc(s.Log(), func(line string) bool { return strings.HasPrefix(line, name) })
}

func (s *Script) serve(conn net.Conn) {
	s.mu.Lock()
	closed := s.closed
	s.open[conn] = struct{}{}
	s.mu.Unlock()
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	if closed {
		return
	}
	w := &Wire{script: s, conn: conn}
	if s.TLS != nil && !s.StartTLS {
		w.conn = tls.Server(conn, s.TLS)
	}
	w.r = bufio.NewReader(w.conn)
	w.Send(orElse(s.Greeting, "* OK ready") + "\r\n")
	for {
		c, err := w.Next()
		if err != nil {
			return
		}
		if s.On == nil || !s.On(w, c) {
			w.Default(c)
		}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Next reads the next command, for a test that lets them pile up.
func (w *Wire) Next() (c Command, err error) {
	line, err := w.Line()
	if err != nil {
		return c, err
	}
	c.Tag, line, _ = strings.Cut(line, " ")
	c.Name, c.Args, _ = strings.Cut(line, " ")
	if c.Name = strings.ToUpper(c.Name); c.Name == "UID" {
		var second string
		second, c.Args, _ = strings.Cut(c.Args, " ")
		c.Name += " " + strings.ToUpper(second)
	}
	w.script.mu.Lock()
	w.script.log = append(w.script.log, strings.TrimSpace(c.Name+" "+c.Args))
	w.script.mu.Unlock()
	return c, nil
}

// Line reads a line of the client.
func (w *Wire) Line() (string, error) {
	line, err := w.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Send sends octets as they are. What the client does not take is its affair.
func (w *Wire) Send(octets string) { _, _ = w.conn.Write([]byte(octets)) }

// OK ends a command.
func (w *Wire) OK(c Command) { w.Send(c.Tag + " OK done\r\n") }

// Close cuts the connection.
func (w *Wire) Close() { _ = w.conn.Close() }

// Upgrade answers STARTTLS with its OK and extra, then secures.
func (w *Wire) Upgrade(c Command, extra string) {
	w.Send(c.Tag + " OK begin TLS\r\n" + extra)
	w.conn = tls.Server(w.conn, w.script.TLS)
	w.r = bufio.NewReader(w.conn)
}

// Default does what a good server would.
func (w *Wire) Default(c Command) {
	s := w.script
	switch c.Name {
	case "CAPABILITY":
		caps := orElse(s.Caps, "IMAP4rev1 UIDPLUS SASL-IR AUTH=PLAIN LITERAL+ IDLE")
		if _, secure := w.conn.(*tls.Conn); s.StartTLS && !secure {
			caps += " STARTTLS"
		}
		w.Send("* CAPABILITY " + caps + "\r\n")
	case "STARTTLS":
		w.Upgrade(c, "")
		return
	case "SELECT", "EXAMINE":
		w.opened()
	case "STATUS":
		w.status(c)
	case "UID SEARCH":
		w.Send("* SEARCH\r\n")
	case "IDLE":
		if w.Idle(c, "") != nil {
			return
		}
	case "UID FETCH":
		w.fetch(c)
	case "LOGOUT":
		w.Send("* BYE\r\n")
		w.OK(c)
		w.Close()
		return
	}
	w.OK(c)
}

func (w *Wire) fetch(c Command) {
	set, items, _ := strings.Cut(c.Args, " ")
	for i, m := range w.script.messages() {
		if !inSet(set, m.UID) {
			continue
		}
		if strings.Contains(items, "BODY") {
			w.Send(w.script.Answer(i))
			continue
		}
		size := m.Size
		if size == 0 {
			size = int64(len(m.Body))
		}
		w.Send(fmt.Sprintf("* %d FETCH (UID %d FLAGS () INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE %d)\r\n", i+1, m.UID, size))
	}
}

// Answer is the FETCH response with the whole i-th message.
func (s *Script) Answer(i int) string {
	m := s.messages()[i]
	return fmt.Sprintf("* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", i+1, m.UID, len(m.Body), m.Body)
}

// inSet reports whether uid is in a set like "1:3,7,9:*".
func inSet(set string, uid uint32) bool {
	for part := range strings.SplitSeq(set, ",") {
		first, last, ok := strings.Cut(part, ":")
		if !ok {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if last == "*" {
			to, err2 = 1<<32-1, nil
		}
		if errors.Join(err1, err2) == nil && uint64(uid) >= from && uint64(uid) <= to {
			return true
		}
	}
	return false
}
