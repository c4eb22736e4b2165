package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// TestServeKilledAtRandomEveryMessageArrivesOnce kills the service with
// SIGKILL while it imports from ten mailboxes of every kind at once, mail
// coming in all the time, again and again.
func TestServeKilledAtRandomEveryMessageArrivesOnce(t *testing.T) {
	t.Parallel()
	kills := 12
	if n, err := strconv.Atoi(os.Getenv("SMTP_SYNC_TEST_KILLS")); err == nil {
		kills = max(kills, n/10)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	d := dovecot.Start(t)
	s := serving(t, gmailtest.Options{})
	s.env["SMTPSYNC_GMAIL_CONCURRENCY_PER_USER"] = "4"
	want := make(map[string]int)
	var names []string
	for i := range 10 {
		h := histories[i%len(histories)]
		name := fmt.Sprintf("box%d", i)
		names = append(names, name)
		if err := d.AddUser(name, password); err != nil {
			t.Fatal(err)
		}
		s.add(s.at(d, h, name))
	}
	serial := uint64(0)
	deliver := func(each int) {
		t.Helper()
		for _, name := range names {
			for range each {
				serial++
				raw := testkit.Message(100_000 + serial)
				want[digest(raw)]++
				if err := d.Deliver(name, "", raw); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	hits := 0
	for hits < kills {
		deliver(15)
		opened := s.gmail.Stats().Requests[gmailtest.Open]
		s.start()
		s.until("work in flight", 20*time.Second, func() bool { return s.gmail.Stats().Requests[gmailtest.Open] > opened })
		time.Sleep(time.Duration(dice.IntN(150_000)) * time.Microsecond)
		if total(s.gmail.Hashes(user)) < total(want) {
			hits++
		}
		s.stop(syscall.SIGKILL)
	}
	s.start()
	s.arrived(total(want), time.Minute)
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	once(t, s.gmail.Hashes(user), want)
	t.Logf("%d kills of serve hit work in flight, %d messages arrived once", hits, total(want))
}

// TestServeEndsWithinItsDrainTimeAndLosesNothing sends SIGTERM while large
// mail is under way that cannot be finished in time.
func TestServeEndsWithinItsDrainTimeAndLosesNothing(t *testing.T) {
	t.Parallel()
	d := dovecot.Start(t)
	s := serving(t, gmailtest.Options{})
	s.env["SMTPSYNC_DRAIN_TIMEOUT"] = "3s"
	var names []string
	for i := range 4 {
		name := fmt.Sprintf("large%d", i)
		names = append(names, name)
		if err := d.AddUser(name, password); err != nil {
			t.Fatal(err)
		}
		for j := range 2 {
			if err := d.DeliverFrom(name, "", testkit.Big(20<<20, uint64(i*10+j))); err != nil {
				t.Fatal(err)
			}
		}
		s.add(s.at(d, histories[i], name))
	}
	want := make(map[string]int)
	for i, name := range names {
		for k, n := range truth(t, d, histories[i].way(d), name) {
			want[k] += n
		}
	}
	// Every octet that arrives is held back for a while: these uploads outlast
	// the drain.
	s.gmail.Fault(func(r gmailtest.Request) (gmailtest.Fault, bool) {
		return gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Delay, DelayMS: 8000}, r.At == gmailtest.Put
	})
	s.start()
	s.until("uploads", 20*time.Second, func() bool { return s.gmail.Stats().Requests[gmailtest.Put] >= 3 })
	code, took := s.stop(syscall.SIGTERM)
	t.Logf("SIGTERM with %d large uploads under way: exit %d after %v", s.gmail.Stats().Requests[gmailtest.Put], code, took)
	if code != 0 || took > 5500*time.Millisecond {
		t.Errorf("exit %d after %v, want 0 within 5 s\n%s", code, took, s.stderr)
	}
	s.gmail.ClearFaults()
	s.start()
	s.arrived(total(want), time.Minute)
	s.stop(syscall.SIGTERM)
	once(t, s.gmail.Hashes(user), want)
}

// TestASecondSignalEndsServeAtOnce: who asks twice means it.
func TestASecondSignalEndsServeAtOnce(t *testing.T) {
	t.Parallel()
	d := serve(t, "ann", mixed(20)...)
	defer d.Stop()
	s := serving(t, gmailtest.Options{})
	h := history{"imaps", "leave"}
	s.add(s.at(d, h, "ann"))
	s.gmail.Fault(func(r gmailtest.Request) (gmailtest.Fault, bool) {
		return gmailtest.Fault{At: gmailtest.Put, Kind: gmailtest.Delay, DelayMS: 20_000}, r.At == gmailtest.Put
	})
	s.start()
	s.until("uploads", 20*time.Second, func() bool { return s.gmail.Stats().Requests[gmailtest.Put] >= 1 })
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.until("draining", 5*time.Second, func() bool { return strings.Contains(s.stderr.String(), "draining") })
	if code, took := s.stop(syscall.SIGTERM); code != 130 || took > time.Second {
		t.Errorf("exit %d after %v, want 130 at once\n%s", code, took, s.stderr)
	}
	s.gmail.ClearFaults()
	s.start()
	s.arrived(total(truth(t, d, h.way(d), "ann")), time.Minute)
	s.stop(syscall.SIGTERM)
	once(t, s.gmail.Hashes(user), truth(t, d, h.way(d), "ann"))
}

// digest is what the double calls a message.
func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
