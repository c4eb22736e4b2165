package gmail_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const childEnv = "GMAILTEST_CHILD"

// TestMain lets the test binary be a double in a process of its own: it prints
// its address and lives until its standard input ends.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	l, err := gmailtest.Start(gmailtest.Options{}, "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.URL, l.AccessToken(user))
	_, _ = io.Copy(io.Discard, os.Stdin)
	l.Close()
}

// child starts a double in another process and gives its address and a token.
func child(tb testing.TB) (address, token string) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	address, token, _ = strings.Cut(strings.TrimSpace(line), " ")
	return address, token
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSmallMessage measures the client's own CPU for both requests of a
// 5.5 kB message; the double runs in another process.
func BenchmarkSmallMessage(b *testing.B) {
	address, token := child(b)
	c, err := gmail.New(gmail.Options{APIURL: address, Tokens: &tokens{current: token}, Transport: gmail.NewTransport(nil)})
	if err != nil {
		b.Fatal(err)
	}
	msg := message(5500)
	b.ReportAllocs()
	b.SetParallelism(4)
	before := cpu()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			s, err := c.Open(b.Context(), mail.Upload{LabelIDs: []string{"INBOX", "UNREAD"}, Size: int64(len(msg))})
			if err != nil {
				b.Error(err)
				return
			}
			if a, err := c.Put(b.Context(), s, whole(msg)); err != nil || !a.Done {
				b.Error(a, err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/msg")
}
