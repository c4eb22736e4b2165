package imap_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

const inChild = "IMAP_TEST_SERVER"

// Not a test: a server in a process of its own, until its input ends.
func TestServeInAnotherProcess(t *testing.T) {
	if os.Getenv(inChild) == "" {
		t.Skip("started by TestParkedConnectionIsSmall")
	}
	_, box, addr := serve(t, imap.TLS, imapd.Options{})
	// Longer than a TLS record, so that every connection has seen a full one.
	box.Deliver("INBOX", bytes.Repeat([]byte("0123456789abcdef0123456789abcde\n"), 2<<10))
	fmt.Printf("%s %s\n", addr, base64.StdEncoding.EncodeToString(ca.PEM()))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// elsewhere starts that server.
func elsewhere(t testing.TB) imap.Config {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeInAnotherProcess$")
	cmd.Env = append(os.Environ(), inChild+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr, pem, _ := strings.Cut(strings.TrimSpace(line), " ")
	cert, err := base64.StdEncoding.DecodeString(pem)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	cfg := kept(config(t, addr, imap.TLS))
	cfg.Dial = dial.New(dial.Options{Policy: loopback(cfg.Port), Roots: roots})
	return cfg
}

// usage is what the process holds.
type usage struct{ heap, stack, rss int }

func used(t *testing.T) (u usage) {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory() // collects once more
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap, u.stack = int(m.HeapAlloc), int(m.StackInuse)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("resident memory is known on Linux only")
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	u.rss = pages * os.Getpagesize()
	return u
}

// Not parallel: it measures the process. IMAP_TEST_PARKED=10000 is the figure
// of docs/performance.md.
func TestParkedConnectionIsSmall(t *testing.T) {
	n := 1000
	if s := os.Getenv("IMAP_TEST_PARKED"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	cfg := elsewhere(t)
	warm := parkMany(t, cfg, 20)
	before := used(t)
	goroutines := runtime.NumGoroutine()
	all := parkMany(t, cfg, n)
	time.Sleep(100 * time.Millisecond) // the last ones come to rest
	after := used(t)
	each := usage{(after.heap - before.heap) / n, (after.stack - before.stack) / n, (after.rss - before.rss) / n}
	t.Logf("%d parked connections, each: heap %d, stack %d, resident %d octets, %.2f goroutines",
		n, each.heap, each.stack, each.rss, float64(runtime.NumGoroutine()-goroutines)/float64(n))
	if each.rss > 20<<10 {
		t.Errorf("a parked connection takes %d octets, want at most 20 KB", each.rss)
	}
	all()
	warm()
}

// parkMany has a pass over n mailboxes, and waits for mail in them all.
func parkMany(t *testing.T, cfg imap.Config, n int) (end func()) {
	var waiting sync.WaitGroup
	var passes sync.WaitGroup
	parked := make([]*imap.Parked, n)
	next := make(chan int)
	for range 4 {
		passes.Go(func() {
			for i := range next {
				d := imap.New(cfg)
				pass(t, d)
				p, err := d.Park(t.Context())
				if err != nil || p == nil {
					t.Errorf("parked %v, %v", p, err)
					continue
				}
				parked[i] = p
				waiting.Go(func() { _ = p.Wait(context.Background()) }) // as the product does
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	passes.Wait()
	return func() {
		for _, p := range parked {
			if p != nil {
				p.Close()
			}
		}
		waiting.Wait()
	}
}
