package imap_test

import (
	"bytes"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

// Small mail over TLS, the server in the same process. One operation is 2,000
// messages of 8 KB.
func BenchmarkFetchSmall(b *testing.B) {
	_, box, addr := serve(b, imap.TLS, imapd.Options{})
	raw := bytes.Repeat([]byte("0123456789abcdef0123456789abcde\n"), 256)
	for range 2000 {
		box.Deliver("INBOX", raw)
	}
	src := open(b, config(b, addr, imap.TLS))
	refs := list(b, src)
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(raw) * len(refs)))
	b.ReportAllocs()
	for b.Loop() {
		for in, err := range src.Fetch(b.Context(), refs) {
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in.Body, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Not parallel: it counts what the process allocates, server included.
func TestLargeMessageIsNeverHeldInMemory(t *testing.T) {
	_, box, addr := serve(t, imap.TLS, imapd.Options{})
	const size = 50 << 20
	box.DeliverFrom("INBOX", time.Now(), size, func() io.Reader { return testkit.Big(size, 1) })
	src := open(t, config(t, addr, imap.TLS))
	refs := list(t, src)
	buf := make([]byte, 32<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for in, err := range src.Fetch(t.Context(), refs) {
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in.Body, buf)
		if n != size || err != nil {
			t.Fatalf("%d octets, %v", n, err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
		t.Errorf("%d octets allocated for a message of %d", got, size)
	}
}

// A listing of 2,000 messages.
func BenchmarkList(b *testing.B) {
	_, box, addr := serve(b, imap.TLS, imapd.Options{})
	for range 2000 {
		box.Deliver("INBOX", []byte("x"))
	}
	src := open(b, config(b, addr, imap.TLS))
	b.ReportAllocs()
	for b.Loop() {
		list(b, src)
	}
}

// What most polls are: nothing has changed. The server is in another process;
// "cpu-us/op" is ours alone.
func BenchmarkUnchangedPass(b *testing.B) {
	cfg := elsewhere(b)
	cfg.Keep = false
	cpu(b, func() {
		src, err := imap.New(cfg).Open(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if ok, err := src.Digest(b.Context(), io.Discard); !ok || err != nil {
			b.Fatal(ok, err)
		}
		_ = src.Close(b.Context())
	})
}

// The same exchange of lines and nothing else.
func BenchmarkUnchangedBare(b *testing.B) {
	cfg := elsewhere(b)
	cpu(b, func() {
		c := login(b, cfg)
		c.do("SELECT INBOX")
		c.do("UID SEARCH RETURN (ALL) DELETED")
		c.do("LOGOUT")
		_ = c.conn.Close()
	})
}

// cpu reports the processor time of one operation of this process.
func cpu(b *testing.B, do func()) {
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		do()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/1000/float64(b.N), "cpu-us/op")
}
