package dial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// pipe gives the guard's end and the server's end of a connection.
func pipe(t *testing.T) (near, far net.Conn) {
	near, far = net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// reads reads until the guard gives an error.
func reads(c io.Reader) error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	return err
}

func TestGuardPassesOctetsUnchanged(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	body := bytes.Repeat([]byte("all octets \x00\xff(\"{5}\r\n"), 50_000)
	sent := []byte("* OK ready\r\n* 1 FETCH (UID 7 BODY[] {" + itoa(len(body)) + "}\r\n" + string(body) + ")\r\na1 OK done\r\n")
	go func() {
		_, _ = far.Write(sent)
		far.Close()
	}()
	c := Guard(near, Limits{})
	c.AllowLiterals(2<<20, 2<<20)
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d octets, %v; want %d unchanged", len(got), err, len(sent))
	}
}

func itoa(n int) string { return string(appendInt(nil, n)) }

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func TestLimitsEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]string{
		"line": "* OK " + strings.Repeat("x", 300<<10), "depth": "* 1 FETCH " + deep, "literal": "* LIST () {70000}\r\n",
		"total": strings.Repeat("* 1 EXISTS\r\n", 6<<20), "body not awaited": "* 1 FETCH (BODY[] {70000}\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := pipe(t)
			gone := make(chan error, 1)
			go func() {
				_, err := io.Copy(far, strings.NewReader(send))
				if err == nil {
					_, err = far.Read(make([]byte, 1))
				}
				gone <- err
			}()
			c := Guard(near, Limits{})
			wantFault(t, reads(c), mail.Protocol, "protocol_limit")
			if err := <-gone; err == nil {
				t.Error("the connection is still open")
			}
			// Whatever the library makes of it, the reason stays.
			wantFault(t, c.Explain(errors.New("imapclient: something else")), mail.Protocol, "protocol_limit")
			if _, err := c.Write([]byte("a1 NOOP\r\n")); err == nil {
				t.Error("a write after the end succeeded")
			}
		})
	}
}

func TestANewOperationStartsTheCountAnew(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	go func() {
		for {
			if _, err := far.Write([]byte("* OK " + strings.Repeat("x", 1000) + "\r\n")); err != nil {
				return
			}
		}
	}()
	c := Guard(near, Limits{Total: 10_000})
	for range 5 {
		c.SetOperation(time.Minute)
		if _, err := io.CopyN(io.Discard, c, 9_000); err != nil {
			t.Fatal(err)
		}
	}
	if err := reads(c); err == nil {
		t.Error("an operation without end was not ended")
	}
}

func TestAwaitedLiteralsHaveASumToo(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	one := "* 1 FETCH (UID 1 BODY[] {100000}\r\n" + strings.Repeat("x", 100_000) + ")\r\n"
	go func() { _, _ = io.Copy(far, strings.NewReader("* OK\r\n"+strings.Repeat(one, 10))) }()
	c := Guard(near, Limits{})
	c.AllowLiterals(100_000, 500_000)
	n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	wantFault(t, err, mail.Protocol, "protocol_limit")
	if n < 460_000 || n > 510_000 { // what came with the sixth announcement is not delivered
		t.Errorf("%d octets passed, want five messages", n)
	}
}

// clocked is one story about time: the server's part, ours, and the end.
type clocked struct {
	name   string
	server func(far net.Conn)
	client func(c *Conn) error // nil: reads
	code   string              // "": no fault
	after  time.Duration       // of fake time, give or take a second
}

func drip(c net.Conn, every time.Duration, what string) {
	for _, err := c.Write([]byte(what)); err == nil; _, err = c.Write([]byte(what)) {
		time.Sleep(every)
	}
}

func greet(c net.Conn) { _, _ = c.Write([]byte("* OK ready\r\n")) }

func TestTime(t *testing.T) {
	t.Parallel()
	command := func(allow time.Duration) func(*Conn) error {
		return func(c *Conn) error {
			b := make([]byte, 100)
			if _, err := c.Read(b); err != nil { // the greeting
				return err
			}
			c.SetOperation(allow)
			if _, err := c.Write([]byte("a1 NOOP\r\n")); err != nil {
				return err
			}
			return reads(c)
		}
	}
	swallow := func(c net.Conn) { _, _ = c.Read(make([]byte, 100)) }
	for _, s := range []clocked{
		{"silence instead of a greeting", func(net.Conn) {}, nil, "timeout_greeting", 30 * time.Second},
		{"silence after a command", func(c net.Conn) { greet(c); swallow(c) }, command(0), "timeout", 60 * time.Second},
		{"silence after a command with an allowance", func(c net.Conn) { greet(c); swallow(c) }, command(20 * time.Second), "timeout", 20 * time.Second},
		{"one octet a second", func(c net.Conn) { _, _ = c.Write([]byte("* OK ")); drip(c, time.Second, "x") }, nil, "too_slow", 30 * time.Second},
		{"a line a second, for ever", func(c net.Conn) { greet(c); swallow(c); drip(c, time.Second, "* 5 EXISTS\r\n") }, command(2 * time.Minute), "timeout", 2 * time.Minute},
		{"lines in quick drops, for ever", func(c net.Conn) { greet(c); swallow(c); drip(c, 500*time.Microsecond, "* 5 EXISTS\r\n") }, command(2 * time.Second), "timeout", 2 * time.Second},
		{"a greeting in drops, but fast enough", func(c net.Conn) {
			_, _ = c.Write([]byte("* OK "))
			for range 40 {
				_, _ = c.Write(bytes.Repeat([]byte("x"), 1100))
				time.Sleep(time.Second)
			}
			c.Close()
		}, nil, "", 40 * time.Second},
		{"silence while nothing is owed", func(c net.Conn) { greet(c); time.Sleep(20 * time.Minute); c.Close() }, nil, "", 20 * time.Minute},
		{"silence while nothing is owed, for ever", greet, nil, "timeout", 30 * time.Minute},
		{"silence in the middle of a literal", func(c net.Conn) {
			greet(c)
			_, _ = c.Write([]byte("* 1 FETCH (BODY[] {1000}\r\nabc"))
		}, nil, "timeout", 60 * time.Second},
		{"a command that is not taken", greet, func(c *Conn) error {
			_, _ = c.Read(make([]byte, 100))
			_, err := c.Write([]byte("a1 NOOP\r\n"))
			return err
		}, "timeout", 30 * time.Second},
		{"deadlines of the library are swallowed", func(c net.Conn) { greet(c); time.Sleep(10 * time.Minute); c.Close() }, func(c *Conn) error {
			time.AfterFunc(time.Minute, func() { // while a Read is blocked
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				_ = c.SetDeadline(time.Now().Add(time.Second))
				_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			})
			return reads(c)
		}, "", 10 * time.Minute},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				var server sync.WaitGroup
				defer func() {
					near.Close()
					far.Close()
					server.Wait()
				}()
				server.Go(func() { s.server(far) })
				c := Guard(near, Limits{})
				client := s.client
				if client == nil {
					client = func(c *Conn) error { return reads(c) }
				}
				start := time.Now()
				err := client(c)
				took := time.Since(start)
				if s.code == "" {
					if err != nil {
						t.Errorf("got %v, want the server's end", err)
					}
				} else {
					wantFault(t, err, mail.Transient, s.code)
				}
				if took < s.after-time.Second || took > s.after+time.Second {
					t.Errorf("took %v, want %v", took, s.after)
				}
			})
		})
	}
}

// The reader above may pause as long as it likes: Gmail is slow at times.
func TestASlowConsumerIsNotTheServersFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		body := strings.Repeat("x", 40_000)
		go func() {
			_, _ = far.Write([]byte("* OK ready\r\n* 1 FETCH (BODY[] {40000}\r\n" + body + ")\r\na1 OK done\r\n"))
			far.Close()
		}()
		c := Guard(near, Limits{})
		c.SetOperation(time.Minute)
		for {
			_, err := c.Read(make([]byte, 1000))
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
	})
}

func TestACommandShortensTheWaitOfABlockedRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := Guard(near, Limits{})
		ended := make(chan error, 1)
		go func() { ended <- reads(c) }() // as the library's own goroutine
		greet(far)
		time.Sleep(25 * time.Minute) // idle, nothing owed
		go func() { _, _ = far.Read(make([]byte, 100)) }()
		c.SetOperation(10 * time.Second)
		start := time.Now()
		if _, err := c.Write([]byte("a1 NOOP\r\n")); err != nil {
			t.Fatal(err)
		}
		wantFault(t, <-ended, mail.Transient, "timeout")
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("took %v, want the 10 s of the operation", took)
		}
	})
}

func TestWatchEndsABlockedRead(t *testing.T) {
	t.Parallel()
	near, _ := pipe(t)
	c := Guard(near, Limits{})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer c.Watch(ctx)()
	reason := errors.New("the mailbox is being deleted")
	time.AfterFunc(10*time.Millisecond, func() { cancel(reason) })
	err := reads(c)
	f, ok := mail.AsFault(err)
	if !ok || f.Code != "cancelled" || !errors.Is(err, reason) {
		t.Errorf("got %v, want cancelled because of %v", err, reason)
	}
}

func TestReplayComesFirst(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	go func() { _, _ = far.Write([]byte("* 1 EXISTS\r\n")); far.Close() }()
	got, err := io.ReadAll(Guard(Replay(near, []byte("* PREAUTH resumed\r\n")), Limits{}))
	if want := "* PREAUTH resumed\r\n* 1 EXISTS\r\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestExplainNamesWhatTheLibraryHides(t *testing.T) {
	t.Parallel()
	near, _ := pipe(t)
	c := Guard(near, Limits{})
	for _, e := range []struct {
		err   error
		class mail.Class
		code  string
	}{
		{io.EOF, mail.Transient, "cut"}, {io.ErrUnexpectedEOF, mail.Transient, "cut"}, {net.ErrClosed, mail.Transient, "cut"},
		{errors.New("in response: expected SP, got \"SECRET\""), mail.Protocol, "protocol_error"},
		{&mail.Fault{Class: mail.Login, Code: "auth_failed", Text: "no", Help: "yes"}, mail.Login, "auth_failed"},
	} {
		if f := wantFault(t, c.Explain(e.err), e.class, e.code); strings.Contains(f.Error(), "SECRET") {
			t.Errorf("the text repeats the server: %s", f)
		}
	}
	if err := c.Explain(nil); err != nil {
		t.Errorf("no error is explained as %v", err)
	}
}
