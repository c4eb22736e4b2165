package pop3d

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// session is one connection.
type session struct {
	srv  *Server
	f    Faults
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	tls  bool

	name string // from USER
	bad  int    // failed logins
	user *user  // nil before login
	list []Entry
	gone []bool // marked for deletion
	end  bool   // close after this reply
}

// A client that sends more in a command line, or fails to log in more often, is cut off.
const (
	maxCommand = 16 << 10
	maxLogins  = 3
)

func (s *Server) session(conn net.Conn) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &session{srv: s, f: s.faults}
	c.attach(conn)
	return c
}

func (c *session) attach(conn net.Conn) {
	c.conn = conn
	_, c.tls = conn.(*tls.Conn)
	c.r = bufio.NewReaderSize(conn, maxCommand)
	c.w = bufio.NewWriterSize(faultyWriter{c}, 32<<10)
}

type faultyWriter struct{ c *session }

func (w faultyWriter) Write(p []byte) (int, error) {
	if w.c.f.Write != nil {
		return w.c.f.Write(p, w.c.conn.Write)
	}
	return w.c.conn.Write(p)
}

// command is one row of the table of what is understood.
type command struct {
	login bool // needs a login; else it is allowed only before one
	any   bool // in both states
	run   func(c *session, arg string)
}

var commands map[string]command

func init() {
	commands = map[string]command{
		"CAPA": {any: true, run: (*session).capa},
		"QUIT": {any: true, run: (*session).quit},
		"STLS": {run: (*session).stls},
		"USER": {run: (*session).userName},
		"PASS": {run: (*session).pass},
		"AUTH": {run: (*session).auth},
		"STAT": {login: true, run: (*session).stat},
		"LIST": {login: true, run: (*session).listing},
		"UIDL": {login: true, run: (*session).uidl},
		"RETR": {login: true, run: (*session).retr},
		"TOP":  {login: true, run: (*session).top},
		"DELE": {login: true, run: (*session).dele},
		"RSET": {login: true, run: (*session).rset},
		"NOOP": {login: true, run: func(c *session, _ string) { c.reply("+OK") }},
	}
}

func (c *session) run() {
	defer func() {
		c.unlock()
		_ = c.conn.Close()
	}()
	if c.f.Greeting != "" {
		c.reply("%s", c.f.Greeting)
	} else {
		c.reply("+OK pop3d ready")
	}
	for !c.end {
		// Replies leave when there is nothing more to answer: that is all that pipelining asks of a server.
		if c.r.Buffered() == 0 && c.w.Flush() != nil {
			return
		}
		line, err := c.readLine()
		if err != nil {
			return
		}
		c.handle(line)
	}
	_ = c.w.Flush()
}

func (c *session) readLine() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (c *session) handle(line string) {
	name, arg, _ := strings.Cut(line, " ")
	name = strings.ToUpper(name)
	cmd, known := commands[name]
	if known {
		c.srv.count(name)
	}
	if c.f.CutAt == name && name != "" {
		c.drop()
		return
	}
	if c.f.Delay > 0 {
		time.Sleep(c.f.Delay)
	}
	canned, ok := c.f.Replies[name]
	switch {
	case ok:
		c.reply("%s", canned)
	case !known, c.switchedOff(name):
		c.reply("-ERR unknown command")
	case !cmd.any && cmd.login != (c.user != nil):
		c.reply("-ERR not now")
	default:
		cmd.run(c, arg)
	}
	if c.f.CutAfter == name && name != "" {
		_ = c.w.Flush()
		c.drop()
	}
	if c.f.NoPipelining {
		_ = c.w.Flush()
		_, _ = c.r.Discard(c.r.Buffered())
	}
}

func (c *session) switchedOff(name string) bool {
	switch name {
	case "CAPA":
		return c.f.NoCapa
	case "TOP":
		return c.f.NoTop
	case "UIDL":
		return c.f.NoUIDL
	case "STLS":
		return c.f.NoSTLS || c.srv.opt.TLS == nil
	}
	return false
}

// drop ends the session without another octet.
func (c *session) drop() {
	c.end = true
	_ = c.conn.Close()
}

// reply writes one line.
func (c *session) reply(format string, args ...any) {
	fmt.Fprintf(c.w, format, args...)
	c.eol()
}

func (c *session) eol() {
	if !c.f.BareLF {
		_ = c.w.WriteByte('\r')
	}
	_ = c.w.WriteByte('\n')
}

// refuse writes -ERR with a response code (RFC 2449 8) unless they are off.
func (c *session) refuse(code, text string) {
	if c.f.NoCodes {
		c.reply("-ERR %s", text)
		return
	}
	c.reply("-ERR [%s] %s", code, text)
}

// capa lists what is on (RFC 2449 5).
func (c *session) capa(string) {
	c.reply("+OK capabilities follow")
	if c.mayLogin() {
		c.reply("USER")
		c.reply("SASL PLAIN XOAUTH2")
	}
	if !c.tls && !c.switchedOff("STLS") {
		c.reply("STLS")
	}
	if !c.f.NoTop {
		c.reply("TOP")
	}
	if !c.f.NoUIDL {
		c.reply("UIDL")
	}
	if !c.f.NoPipelining {
		c.reply("PIPELINING")
	}
	if !c.f.NoCodes {
		c.reply("RESP-CODES")
		c.reply("AUTH-RESP-CODE")
	}
	if c.f.LoginDelay > 0 {
		c.reply("LOGIN-DELAY %d", c.f.LoginDelay)
	}
	c.reply(".")
}

// stls upgrades the connection (RFC 2595 4).
func (c *session) stls(string) {
	if c.tls {
		c.reply("-ERR TLS is on")
		return
	}
	c.reply("+OK begin TLS")
	_, _ = c.w.WriteString(c.f.InjectSTLS)
	if c.w.Flush() != nil || c.r.Buffered() > 0 {
		c.drop()
		return
	}
	conn := tls.Server(c.conn, c.srv.opt.TLS)
	if conn.Handshake() != nil {
		c.drop()
		return
	}
	c.name = ""
	c.attach(conn)
}

// quit carries out the deletions and frees the maildrop (RFC 1939 6): a
// client that has its answer may log in again at once.
func (c *session) quit(string) {
	c.end = true
	failed := c.expunge()
	c.unlock()
	if failed != nil {
		c.reply("-ERR some messages were not deleted")
		return
	}
	c.reply("+OK bye")
}

func (c *session) expunge() (failed error) {
	if c.f.KeepDeleted {
		return nil
	}
	for i, e := range c.list {
		if c.gone[i] {
			failed = errors.Join(failed, c.user.drop.Delete(e.Key))
		}
	}
	return failed
}

func (c *session) unlock() {
	if c.user != nil {
		c.srv.unlock(c.user)
		c.user = nil
	}
}
