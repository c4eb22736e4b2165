package imap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// waiter is a Dialer with a kept connection to a server that serves IDLE as
// the test wants it: idle is called for each, with what DONE is to be answered.
func waiter(t *testing.T, idle func(w io.Writer, n int, done <-chan string)) *Dialer {
	near, far := net.Pipe()
	d := New(Config{Host: "mail.example", Keep: true})
	d.shown = snapshot{folder: "INBOX", validity: 1, next: 5, exists: 4}
	d.keep(&resting{conn: near, raw: near, host: "mail.example", whose: d.cfg.whose(), can: idleAndAll})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer far.Close()
		serveIdle(far, idle)
	}()
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
		<-ended
	})
	return d
}

const idleAndAll = idle | uidplus | esearch

func serveIdle(far net.Conn, idle func(w io.Writer, n int, done <-chan string)) {
	lines := bufio.NewScanner(far)
	for n := 0; lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		if command != "IDLE" {
			_, _ = fmt.Fprintf(far, "* 4 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 5] x\r\n%s OK done\r\n", tag)
			continue
		}
		done := make(chan string, 1)
		served := make(chan struct{})
		go func(n int) {
			idle(far, n, done)
			close(served)
		}(n)
		n++
		if !lines.Scan() {
			close(done)
			<-served
			return
		}
		done <- tag + " OK done\r\n"
		<-served
	}
}

// obliging is an IDLE of a good server in which nothing happens.
func obliging(w io.Writer, _ int, done <-chan string) {
	_, _ = io.WriteString(w, "+ idling\r\n")
	_, _ = io.WriteString(w, <-done)
}

func TestIdleIsRenewedEveryNineMinutesAndALookIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begun []time.Time
		d := waiter(t, func(w io.Writer, n int, done <-chan string) {
			begun = append(begun, time.Now())
			obliging(w, n, done)
		})
		p, err := d.Park(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < lookTime || took >= 2*lookTime {
			t.Errorf("a look after %v, want 15 to 30 minutes", took)
		}
		if len(begun) < 2 {
			t.Fatalf("%d IDLEs", len(begun))
		}
		for i := 1; i < len(begun); i++ {
			if gap := begun[i].Sub(begun[i-1]); gap < 8*time.Minute || gap > 10*time.Minute {
				t.Errorf("IDLE renewed after %v, want 8 to 10 minutes", gap)
			}
		}
	})
}

func TestLookIsTakenAsOftenAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := waiter(t, obliging)
		d.cfg.Look = 5 * time.Minute
		p, err := d.Park(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := p.Wait(t.Context()); err != nil || time.Since(start) != 5*time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		d.Resume(p)
		if d.next == nil {
			t.Error("nothing to go on with")
		}
	})
}

// One that trickles or talks without end is left in time, too.
func TestServerThatDoesNotAnswerIsLeftInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		idle   func(w io.Writer, n int, done <-chan string)
		within time.Duration
		parks  bool
	}{
		"IDLE is never answered": {func(_ io.Writer, _ int, done <-chan string) { <-done }, doneTime, false},
		"IDLE is answered by chatter": {func(w io.Writer, _ int, done <-chan string) {
			for _, err := io.WriteString(w, "* OK wait\r\n"); err == nil; _, err = io.WriteString(w, "* OK wait\r\n") {
				time.Sleep(time.Second)
			}
		}, doneTime, false},
		"DONE is never answered": {func(w io.Writer, _ int, done <-chan string) {
			_, _ = io.WriteString(w, "+ idling\r\n")
			<-done
		}, againTime + spread + doneTime, true},
		"DONE is answered by half a line": {func(w io.Writer, _ int, done <-chan string) {
			_, _ = io.WriteString(w, "+ idling\r\n")
			<-done
			for _, err := io.WriteString(w, "x"); err == nil; _, err = io.WriteString(w, "x") {
				time.Sleep(time.Second)
			}
		}, againTime + spread + doneTime, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := waiter(t, c.idle)
				start := time.Now()
				p, err := d.Park(t.Context())
				if c.parks {
					if err != nil {
						t.Fatal(err)
					}
					err = p.Wait(t.Context())
				}
				if f, ok := mail.AsFault(err); !ok || f.Class != mail.Transient || f.Code != "timeout" {
					t.Errorf("got %v, want a timeout", err)
				}
				if took := time.Since(start); took > c.within {
					t.Errorf("took %v, want at most %v", took, c.within)
				}
			})
		})
	}
}

func TestMailThatComesWhileIdleIsRenewedIsNoticed(t *testing.T) {
	t.Parallel()
	for _, say := range []struct{ before, after string }{
		{"* 5 EXISTS\r\n", ""}, // between DONE and its answer
		{"", "* 5 EXISTS\r\n"}, // right behind it
	} {
		synctest.Test(t, func(t *testing.T) {
			d := waiter(t, func(w io.Writer, n int, done <-chan string) {
				_, _ = io.WriteString(w, "+ idling\r\n")
				answer := <-done
				if n == 0 {
					answer = say.before + answer + say.after
				}
				_, _ = io.WriteString(w, answer)
			})
			p, err := d.Park(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := p.Wait(t.Context()); err != nil || time.Since(start) > againTime+spread {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

func TestParkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := waiter(t, func(_ io.Writer, _ int, done <-chan string) { <-done })
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("drain")
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, err := d.Park(ctx)
		if f, ok := mail.AsFault(err); !ok || f.Code != "cancelled" || !errors.Is(err, why) {
			t.Errorf("got %v, want cancelled", err)
		}
	})
}

func TestKeptConnectionIsNotUsedWhenItIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := waiter(t, obliging)
		time.Sleep(keepTime + time.Second)
		if d.take() != nil {
			t.Error("a connection of which nobody knows whether it lives is used for a pass")
		}
	})
}

func TestFolderNamesOnTheWire(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"INBOX": `"INBOX"`, `a "b\c`: `"a \"b\\c"`, "R&D": `"R&-D"`,
		"~peter/mail/台北/日本語": `"~peter/mail/&U,BTFw-/&ZeVnLIqe-"`, // RFC 3501 5.1.3
		"😀x":                 `"&2D3eAA-x"`,
	} {
		if got := folderName(name, 0); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got := folderName(name, onlyRev2); name == "INBOX" && got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := folderName("日本語", onlyRev2); got != `"日本語"` {
		t.Errorf("IMAP4rev2: %s", got)
	}
}

// What was watching an exchange may be late: the connection is somebody else's.
func TestSourceThatHasLeftClosesNothing(t *testing.T) {
	t.Parallel()
	s := piped(t, func(w io.Writer, tag, command string) { folder(w, tag, command, 1) })
	s.cfg.Keep = true
	listAll(t, s)
	_ = s.Close(t.Context())
	s.end(tooSlow("mail.example", "wait", "timeout"))
	d := s.dialer
	if d.kept == nil {
		t.Fatal("nothing was kept")
	}
	if err := newTalk(d.kept).command("NOOP", time.Second); err != nil {
		t.Errorf("the kept connection is dead: %v", err)
	}
	d.Close()
}
