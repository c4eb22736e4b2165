package imap_test

import (
	"bufio"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/source/imap"
)

// bare is another client of a mailbox: the protocol and nothing else.
type bare struct {
	t    testing.TB
	conn interface {
		Write([]byte) (int, error)
		Close() error
	}
	r *bufio.Reader
}

// login connects with TLS and logs in.
func login(t testing.TB, cfg imap.Config) *bare {
	t.Helper()
	raw, err := cfg.Dial.Dial(t.Context(), cfg.Host, cfg.Port)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := cfg.Dial.TLS(t.Context(), raw, cfg.Host)
	if err != nil {
		t.Fatal(err)
	}
	c := &bare{t: t, conn: conn, r: bufio.NewReader(conn)}
	if _, ok := t.(*testing.B); !ok {
		t.Cleanup(func() { _ = conn.Close() })
	}
	c.line()
	c.do("AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+cfg.Username+"\x00"+cfg.Password.RevealString())))
	return c
}

func (c *bare) line() string {
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return line
}

// do carries out a command, which must succeed, and gives the answer.
func (c *bare) do(command string) (answer string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte("b " + command + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
	for {
		line := c.line()
		if strings.HasPrefix(line, "b ") {
			if !strings.HasPrefix(line, "b OK") {
				c.t.Fatalf("%s: %s", command, line)
			}
			return answer
		}
		answer += line
	}
}
