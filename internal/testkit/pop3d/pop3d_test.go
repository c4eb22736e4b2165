package pop3d_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// client is another POP3 client than the product's.
type client struct {
	t *testing.T
	c net.Conn
	*textproto.Conn
}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{t, conn, textproto.NewConn(conn)}
	c.want("+OK")
	return c
}

// want reads a line and checks how it starts.
func (c *client) want(prefix string) string {
	c.t.Helper()
	line, err := c.ReadLine()
	if err != nil || !strings.HasPrefix(line, prefix) {
		c.t.Fatalf("got %q, %v; want %s", line, err, prefix)
	}
	return line
}

// cmd sends a command and checks the status line.
func (c *client) cmd(command, prefix string) string {
	c.t.Helper()
	if err := c.PrintfLine("%s", command); err != nil {
		c.t.Fatal(err)
	}
	return c.want(prefix)
}

// multi is cmd with the lines that follow.
func (c *client) multi(command string) string {
	c.t.Helper()
	c.cmd(command, "+OK")
	lines, err := c.ReadDotLines()
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Join(lines, "|")
}

func (c *client) login() *client {
	c.t.Helper()
	c.cmd("USER ann", "+OK")
	c.cmd("PASS secret word", "+OK")
	return c
}

func serve(t *testing.T, f pop3d.Faults, raw ...string) (*pop3d.Server, *pop3d.Memory, string) {
	t.Helper()
	srv := pop3d.New(pop3d.Options{AllowPlain: true})
	t.Cleanup(func() { _ = srv.Close() })
	drop := new(pop3d.Memory)
	for _, r := range raw {
		drop.Add([]byte(r))
	}
	srv.AddUser("ann", "secret word", drop)
	srv.Misbehave(f)
	addr, err := srv.Listen()
	if err != nil {
		t.Fatal(err)
	}
	return srv, drop, addr
}

func TestSessionAsInTheRFC(t *testing.T) {
	t.Parallel()
	_, drop, addr := serve(t, pop3d.Faults{}, "A: 1\r\n\r\none\r\ntwo\r\n", "A: 2\r\n\r\n.\r\n..x", "")
	c := connect(t, addr)
	c.cmd("STAT", "-ERR")
	c.cmd("PASS secret word", "-ERR")
	c.cmd("USER ann", "+OK")
	c.cmd("PASS wrong", "-ERR [AUTH]")
	c.login()
	if got, want := c.cmd("STAT", "+OK"), "+OK 3 32"; got != want {
		t.Errorf("STAT: %q, want %q", got, want)
	}
	for command, want := range map[string]string{
		"LIST":    "1 18|2 14|3 0",
		"UIDL":    "1 uid-00000001|2 uid-00000002|3 uid-00000003",
		"RETR 1":  "A: 1||one|two",
		"RETR 2":  "A: 2||.|..x",
		"RETR 3":  "",
		"TOP 1 0": "A: 1|",
		"TOP 1 1": "A: 1||one",
		"TOP 2 9": "A: 2||.|..x",
	} {
		if got := c.multi(command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	c.cmd("LIST 2", "+OK 2 14")
	c.cmd("UIDL 4", "-ERR")
	for _, bad := range []string{"RETR 0", "RETR 4", "RETR x", "TOP 1", "TOP 1 -1", "NONSENSE", "USER ann", ""} {
		c.cmd(bad, "-ERR")
	}
	c.cmd("DELE 2", "+OK")
	c.cmd("RETR 2", "-ERR")
	c.cmd("RSET", "+OK")
	c.cmd("DELE 1", "+OK")
	if got, want := c.multi("UIDL"), "2 uid-00000002|3 uid-00000003"; got != want {
		t.Errorf("UIDL after DELE: %q, want %q", got, want)
	}
	if drop.Len() != 3 {
		t.Error("deleted before QUIT")
	}
	c.cmd("QUIT", "+OK")
	if drop.Len() != 2 {
		t.Errorf("%d messages after QUIT, want 2", drop.Len())
	}
}

func TestDroppedConnectionDeletesNothingAndFreesTheLock(t *testing.T) {
	t.Parallel()
	srv, drop, addr := serve(t, pop3d.Faults{CutAt: "NOOP"}, "a\r\n")
	c := connect(t, addr).login()
	c.cmd("DELE 1", "+OK")
	other := connect(t, addr)
	other.cmd("USER ann", "+OK")
	other.cmd("PASS secret word", "-ERR [IN-USE]")
	_ = c.PrintfLine("NOOP")
	if _, err := c.ReadLine(); err == nil {
		t.Fatal("the connection is still there")
	}
	other.login()
	if drop.Len() != 1 || srv.Logins() != 2 || srv.Seen("DELE") != 1 {
		t.Errorf("%d messages, %d logins, %d DELE; want 1, 2, 1", drop.Len(), srv.Logins(), srv.Seen("DELE"))
	}
}

func TestNewMailShowsAtTheNextLogin(t *testing.T) {
	t.Parallel()
	_, drop, addr := serve(t, pop3d.Faults{}, "a\r\n")
	c := connect(t, addr).login()
	drop.Add([]byte("b\r\n"))
	c.cmd("STAT", "+OK 1 ")
	c.cmd("QUIT", "+OK")
	connect(t, addr).login().cmd("STAT", "+OK 2 ")
}

func TestPasswordInClearIsRefused(t *testing.T) {
	t.Parallel()
	ca := testkit.NewCA()
	srv := pop3d.New(pop3d.Options{TLS: ca.ServerConfig("127.0.0.1")})
	t.Cleanup(func() { _ = srv.Close() })
	srv.AddUser("ann", "secret word", new(pop3d.Memory))
	addr, err := srv.Listen()
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, addr)
	c.cmd("USER ann", "-ERR")
	c.cmd("AUTH PLAIN", "-ERR")
	if caps := c.multi("CAPA"); !strings.Contains(caps, "STLS") || strings.Contains(caps, "SASL") {
		t.Errorf("capabilities in clear: %s", caps)
	}
	c.cmd("STLS", "+OK")
	secured := tls.Client(c.c, ca.ClientConfig("127.0.0.1"))
	c = &client{t, secured, textproto.NewConn(secured)}
	if caps := c.multi("CAPA"); strings.Contains(caps, "STLS") || !strings.Contains(caps, "SASL PLAIN XOAUTH2") {
		t.Errorf("capabilities in TLS: %s", caps)
	}
	c.login().cmd("QUIT", "+OK")
}

func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	_, _, addr := serve(t, pop3d.Faults{}, "a\r\n", "b\r\n")
	c := connect(t, addr).login()
	if err := c.PrintfLine("RETR 2\r\nNOOP\r\nRETR 9\r\nRETR 1"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"+OK 3", "b", ".", "+OK", "-ERR", "+OK 3", "a", "."} {
		c.want(want)
	}
}

// The truth is computed octet by octet.
func TestRandomMessagesAreStuffedExactlyOnce(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	_, drop, addr := serve(t, pop3d.Faults{})
	var want [][]byte
	for range 2_000 {
		raw := make([]byte, rng.IntN(40))
		for i := range raw {
			raw[i] = "\r\n.\r\n.a"[rng.IntN(7)]
		}
		drop.Add(raw)
		var w []byte
		for i, c := range raw {
			if c == '.' && (i == 0 || i > 1 && raw[i-1] == '\n' && raw[i-2] == '\r') {
				w = append(w, '.')
			}
			w = append(w, c)
		}
		if len(w) > 0 && !bytes.HasSuffix(w, []byte("\r\n")) {
			w = append(w, "\r\n"...)
		}
		want = append(want, append(w, ".\r\n"...))
	}
	c := connect(t, addr).login()
	r := bufio.NewReader(c.R)
	for i, w := range want {
		if err := c.PrintfLine("RETR %d", i+1); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(w))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, w) {
			t.Fatalf("seed %d, message %d: got %q, %v; want %q", seed, i, got, err, w)
		}
	}
}

func TestFaultsHappenAsAsked(t *testing.T) {
	t.Parallel()
	t.Run("truncated RETR", func(t *testing.T) {
		t.Parallel()
		_, _, addr := serve(t, pop3d.Faults{CutRetr: 3}, "abcdef\r\n")
		c := connect(t, addr).login()
		c.cmd("RETR 1", "+OK")
		if rest, err := io.ReadAll(c.R); string(rest) != "abc" || err != nil {
			t.Errorf("got %q, %v; want abc and the end", rest, err)
		}
	})
	t.Run("listings", func(t *testing.T) {
		t.Parallel()
		_, drop, addr := serve(t, pop3d.Faults{
			Stat: "7 7", NoTop: true,
			List: func(n int, _ int64) string { return fmt.Sprintf("%d 99", n) },
			UIDL: func(n int, uidl string) string { return strings.Repeat("x", n-1) },
		}, "a\r\n")
		drop.AddUIDL("dup", []byte("b\r\n"))
		c := connect(t, addr).login()
		c.cmd("STAT", "+OK 7 7")
		c.cmd("TOP 1 0", "-ERR")
		if got := c.multi("LIST") + " " + c.multi("UIDL"); got != "1 99|2 99 x" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("reused id", func(t *testing.T) {
		t.Parallel()
		_, drop, addr := serve(t, pop3d.Faults{BOM: true}, "a\r\n")
		drop.Replace("uid-00000001", []byte("b\r\n"))
		c := connect(t, addr).login()
		if got := c.multi("RETR 1"); got != "\xEF\xBB\xBFb" {
			t.Errorf("got %q", got)
		}
	})
}
