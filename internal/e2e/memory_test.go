package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// TestLargeMailNeedsNoMoreMemoryThanSmall streams 20 x 25 MB and then 50 MB,
// over each protocol, and compares the peak of the process's own memory with
// that of one that moves one 1 MB mail over the same ways. The transfers
// at once are those of the protocol: one over POP3, two over IMAP.
//
// The budget is 1 MiB for each concurrent transfer. Not parallel: it measures.
func TestLargeMailNeedsNoMoreMemoryThanSmall(t *testing.T) {
	d := dovecot.Start(t)
	deliver := func(name string, n int, size int64) {
		if err := d.AddUser(name, password); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := d.DeliverFrom(name, "", testkit.Big(size, uint64(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	deliver("base", 20, 1<<20)
	deliver("many", 20, 25<<20)
	deliver("huge", 1, 50<<20)
	for _, way := range d.Ways() {
		if way.StartTLS {
			continue
		}
		transfers := map[string]int64{"pop3": 1, "imap": 2}[way.Protocol]
		t.Run(way.Name, func(t *testing.T) {
			base := peak(t, d, way, "base", 20, 0)
			for _, name := range []string{"many", "huge"} {
				n := map[string]int{"many": 20, "huge": 1}[name]
				grown := peak(t, d, way, name, n, base+transfers<<20) - base
				t.Logf("%s: peak grows by %d KiB over %d KiB, %d transfers at once", name, grown>>10, base>>10, transfers)
				if grown > transfers<<20 {
					t.Errorf("%s: peak memory grew by %d KiB, the budget is %d KiB", name, grown>>10, transfers<<10)
				}
			}
		})
	}
}

// peak runs a sync and gives the largest resident memory it had, in octets:
// the smallest of two runs, or of four while that is more than enough, since
// what is measured is what it needs.
func peak(t *testing.T, d *dovecot.Server, way dovecot.Way, name string, messages int, enough int64) int64 {
	t.Helper()
	least := int64(1) << 62
	for run := 0; run < 4 && (run < 2 || least > enough && enough > 0); run++ {
		in := install(t, gmailtest.Options{})
		box := in.at(scheme(way), name, password, way.Port, d.CA)
		// The store is made beforehand: what that needs, once, would hide what
		// the mail needs.
		in.run("doctor")
		// A tight collector, for both: what a process has not collected yet is
		// not what it needs.
		in.env["GOGC"] = "20"
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		cmd := in.command(ctx, in.syncArgs(box)...)
		highest := make(chan int64, 1)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { highest <- watch(cmd.Process.Pid) }()
		if err := cmd.Wait(); err != nil {
			t.Fatalf("sync: %v", err)
		}
		if n := in.gmail.Count(user); n != messages {
			t.Fatalf("%d of %d messages arrived", n, messages)
		}
		least = min(least, <-highest)
	}
	return least
}

// watch follows the resident memory of a process to its end and gives the
// peak: what it has allocated (RssAnon), not the pages of its own file, of
// which it touches more the longer it runs.
func watch(pid int) (peak int64) {
	for {
		f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return peak
		}
		lines, found := bufio.NewScanner(f), false
		for lines.Scan() {
			var kib int64
			if n, _ := fmt.Sscanf(strings.TrimSpace(lines.Text()), "RssAnon: %d kB", &kib); n == 1 {
				peak, found = max(peak, kib<<10), true
			}
		}
		_ = f.Close()
		if !found { // a zombie has no memory any more
			return peak
		}
		time.Sleep(2 * time.Millisecond)
	}
}
