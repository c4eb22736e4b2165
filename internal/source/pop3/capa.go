package pop3

import (
	"strconv"
	"strings"
	"time"
)

// capabilities is what CAPA announced (RFC 2449 6).
type capabilities struct {
	known      bool // CAPA was answered
	user       bool
	stls       bool
	top        bool
	uidl       bool
	pipelining bool
	sasl       []string // upper case
	loginDelay time.Duration
	perUser    bool // LOGIN-DELAY differs by user: known after login
}

func (c *capabilities) add(line string) {
	words := strings.Fields(strings.ToUpper(line))
	if len(words) == 0 {
		return
	}
	c.known = true
	switch words[0] {
	case "USER":
		c.user = true
	case "STLS":
		c.stls = true
	case "TOP":
		c.top = true
	case "UIDL":
		c.uidl = true
	case "PIPELINING":
		c.pipelining = true
	case "SASL":
		c.sasl = append(c.sasl, words[1:]...)
	case "LOGIN-DELAY":
		c.delay(words[1:])
	}
}

// delay reads "LOGIN-DELAY n [USER]" (RFC 2449 6.5); absurd values are capped at a day.
func (c *capabilities) delay(args []string) {
	if len(args) == 0 {
		return
	}
	if n, err := strconv.ParseUint(args[0], 10, 32); err == nil {
		c.loginDelay = min(time.Duration(n)*time.Second, 24*time.Hour)
	}
	c.perUser = len(args) > 1 && args[1] == "USER"
}

// final reports whether a second CAPA, after login, has nothing to add: all
// of these hold in both states (RFC 2449 6). Some servers announce them only
// to users who are logged in (jakartaee/mail-api#50).
func (c *capabilities) final() bool {
	return c.top && c.uidl && c.pipelining && !c.perUser
}

// askCapa sends CAPA. A server that does not know it announces nothing.
func (s *Source) askCapa() error {
	s.caps = capabilities{}
	if err := s.send("CAPA"); err != nil {
		return err
	}
	r, err := s.reply()
	if err != nil || !r.ok {
		return err
	}
	return s.lines(func(line []byte) { s.caps.add(string(line)) })
}
