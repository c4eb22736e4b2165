package pop3d

import (
	"encoding/base64"
	"errors"
	"strings"
)

func (c *session) mayLogin() bool { return c.tls || c.srv.opt.AllowPlain }

func (c *session) userName(arg string) {
	if !c.mayLogin() {
		c.reply("-ERR TLS first")
		return
	}
	c.name = arg
	c.reply("+OK")
}

func (c *session) pass(arg string) {
	if c.name == "" {
		c.reply("-ERR USER first")
		return
	}
	c.login(c.name, arg)
}

// auth does SASL (RFC 5034). An initial response is taken, and asked for
// where it is missing.
func (c *session) auth(arg string) {
	if !c.mayLogin() {
		c.reply("-ERR TLS first")
		return
	}
	mechanism, response, given := strings.Cut(arg, " ")
	mechanism = strings.ToUpper(mechanism)
	if mechanism != "PLAIN" && mechanism != "XOAUTH2" {
		c.reply("-ERR unknown mechanism")
		return
	}
	if !given {
		var ok bool
		if response, ok = c.ask(""); !ok {
			return
		}
	}
	raw, err := base64.StdEncoding.DecodeString(response)
	if err != nil || response == "*" {
		c.reply("-ERR authentication cancelled")
		return
	}
	if mechanism == "PLAIN" {
		c.plain(string(raw))
	} else {
		c.xoauth2(string(raw))
	}
}

// ask sends a challenge and reads the answer.
func (c *session) ask(challenge string) (string, bool) {
	c.reply("+ %s", base64.StdEncoding.EncodeToString([]byte(challenge)))
	if c.w.Flush() != nil {
		c.drop()
		return "", false
	}
	line, err := c.readLine()
	if err != nil {
		c.drop()
	}
	return line, err == nil
}

// plain: RFC 4616, authorization identity NUL user NUL password.
func (c *session) plain(raw string) {
	parts := strings.Split(raw, "\x00")
	if len(parts) != 3 {
		c.reply("-ERR malformed response")
		return
	}
	c.login(parts[1], parts[2])
}

// xoauth2: "user=" name ^A "auth=Bearer " token ^A ^A. A refusal is explained
// in a challenge first, to be answered with an empty line.
func (c *session) xoauth2(raw string) {
	user, rest, ok := strings.Cut(strings.TrimPrefix(raw, "user="), "\x01auth=Bearer ")
	token, end, ok2 := strings.Cut(rest, "\x01")
	if !ok || !ok2 || end != "\x01" {
		c.reply("-ERR malformed response")
		return
	}
	c.srv.mu.Lock()
	u := c.srv.users[user]
	known := u != nil && u.password == token
	c.srv.mu.Unlock()
	if !known {
		answer, ok := c.ask(`{"status":"401","schemes":"bearer","scope":"mail"}`)
		if !ok {
			return
		}
		if answer != "" {
			c.drop()
			return
		}
	}
	c.login(user, token)
}

func (c *session) login(name, password string) {
	u, err := c.srv.lock(name, password)
	if err != nil {
		if c.bad++; c.bad >= maxLogins {
			c.end = true
		}
		if errors.Is(err, errInUse) {
			c.refuse("IN-USE", "maildrop is locked by another session")
		} else {
			c.refuse("AUTH", "wrong user or password")
		}
		return
	}
	list, err := u.drop.List()
	if err != nil {
		c.srv.unlock(u)
		c.refuse("SYS/TEMP", "maildrop cannot be read")
		return
	}
	c.user, c.list, c.gone = u, list, make([]bool, len(list))
	c.reply("+OK logged in")
}
