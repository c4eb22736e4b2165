package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// said gives a LineConn to a server that says this and hangs up.
func said(t *testing.T, text string, l LineLimits) *LineConn {
	near, far := pipe(t)
	go func() {
		_, _ = io.Copy(far, strings.NewReader(text))
		far.Close()
	}()
	return NewLineConn(near, l)
}

func TestLineConnReadsAtMostOneLine(t *testing.T) {
	t.Parallel()
	c := said(t, "+OK ready\r\n+OK two\nthree\r\n", LineLimits{})
	buf := make([]byte, 4096)
	for _, want := range []string{"+OK ready\r\n", "+OK two\n", "three\r\n"} {
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
	if c.LastStatus() != "+OK ready\r\n" {
		t.Errorf("status %q", c.LastStatus())
	}
	c = said(t, "+OK ready\r\n+OK two\r\n", LineLimits{})
	for _, want := range []string{"+OK", " re", "ady", "\r\n", "+OK"} { // a short buffer
		if n, err := c.Read(buf[:3]); err != nil || string(buf[:n]) != want {
			t.Errorf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
	if c.LastStatus() != "+OK ready\r\n" {
		t.Errorf("status read in pieces is %q", c.LastStatus())
	}
}

func TestLibraryAndBodyReaderShareTheConnection(t *testing.T) {
	t.Parallel()
	c := said(t, "+OK one\r\n+OK body follows\r\nraw octets\r\n.\r\n-ERR [IN-USE] later\r\n", LineLimits{})
	buf := make([]byte, 4096)
	n, _ := c.Read(buf) // the library
	if s, err := c.ReadStatus(); err != nil || s != "+OK body follows" || string(buf[:n]) != "+OK one\r\n" {
		t.Errorf("status %q, %v, after %q", s, err, buf[:n])
	}
	body := make([]byte, len("raw octets\r\n.\r\n"))
	if _, err := io.ReadFull(c.Reader(), body); err != nil || string(body) != "raw octets\r\n.\r\n" {
		t.Errorf("body %q, %v", body, err)
	}
	if s, err := c.ReadStatus(); err != nil || s != "-ERR [IN-USE] later" || c.LastStatus() != "-ERR [IN-USE] later\r\n" {
		t.Errorf("status %q, %v, last %q", s, err, c.LastStatus())
	}
	if _, err := c.ReadLine(); err != io.EOF {
		t.Errorf("after the end: %v, want EOF", err)
	}
}

func TestHalfALineIsNoLine(t *testing.T) {
	t.Parallel()
	if line, err := said(t, "+OK rea", LineLimits{}).ReadLine(); err != io.ErrUnexpectedEOF {
		t.Errorf("got %q, %v; want io.ErrUnexpectedEOF", line, err)
	}
}

func TestLineLimits(t *testing.T) {
	t.Parallel()
	listing := "+OK\r\n" + strings.Repeat("1 abcdef\r\n", 1000)
	for _, c := range []struct {
		name, text string
		l          LineLimits
	}{
		{"endless status", "+OK " + strings.Repeat("x", 3000), LineLimits{}},
		{"endless line in a listing", "+OK\r\n" + strings.Repeat("x", 3000), LineLimits{}},
		{"a line larger than every buffer", "+OK " + strings.Repeat("x", 100<<10) + "\r\n", LineLimits{}},
		{"too many lines", listing, LineLimits{Lines: 500}},
		{"too many octets", listing, LineLimits{Listing: 5000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := io.Copy(io.Discard, struct{ io.Reader }{said(t, c.text, c.l)})
			wantFault(t, err, mail.Protocol, "protocol_limit")
			lc := said(t, c.text, c.l)
			for err = nil; err == nil; _, err = lc.ReadLine() {
			}
			wantFault(t, err, mail.Protocol, "protocol_limit")
		})
	}
}

func TestEachAnswerHasItsOwnBudget(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	go func() {
		_, _ = far.Write([]byte("+OK\r\n"))
		for buf := make([]byte, 100); ; {
			if _, err := far.Read(buf); err != nil {
				return
			}
			_, _ = far.Write([]byte("+OK\r\n" + strings.Repeat("1 abc\r\n", 80)))
		}
	}()
	c := NewLineConn(near, LineLimits{Lines: 100})
	if _, err := c.ReadLine(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := c.Send("LIST"); err != nil {
			t.Fatal(err)
		}
		for range 81 {
			if _, err := c.ReadLine(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNothingButWholeLinesIsWritten(t *testing.T) {
	t.Parallel()
	near, far := pipe(t)
	var got bytes.Buffer
	var server sync.WaitGroup
	server.Go(func() { _, _ = io.Copy(&got, far) })
	c := NewLineConn(near, LineLimits{})
	for _, bad := range []string{"USER bob\r\nDELE 1\r\n", "USER bob\nDELE 1\r\n", "USER bob\rDELE 1\r\n", "USER b\x00b\r\n", "USER bob", "USER bob\n", "USER bob\r\n\r\n", "\n\r\n", ""} {
		n, err := c.Write([]byte(bad))
		if n != 0 {
			t.Errorf("%q: %d octets were written", bad, n)
		}
		wantFault(t, err, mail.Setup, "control_character")
		wantFault(t, c.Send("NOOP", bad+"\r"), mail.Setup, "control_character")
	}
	if _, err := c.Write([]byte("USER bob\r\n")); err != nil {
		t.Error(err)
	}
	if err := c.Send("RETR 1", "RETR 2"); err != nil {
		t.Error(err)
	}
	near.Close()
	server.Wait()
	if want := "USER bob\r\nRETR 1\r\nRETR 2\r\n"; got.String() != want {
		t.Errorf("on the wire: %q, want %q", got.String(), want)
	}
}

func TestReplayedGreetingIsReadByTheLibrary(t *testing.T) {
	t.Parallel()
	c := said(t, "+OK ready\r\n+OK more\r\n", LineLimits{})
	line, err := c.ReadStatus()
	if err != nil {
		t.Fatal(err)
	}
	c.Replay(line + "\r\n")
	got, err := io.ReadAll(struct{ io.Reader }{c})
	if want := "+OK ready\r\n+OK more\r\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestDetachLosesNothing(t *testing.T) {
	t.Parallel()
	c := said(t, "a1 OK\r\n* 3 EXISTS\r\n", LineLimits{})
	if _, err := c.ReadStatus(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c.Detach("* PREAUTH\r\n"))
	if want := "* PREAUTH\r\n* 3 EXISTS\r\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// RFC 2595 4: what came in clear text before the handshake is worth nothing.
func TestClearTextBeforeTheHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	c := said(t, "+OK begin TLS\r\n+OK injected\r\n", LineLimits{})
	if _, err := c.ReadStatus(); err != nil {
		t.Fatal(err)
	}
	_, err := c.StartTLS(t.Context(), New(Options{}), "mail.example")
	if f := wantFault(t, err, mail.Setup, "tls_handshake"); !strings.Contains(f.Text, "clear text") {
		t.Errorf("text %q, want the clear text named", f.Text)
	}
}

func TestLineTime(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name   string
		server func(net.Conn)
		allow  time.Duration
		code   string
		after  time.Duration
	}{
		{"silence instead of a greeting", func(net.Conn) {}, 0, "timeout_greeting", 30 * time.Second},
		{"silence after it", func(c net.Conn) { _, _ = c.Write([]byte("+OK\r\n")) }, 0, "timeout", time.Minute},
		{"one octet a second", func(c net.Conn) { drip(c, time.Second, "x") }, 0, "too_slow", 30 * time.Second},
		{"a line a second", func(c net.Conn) { drip(c, time.Second, "x\r\n") }, 40 * time.Second, "timeout", 40 * time.Second},
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
				c := NewLineConn(near, LineLimits{})
				c.SetOperation(s.allow)
				start := time.Now()
				_, err := io.Copy(io.Discard, c.Reader())
				wantFault(t, err, mail.Transient, s.code)
				if took := time.Since(start); took < s.after-time.Second || took > s.after+time.Second {
					t.Errorf("took %v, want %v", took, s.after)
				}
			})
		})
	}
}

func TestWatchEndsABlockedLine(t *testing.T) {
	t.Parallel()
	near, _ := pipe(t)
	c := NewLineConn(near, LineLimits{})
	ctx, cancel := context.WithCancel(t.Context())
	defer c.Watch(ctx)()
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := c.ReadStatus()
	if f, ok := mail.AsFault(err); !ok || f.Code != "cancelled" {
		t.Errorf("got %v, want cancelled", err)
	}
}

// FuzzLineConn: whatever a server sends and however it is cut, the library
// gets the same octets, never more than a line at a time.
func FuzzLineConn(f *testing.F) {
	f.Add([]byte("+OK\r\n1 2\n.\r\n"), uint8(3), uint8(5))
	f.Add([]byte("\n\n\r\r\n"), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, piece, buf uint8) {
		c := NewLineConn(chopped{bytes.NewReader(in), int(piece) + 1}, LineLimits{})
		var got []byte
		for p := make([]byte, int(buf)+1); ; {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if i := bytes.IndexByte(p[:n], '\n'); i >= 0 && i != n-1 {
				t.Fatalf("more than a line at once: %q", p[:n])
			}
			if err != nil {
				break
			}
		}
		if !bytes.HasPrefix(in, got) || len(in) < 2<<10 && len(got) != len(in) {
			t.Errorf("got %d octets %q, want those of %q", len(got), got, in)
		}
	})
}

// chopped is a connection that gives n octets at a time.
type chopped struct {
	io.Reader
	n int
}

func (c chopped) Read(p []byte) (int, error)       { return c.Reader.Read(p[:min(len(p), c.n)]) }
func (chopped) Write(p []byte) (int, error)        { return len(p), nil }
func (chopped) Close() error                       { return nil }
func (chopped) LocalAddr() net.Addr                { return nil }
func (chopped) RemoteAddr() net.Addr               { return nil }
func (chopped) SetDeadline(time.Time) error        { return nil }
func (chopped) SetReadDeadline(t time.Time) error  { return nil }
func (chopped) SetWriteDeadline(t time.Time) error { return nil }

// STLS with a server that plays by the rules.
func TestStartTLSGoesOnOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.leaf(t, "mail.example", -time.Hour, time.Hour, false)
	near, far := pipe(t)
	var server sync.WaitGroup
	server.Go(func() {
		_, _ = io.WriteString(far, "+OK begin TLS\r\n")
		s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}})
		buf := make([]byte, 100)
		if n, err := s.Read(buf); err == nil {
			_, _ = s.Write(append([]byte("+OK you said "), buf[:n]...))
		}
		far.Close()
	})
	c := NewLineConn(near, LineLimits{})
	if _, err := c.ReadStatus(); err != nil {
		t.Fatal(err)
	}
	next, err := c.StartTLS(t.Context(), New(Options{Roots: ca.pool}), "mail.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Send("CAPA"); err != nil {
		t.Fatal(err)
	}
	if got, err := next.ReadStatus(); err != nil || got != "+OK you said CAPA" {
		t.Errorf("got %q, %v", got, err)
	}
	server.Wait()
}
