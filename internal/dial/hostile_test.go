package dial

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/knadh/go-pop3"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Servers written to harm us, against the real client libraries. Without the
// guard the first of them does not fail the test: 8 MiB of "(" end the
// process with "fatal error: stack overflow", which Go cannot recover, and
// 64 KiB of them burn a core for a minute; the others take memory without
// bound or block for ever.

// flood writes first and then the same piece until n octets are out or the
// other side hangs up.
func flood(c net.Conn, first, piece string, n int) {
	if _, err := io.WriteString(c, first); err != nil {
		return
	}
	p := bytes.Repeat([]byte(piece), max(1, 32<<10/len(piece)))
	for sent := 0; sent < n; sent += len(p) {
		if _, err := c.Write(p); err != nil {
			return
		}
	}
}

// allocated says how much f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const imapGreeting = "* OK [CAPABILITY IMAP4rev1] ready\r\n"

// imapAttack lets go-imap send a NOOP to a server and gives what came of it.
func imapAttack(server func(net.Conn)) (guard *Conn, client error) {
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		server(far)
		_, _ = io.Copy(io.Discard, far) // until the guard hangs up
	})
	guard = Guard(near, Limits{})
	c := imapclient.New(guard, nil)
	if client = c.WaitGreeting(); client == nil {
		guard.SetOperation(time.Minute)
		client = c.Noop().Wait()
	}
	guard.Abort(nil)
	_ = c.Close()
	far.Close()
	wg.Wait()
	return guard, client
}

// Not parallel: they measure what the process allocates.
func TestHostileIMAPServerIsStopped(t *testing.T) {
	awaitCommand := func(c net.Conn) { _, _ = io.WriteString(c, imapGreeting); _, _ = c.Read(make([]byte, 100)) }
	for _, a := range []struct {
		name   string
		server func(net.Conn)
	}{
		{"8 MiB of parentheses in a BODYSTRUCTURE nobody asked for", func(c net.Conn) {
			awaitCommand(c)
			flood(c, "* 1 FETCH (BODYSTRUCTURE ", "(", 8<<20)
		}},
		{"parentheses in lower case, after a literal", func(c net.Conn) {
			awaitCommand(c)
			flood(c, "* 1 fetch (UID 1 BODY[] {3}\r\nabc BODYSTRUCTURE ", "(", 8<<20)
		}},
		{"parentheses in THREAD", func(c net.Conn) { awaitCommand(c); flood(c, "* THREAD ", "(", 8<<20) }},
		{"parentheses after a literal that is none", func(c net.Conn) {
			awaitCommand(c)
			flood(c, "* OK x {60000}\r\n* 1 FETCH (BODYSTRUCTURE ", "(", 8<<20)
		}},
		{"a status line without end", func(c net.Conn) { flood(c, "* OK ", "x", 256<<20) }},
		{"a quoted string without end", func(c net.Conn) { awaitCommand(c); flood(c, `* LIST () "/" "`, "x", 256<<20) }},
		{"a literal of a terabyte", func(c net.Conn) { awaitCommand(c); flood(c, "* LIST () \"/\" {999999999999}\r\n", "x", 256<<20) }},
		{"one literal of 60,000 octets after another", func(c net.Conn) {
			awaitCommand(c)
			flood(c, `* LIST () "/" x (A (`, "{60000}\r\n"+strings.Repeat("x", 60000)+" ", 256<<20)
		}},
		{"a capability list without end", func(c net.Conn) { awaitCommand(c); flood(c, "* CAPABILITY", " X", 256<<20) }},
		{"EXISTS without end", func(c net.Conn) { awaitCommand(c); flood(c, "", "* 5 EXISTS\r\n", 256<<20) }},
	} {
		t.Run(a.name, func(t *testing.T) {
			var err error
			var guard *Conn
			start := time.Now()
			bytes := allocated(func() { guard, err = imapAttack(a.server) })
			if err == nil {
				t.Fatal("the command succeeded")
			}
			wantFault(t, guard.Explain(err), mail.Protocol, "protocol_limit")
			if took := time.Since(start); took > time.Second && !strings.HasPrefix(a.name, "EXISTS") {
				t.Errorf("took %v, want less than a second", took)
			}
			t.Logf("allocated %d KiB", bytes>>10)
			if limit := uint64(4 << 20); bytes > limit && !strings.HasPrefix(a.name, "EXISTS") {
				t.Errorf("allocated %d KiB, want at most %d", bytes>>10, limit>>10)
			}
		})
	}
}

func TestPatientHostileIMAPServerIsStopped(t *testing.T) {
	t.Parallel()
	for _, a := range []struct {
		name   string
		server func(net.Conn)
		code   string
		within time.Duration
	}{
		{"silent from the start", func(net.Conn) {}, "timeout_greeting", 31 * time.Second},
		{"silent after a command", func(c net.Conn) { greetIMAP(c) }, "timeout", 61 * time.Second},
		{"one octet a second", func(c net.Conn) { _, _ = io.WriteString(c, "* OK "); drip(c, time.Second, "x") }, "too_slow", 31 * time.Second},
		{"one EXISTS a second", func(c net.Conn) { greetIMAP(c); drip(c, time.Second, "* 5 EXISTS\r\n") }, "timeout", 61 * time.Second},
	} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				guard, err := imapAttack(a.server)
				if err == nil {
					t.Fatal("the command succeeded")
				}
				wantFault(t, guard.Explain(err), mail.Transient, a.code)
				if took := time.Since(start); took > a.within {
					t.Errorf("took %v, want at most %v", took, a.within)
				}
			})
		})
	}
}

func greetIMAP(c net.Conn) {
	_, _ = io.WriteString(c, imapGreeting)
	_, _ = c.Read(make([]byte, 100))
}

// A well-behaved server must not notice the guard.
func TestGoIMAPFetchesThroughTheGuard(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	body := strings.Repeat("0123456789 ((( {5}\r\n", 50_000)
	go func() {
		greetIMAP(far)
		_, _ = io.WriteString(far, "* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {"+itoa(len(body))+"}\r\n"+body+")\r\nT1 OK done\r\n")
	}()
	g := Guard(near, Limits{})
	g.AllowLiterals(2<<20, 2<<20)
	c := imapclient.New(g, nil)
	defer c.Close()
	if err := c.WaitGreeting(); err != nil {
		t.Fatal(err)
	}
	fetch := c.Fetch(imap.UIDSetNum(7), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	msg := fetch.Next()
	if msg == nil {
		t.Fatal(g.Explain(fetch.Close()))
	}
	for item := msg.Next(); item != nil; item = msg.Next() {
		if b, ok := item.(imapclient.FetchItemDataBodySection); ok {
			got, err := io.ReadAll(b.Literal)
			if err != nil || string(got) != body {
				t.Errorf("%d octets, %v; want %d unchanged", len(got), err, len(body))
			}
		}
	}
	if err := fetch.Close(); err != nil {
		t.Error(err)
	}
}

// injected lets go-pop3 use a connection that is there already.
type injected struct{ net.Conn }

func (i injected) Dial(string, string) (net.Conn, error) { return i.Conn, nil }

// popAttack lets go-pop3 talk to a server and gives what came of it.
func popAttack(server func(net.Conn), talk func(*pop3.Conn) error) (*LineConn, error) {
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		server(far)
		_, _ = io.Copy(io.Discard, far)
	})
	lc := NewLineConn(near, LineLimits{})
	c, err := pop3.New(pop3.Opt{Dialer: injected{lc}}).NewConn()
	if err == nil {
		err = talk(c)
	}
	lc.Abort(nil)
	far.Close()
	wg.Wait()
	return lc, err
}

func greetPOP(c net.Conn) {
	_, _ = io.WriteString(c, "+OK ready\r\n")
	_, _ = c.Read(make([]byte, 100))
}

func uidl(c *pop3.Conn) error { _, err := c.Uidl(0); return err }

func TestHostilePOP3ServerIsStopped(t *testing.T) {
	for _, a := range []struct {
		name   string
		server func(net.Conn)
		limit  uint64 // octets allocated
	}{
		{"a greeting without end", func(c net.Conn) { flood(c, "+OK ", "x", 256<<20) }, 1 << 20},
		{"a UIDL line without end", func(c net.Conn) { greetPOP(c); flood(c, "+OK\r\n1 ", "x", 256<<20) }, 1 << 20},
		// go-pop3 keeps the listing, several times over while it grows.
		{"a UIDL listing without end", func(c net.Conn) { greetPOP(c); flood(c, "+OK\r\n", "1 abcdefghijklmnop\r\n", 256<<20) }, 96 << 20},
	} {
		t.Run(a.name, func(t *testing.T) {
			var err error
			var lc *LineConn
			got := allocated(func() { lc, err = popAttack(a.server, uidl) })
			if err == nil {
				t.Fatal("the listing succeeded")
			}
			wantFault(t, lc.Explain(err), mail.Protocol, "protocol_limit")
			if got > a.limit {
				t.Errorf("allocated %d KiB, want at most %d", got>>10, a.limit>>10)
			}
		})
	}
}

func TestPatientHostilePOP3ServerIsStopped(t *testing.T) {
	t.Parallel()
	for _, a := range []struct {
		name   string
		server func(net.Conn)
		code   string
	}{
		{"silent from the start", func(net.Conn) {}, "timeout_greeting"},
		{"silent after a command", greetPOP, "timeout"},
		{"one octet a second", func(c net.Conn) { greetPOP(c); drip(c, time.Second, "+") }, "too_slow"},
	} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				lc, err := popAttack(a.server, uidl)
				wantFault(t, lc.Explain(err), mail.Transient, a.code)
				if took := time.Since(start); took > 61*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestUserNameSmugglesNoCommand(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	wire := make(chan string, 1)
	go func() {
		_, _ = io.WriteString(far, "+OK ready\r\n")
		got, _ := io.ReadAll(far)
		wire <- string(got)
	}()
	lc := NewLineConn(near, LineLimits{})
	c, err := pop3.New(pop3.Opt{Dialer: injected{lc}}).NewConn()
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, c.User("bob\r\nDELE 1"), mail.Setup, "control_character")
	lc.Abort(errors.New("done"))
	if got := <-wire; got != "" {
		t.Errorf("on the wire: %q, want nothing", got)
	}
}
