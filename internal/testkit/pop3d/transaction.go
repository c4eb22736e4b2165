package pop3d

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The TRANSACTION state (RFC 1939 5).

func (c *session) stat(string) {
	if c.f.Stat != "" {
		c.reply("+OK %s", c.f.Stat)
		return
	}
	var n int
	var size int64
	for i, e := range c.list {
		if !c.gone[i] {
			n++
			size += e.Size
		}
	}
	c.reply("+OK %d %d", n, size)
}

func (c *session) listing(arg string) {
	c.scan(arg, func(n int, e Entry) string {
		if c.f.List != nil {
			return c.f.List(n, e.Size)
		}
		return fmt.Sprintf("%d %d", n, e.Size)
	})
}

func (c *session) uidl(arg string) {
	c.scan(arg, func(n int, e Entry) string {
		if c.f.UIDL != nil {
			return c.f.UIDL(n, e.UIDL)
		}
		return fmt.Sprintf("%d %s", n, e.UIDL)
	})
}

// scan answers LIST and UIDL: one line with an argument, else one a message.
func (c *session) scan(arg string, line func(n int, e Entry) string) {
	if arg != "" {
		if i, ok := c.number(arg); ok {
			c.reply("+OK %s", line(i+1, c.list[i]))
		}
		return
	}
	c.reply("+OK")
	for i, e := range c.list {
		if c.gone[i] {
			continue
		}
		if l := line(i+1, e); l != "" {
			c.reply("%s", l)
		}
	}
	c.reply(".")
}

func (c *session) dele(arg string) {
	if i, ok := c.number(arg); ok {
		c.gone[i] = true
		c.reply("+OK marked")
	}
}

func (c *session) rset(string) {
	clear(c.gone)
	c.reply("+OK")
}

func (c *session) retr(arg string) {
	i, ok := c.number(arg)
	if !ok {
		return
	}
	body, ok := c.openMessage(i)
	if !ok {
		return
	}
	defer body.Close()
	c.reply("+OK %d octets", c.list[i].Size)
	var r io.Reader = body
	if c.f.CutRetr > 0 {
		r = io.LimitReader(body, c.f.CutRetr)
	}
	c.send(r)
	if c.f.CutRetr > 0 {
		_ = c.w.Flush()
		c.drop()
		return
	}
	c.reply(".")
}

// top sends the header section, the blank line and that many lines of body.
func (c *session) top(arg string) {
	number, count, _ := strings.Cut(arg, " ")
	lines, err := strconv.Atoi(count)
	if err != nil || lines < 0 {
		c.reply("-ERR TOP needs a message number and a number of lines")
		return
	}
	i, ok := c.number(number)
	if !ok {
		return
	}
	body, ok := c.openMessage(i)
	if !ok {
		return
	}
	defer body.Close()
	c.reply("+OK top follows")
	if c.f.WholeTop {
		c.send(body)
	} else {
		c.send(&topReader{r: bufio.NewReader(body), lines: lines})
	}
	c.reply(".")
}

// number turns an argument into an index of the listing, or refuses.
func (c *session) number(arg string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(arg))
	if err != nil || n < 1 || n > len(c.list) || c.gone[n-1] {
		c.reply("-ERR no such message")
		return 0, false
	}
	return n - 1, true
}

func (c *session) openMessage(i int) (io.ReadCloser, bool) {
	if !c.f.RefuseRetr[i+1] {
		if body, err := c.user.drop.Open(c.list[i].Key); err == nil {
			return body, true
		}
	}
	c.refuse("SYS/TEMP", "message cannot be read")
	return nil, false
}

var crlfDot = []byte("\r\n.")

// send writes a body, dot-stuffed (RFC 1939 3) and ended with CRLF.
func (c *session) send(r io.Reader) {
	if c.f.BOM {
		_, _ = c.w.WriteString("\xEF\xBB\xBF")
	}
	s := stuffer{w: c.w, lineStart: !c.f.BOM}
	_, _ = io.Copy(&s, r)
	if c.f.CutRetr == 0 && !s.lineStart {
		c.eol()
	}
}

// stuffer doubles a dot at the start of a line.
type stuffer struct {
	w         *bufio.Writer
	lineStart bool
	cr        bool // the last octet was CR
}

func (s *stuffer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if s.lineStart && rest[0] == '.' {
			_ = s.w.WriteByte('.')
		}
		n := len(rest)
		if s.cr && rest[0] == '\n' {
			n = 1
		} else if i := bytes.Index(rest, crlfDot); i >= 0 {
			n = i + 2
		}
		s.lineStart = rest[n-1] == '\n' && (n > 1 && rest[n-2] == '\r' || n == 1 && s.cr)
		s.cr = rest[n-1] == '\r'
		if _, err := s.w.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// topReader gives the header section and some lines of what follows.
type topReader struct {
	r     *bufio.Reader
	lines int
	body  bool // past the blank line
	mid   bool // within a line longer than the buffer
	rest  []byte
}

func (t *topReader) Read(p []byte) (int, error) {
	if len(t.rest) == 0 {
		if t.body && !t.mid && t.lines == 0 {
			return 0, io.EOF
		}
		line, err := t.r.ReadSlice('\n')
		if len(line) == 0 {
			return 0, err
		}
		start := !t.mid
		t.mid = line[len(line)-1] != '\n'
		switch {
		case t.body && !t.mid:
			t.lines--
		case !t.body && start && (string(line) == "\r\n" || string(line) == "\n"):
			t.body = true
		}
		t.rest = line
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}
