package pop3

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// deaf is a server that has said everything it will ever say.
type deaf struct {
	net.Conn
	r    io.Reader
	sent bytes.Buffer
}

func (d *deaf) Read(p []byte) (int, error)       { return d.r.Read(p) }
func (d *deaf) Write(p []byte) (int, error)      { return d.sent.Write(p) }
func (d *deaf) Close() error                     { d.r = strings.NewReader(""); return nil }
func (d *deaf) SetReadDeadline(time.Time) error  { return nil }
func (d *deaf) SetWriteDeadline(time.Time) error { return nil }

// scripted gives a logged-in Source of such a server.
func scripted(script string, caps capabilities) (*Source, *deaf) {
	conn := &deaf{r: strings.NewReader(script)}
	s := newSource(conn, "pop.example.org")
	s.caps = caps
	if err := s.attach(); err != nil {
		panic(err)
	}
	return s, conn
}

// FuzzSession: whatever a server says, nothing panics or hangs, and every
// error is a Fault.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"+OK 1 10\r\n+OK\r\n1 a\r\n.\r\n+OK\r\n1 10\r\n.\r\n+OK\r\nA: b\r\n\r\n.\r\n+OK\r\nA: b\r\n\r\n..\r\n.\r\n+OK\r\n+OK bye\r\n",
		"+OK 2 10\n+OK\n2 a\n1 b\n.\n+OK\n1 1\n2 2\n.\n-ERR [SYS/TEMP] x\n-ERR\n",
		"+OK 0 0\r\n",
		"+OK 1 1\r\n-ERR no UIDL\r\n+OK\r\n1\r\n.\r\n+OK\r\n\xEF\xBB\xBF.\r\n",
		"-ERR [IN-USE",
		"+OK 99999999999999999999 1\r\n",
		"\r\n+ \r\n.\r\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, script string, pipelining bool) {
		s, _ := scripted(script, capabilities{pipelining: pipelining, top: pipelining})
		check := func(err error) {
			if _, ok := mail.AsFault(err); err != nil && !ok {
				t.Fatalf("%T %v is no fault", err, err)
			}
		}
		var refs []mail.Ref
		for ref, err := range s.List(t.Context()) {
			check(err)
			if err == nil {
				refs = append(refs, ref)
			}
		}
		refs = append(refs, mail.Ref{Number: 1})
		refs = refs[:min(len(refs), 4)]
		for h, err := range s.Headers(t.Context(), refs) {
			check(err)
			if (h == nil) == (err == nil) {
				t.Fatalf("header %v with error %v", h, err)
			}
		}
		for in, err := range s.Fetch(t.Context(), refs) {
			check(err)
			if in != nil {
				_, err := io.CopyN(io.Discard, in.Body, 20)
				if err != io.EOF {
					check(err)
				}
			}
		}
		check(s.Delete(t.Context(), refs))
		check(s.Close(t.Context()))
	})
}

// pipe gives a Source on fake time whose server is the function.
func pipe(t *testing.T, caps capabilities, serve func(net.Conn)) *Source {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go serve(far)
	s := newSource(near, "pop.example.org")
	s.caps = caps
	if err := s.attach(); err != nil {
		t.Fatal(err)
	}
	return s
}

func numbered(n int) []mail.Ref {
	refs := make([]mail.Ref, n)
	for i := range refs {
		refs[i] = mail.Ref{Number: i + 1, Size: 10}
	}
	return refs
}

// distant is a server 40 ms away. It reads all the time, as a socket does,
// and answers after 40 ms what had arrived by then.
func distant(conn net.Conn) {
	arrived := make(chan time.Time, 1000)
	go func() {
		defer close(arrived)
		for r := bufio.NewReader(conn); ; {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
			arrived <- time.Now()
		}
	}()
	for at := range arrived {
		time.Sleep(time.Until(at.Add(40 * time.Millisecond)))
		if _, err := io.WriteString(conn, "+OK\r\nA: b\r\n\r\n.\r\n"); err != nil {
			return
		}
	}
}

func TestPipeliningSavesRoundTrips(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pipelining bool
		most       time.Duration
	}{{true, time.Second}, {false, 8 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := pipe(t, capabilities{pipelining: tc.pipelining}, distant)
			begin := time.Now()
			for _, err := range s.Fetch(t.Context(), numbered(200)) {
				if err != nil {
					t.Fatal(err)
				}
			}
			took := time.Since(begin)
			t.Logf("200 messages, pipelining %v: %v", tc.pipelining, took)
			if took > tc.most || !tc.pipelining && took < tc.most {
				t.Errorf("took %v, want %v", took, tc.most)
			}
		})
	}
}

func TestNoMoreThanTheWindowIsSentAhead(t *testing.T) {
	t.Parallel()
	big := numbered(40)
	for i := range big {
		big[i].Size = aheadOctets / 4
	}
	for name, tc := range map[string]struct {
		refs []mail.Ref
		caps capabilities
		want int
	}{
		"small":         {numbered(40), capabilities{pipelining: true}, window},
		"large":         {big, capabilities{pipelining: true}, 5}, // the one being read and 1 MiB
		"no pipelining": {numbered(40), capabilities{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, conn := scripted("+OK\r\nx\r\n", tc.caps)
			for range s.Fetch(t.Context(), tc.refs) {
				break
			}
			if got := strings.Count(conn.sent.String(), "RETR"); got != tc.want {
				t.Errorf("%d commands before the first answer, want %d", got, tc.want)
			}
		})
	}
}

func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	silent := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	for name, tc := range map[string]struct {
		use  func(context.Context, *Source) error
		most time.Duration
	}{
		"greeting": {func(ctx context.Context, s *Source) error { return s.greet(ctx) }, 30 * time.Second},
		"listing": {func(ctx context.Context, s *Source) error {
			for _, err := range s.List(ctx) {
				return err
			}
			return nil
		}, 60 * time.Second},
		"message": {func(ctx context.Context, s *Source) error {
			for _, err := range s.Fetch(ctx, numbered(1)) {
				return err
			}
			return nil
		}, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := pipe(t, capabilities{}, silent)
				begin := time.Now()
				err := tc.use(t.Context(), s)
				f, ok := mail.AsFault(err)
				if !ok || f.Class != mail.Transient || !strings.HasPrefix(f.Code, "timeout") {
					t.Errorf("got %v, want a timeout", err)
				}
				if took := time.Since(begin); took > tc.most {
					t.Errorf("took %v, want at most %v", took, tc.most)
				}
			})
		})
	}
}

// Each line comes in time; the listing as a whole never ends.
func TestTricklingListingIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pipe(t, capabilities{}, func(conn net.Conn) {
			buf := make([]byte, 100)
			_, _ = conn.Read(buf)
			_, _ = io.WriteString(conn, "+OK 1000 1000\r\n")
			_, _ = conn.Read(buf)
			for i := 0; ; i++ {
				if _, err := fmt.Fprintf(conn, "+OK %d\r\n", i); err != nil {
					return
				}
				time.Sleep(30 * time.Second)
			}
		})
		begin := time.Now()
		for _, err := range s.List(t.Context()) {
			if f, ok := mail.AsFault(err); !ok || f.Code != "timeout" {
				t.Errorf("got %v, want a timeout", err)
			}
		}
		if took := time.Since(begin); took > listLimit+time.Second {
			t.Errorf("took %v, want at most %v", took, listLimit)
		}
		time.Sleep(time.Minute) // the server notices
	})
}

func TestCancelledContextEndsABlockedReadWithItsCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pipe(t, capabilities{}, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range s.Fetch(ctx, numbered(1)) {
			f, ok := mail.AsFault(err)
			if !ok || f.Code != "cancelled" || f.Err != context.DeadlineExceeded {
				t.Errorf("got %v (%v), want cancelled", err, f)
			}
		}
		if s.dead == nil {
			t.Error("the Source is alive, its connection is not")
		}
	})
}

func TestStatusLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]reply{
		"+OK\r\n":                        {ok: true},
		"+OK\tready\r\n":                 {ok: true, text: "ready"},
		"+OK\n":                          {ok: true, bareLF: true},
		"-ERR [in-use] locked\r\n":       {code: "IN-USE", text: "locked"},
		"-ERR [SYS/TEMP]\r\n":            {code: "SYS/TEMP"},
		"-ERR [no end\r\n":               {text: "[no end"},
		"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n": {more: true, text: "eyJzdGF0dXMiOiI0MDEifQ=="},
		"+\r\n":                          {more: true},
	} {
		if got, ok := parseReply(line); !ok || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "\r\n", "+OKAY\r\n", "-ERROR\r\n", "+ok\r\n", " +OK\r\n", "* OK\r\n"} {
		if got, ok := parseReply(line); ok {
			t.Errorf("%q was taken for %+v", line, got)
		}
	}
}
