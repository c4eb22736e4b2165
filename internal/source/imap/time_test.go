package imap

import (
	"bufio"
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

// piped gives a logged-in Source on one end of a pipe and serves the other:
// answer gets each command with its tag and gives what is sent, with pauses
// where it blocks on time.
func piped(t testing.TB, answer func(w io.Writer, tag, command string)) *Source {
	near, far := net.Pipe()
	d := New(Config{Host: "mail.example"})
	s := &Source{cfg: d.cfg, dialer: d, raw: near, hold: &hold{Conn: near}}
	s.guard = guarded(s.hold)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		_, _ = io.WriteString(far, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
		lines := bufio.NewScanner(far)
		for lines.Scan() {
			tag, command, _ := strings.Cut(lines.Text(), " ")
			answer(far, tag, command)
		}
	}()
	t.Cleanup(func() {
		_ = s.Close(context.Background())
		_ = far.Close()
		<-done
	})
	p := newPreamble(s.cfg.Host, s.guard)
	if err := p.greet(); err != nil {
		t.Fatal(err)
	}
	if err := s.handOver(p.abilities(), greeting(p.abilities())); err != nil {
		t.Fatal(err)
	}
	return s
}

// folder answers like a server with these messages, but for bodies.
func folder(w io.Writer, tag, command string, sizes ...int) {
	switch {
	case strings.HasPrefix(command, "SELECT"):
		fmt.Fprintf(w, "* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n", len(sizes))
	case strings.Contains(command, "RFC822.SIZE"):
		for i, n := range sizes {
			fmt.Fprintf(w, "* %d FETCH (UID %d RFC822.SIZE %d)\r\n", i+1, i+1, n)
		}
	}
	fmt.Fprintf(w, "%s OK done\r\n", tag)
}

func listAll(t *testing.T, s *Source) (refs []mail.Ref) {
	t.Helper()
	for ref, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	return refs
}

func TestSilentServerIsLeftInTime(t *testing.T) {
	for name, c := range map[string]struct {
		silent string // the command never answered
		do     func(t *testing.T, s *Source) error
		within time.Duration
	}{
		"select": {"SELECT", func(t *testing.T, s *Source) error { _, err := s.list(t.Context(), "INBOX", 1); return err }, listTime},
		"list":   {"UID FETCH 1:* ", func(t *testing.T, s *Source) error { _, err := s.list(t.Context(), "INBOX", 1); return err }, listTime},
		"fetch": {"UID FETCH 1 ", func(t *testing.T, s *Source) error {
			for _, err := range s.Fetch(t.Context(), listAll(t, s)) {
				return err
			}
			return nil
		}, answerTime},
		"header": {"UID FETCH 1 ", func(t *testing.T, s *Source) error { _, err := s.Header(t.Context(), listAll(t, s)[0]); return err }, answerTime},
		"delete": {"UID STORE", func(t *testing.T, s *Source) error { return s.Delete(t.Context(), listAll(t, s)) }, answerTime},
		"logout": {"LOGOUT", func(t *testing.T, s *Source) error { return s.Close(t.Context()) }, byeTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := piped(t, func(w io.Writer, tag, command string) {
					if !strings.HasPrefix(command, c.silent) {
						folder(w, tag, command, 10)
					}
				})
				began := time.Now()
				err := c.do(t, s)
				if f, ok := mail.AsFault(err); name != "logout" && (!ok || f.Class != mail.Transient || f.Code != "timeout") {
					t.Errorf("got %v, want a timeout", err)
				}
				if d := time.Since(began); d > c.within+time.Second {
					t.Errorf("took %v, want at most %v", d, c.within)
				}
			})
		})
	}
}

// The guard takes the end of the first command for the end of what the server
// owes; only the watch knows of the second.
func TestServerThatIsSilentAboutTheSecondCommandIsLeftInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, func(w io.Writer, tag, command string) {
			switch {
			case strings.HasPrefix(command, "UID FETCH 1 "):
				fmt.Fprintf(w, "* 1 FETCH (UID 1 BODY[] {1}\r\nx)\r\n%s OK done\r\n", tag)
			case !strings.HasPrefix(command, "UID FETCH 2 "):
				folder(w, tag, command, groupOctets, groupOctets)
			}
		})
		refs := listAll(t, s)
		began := time.Now()
		var last error
		for _, err := range s.Fetch(t.Context(), refs) {
			last = err
		}
		if f, ok := mail.AsFault(last); !ok || f.Code != "timeout" {
			t.Errorf("got %v, want a timeout", last)
		}
		if d := time.Since(began); d > answerTime+time.Second {
			t.Errorf("took %v, want %v", d, answerTime)
		}
	})
}

// A status line a second keeps go-imap's own timer from ever ending.
func TestChattyServerThatNeverAnswersIsLeftInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, func(w io.Writer, tag, command string) {
			if strings.HasPrefix(command, "SELECT") {
				folder(w, tag, command, 10)
				return
			}
			for {
				if _, err := io.WriteString(w, "* 1 EXISTS\r\n"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		began := time.Now()
		_, err := s.list(t.Context(), "INBOX", 1)
		if f, ok := mail.AsFault(err); !ok || f.Code != "timeout" {
			t.Errorf("got %v, want a timeout", err)
		}
		if d := time.Since(began); d > listTime+time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestOctetADaysWorkIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, func(w io.Writer, tag, command string) {
			if !strings.Contains(command, "BODY") {
				folder(w, tag, command, 1<<20)
				return
			}
			fmt.Fprintf(w, "* 1 FETCH (UID 1 BODY[] {%d}\r\n", 1<<20)
			for {
				if _, err := w.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		began := time.Now()
		for in, err := range s.Fetch(t.Context(), listAll(t, s)) {
			if in == nil {
				break
			}
			if err == nil {
				_, err = io.Copy(io.Discard, in.Body)
			}
			if f, ok := mail.AsFault(err); !ok || f.Class != mail.Transient {
				t.Errorf("got %v, want a Fault of class Transient", err)
			}
		}
		if d := time.Since(began); d > fetchTime(1<<20) {
			t.Errorf("took %v", d)
		}
	})
}

// While a message waits for Gmail the server is not to blame: go-imap's five
// minutes for a literal must not count.
func TestSlowReaderKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 200_000
		s := piped(t, func(w io.Writer, tag, command string) {
			if !strings.Contains(command, "BODY") {
				folder(w, tag, command, size, 5)
				return
			}
			fmt.Fprintf(w, "* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)\r\n", size, strings.Repeat("x", size))
			fmt.Fprintf(w, "* 2 FETCH (UID 2 BODY[] {5}\r\n12345)\r\n%s OK done\r\n", tag)
		})
		for in, err := range s.Fetch(t.Context(), listAll(t, s)) {
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 10_000)
			for err == nil {
				time.Sleep(time.Minute)
				_, err = in.Body.Read(buf)
			}
			if err != io.EOF {
				t.Fatal(err)
			}
		}
	})
}

// On a pipe nobody takes what is written before it is read: a source that
// wrote its second command while the server writes would wait for ever.
func TestTwoCommandsInFlightNeedNoBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sizes := make([]int, 300)
		for i := range sizes {
			sizes[i] = 50_000
		}
		s := piped(t, func(w io.Writer, tag, command string) {
			set, ok := strings.CutSuffix(command, " (UID BODY.PEEK[])")
			if !ok {
				folder(w, tag, command, sizes...)
				return
			}
			var first, last int
			if n, _ := fmt.Sscanf(set, "UID FETCH %d:%d", &first, &last); n == 1 {
				last = first
			}
			for uid := first; uid <= last; uid++ {
				fmt.Fprintf(w, "* %d FETCH (UID %d BODY[] {50000}\r\n%s)\r\n", uid, uid, strings.Repeat("x", 50_000))
			}
			fmt.Fprintf(w, "%s OK done\r\n", tag)
		})
		n := 0
		for in, err := range s.Fetch(t.Context(), listAll(t, s)) {
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.Copy(io.Discard, in.Body); err != nil || got != 50_000 {
				t.Fatalf("message %d: %d octets, %v", n, got, err)
			}
			n++
		}
		if n != len(sizes) {
			t.Errorf("%d messages, want %d", n, len(sizes))
		}
	})
}

func TestEndlessListingIsBounded(t *testing.T) {
	t.Parallel()
	s := piped(t, func(w io.Writer, tag, command string) {
		if strings.HasPrefix(command, "SELECT") {
			folder(w, tag, command, 1)
			return
		}
		bw := bufio.NewWriter(w)
		for uid := 1; ; uid++ {
			if _, err := fmt.Fprintf(bw, "* %d FETCH (UID %d RFC822.SIZE 1)\r\n", uid, uid); err != nil {
				return
			}
		}
	})
	_, err := s.list(t.Context(), "INBOX", 5000)
	// The guard would end it too, with another text and much more memory.
	if f, ok := mail.AsFault(err); !ok || f.Code != "protocol_limit" || !strings.Contains(f.Text, "a listing of more than") {
		t.Errorf("got %v, want the limit of a listing", err)
	}
}

// Sorting a listing in descending order costs go-imap its square.
func TestListingInNoOrderIsRefusedEarly(t *testing.T) {
	t.Parallel()
	s := piped(t, func(w io.Writer, tag, command string) {
		if strings.HasPrefix(command, "SELECT") {
			folder(w, tag, command, 1)
			return
		}
		bw := bufio.NewWriter(w)
		for uid := 4_000_000_000; ; uid -= 2 {
			if _, err := fmt.Fprintf(bw, "* 1 FETCH (UID %d RFC822.SIZE 1)\r\n", uid); err != nil {
				return
			}
		}
	})
	_, err := s.list(t.Context(), "INBOX", maxListed)
	if f, ok := mail.AsFault(err); !ok || f.Code != "bad_listing" {
		t.Errorf("got %v, want bad_listing", err)
	}
}
