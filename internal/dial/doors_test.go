package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

var (
	serverA = netip.MustParseAddrPort("192.0.2.1:993")
	serverB = netip.MustParseAddrPort("192.0.2.2:993")
)

func TestConnectionsToOneServerAreSpaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Pace{PerSecond: 2, Burst: 3})
		start := time.Now()
		for i, want := range []time.Duration{0, 0, 0, 500, 1000, 1500} {
			leave, err := d.enter(t.Context(), serverA)
			if err != nil {
				t.Fatal(err)
			}
			leave()
			if got := time.Since(start); got != want*time.Millisecond {
				t.Errorf("connection %d after %v, want %v", i, got, want*time.Millisecond)
			}
		}
		if leave, err := d.enter(t.Context(), serverB); err != nil || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("another server waited until %v, %v", time.Since(start), err)
		} else {
			leave()
		}
		time.Sleep(time.Minute) // the burst is there again, and no more than that
		start = time.Now()
		for range 4 {
			if leave, err := d.enter(t.Context(), serverA); err == nil {
				leave()
			}
		}
		if got := time.Since(start); got != 500*time.Millisecond {
			t.Errorf("four after a pause took %v", got)
		}
	})
}

func TestWhoWouldWaitTooLongIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Pace{PerSecond: 1})
		start := time.Now()
		var wg sync.WaitGroup
		var busy, fine atomic.Int32
		for range 50 { // 10,000 mailboxes due in the same second, in small
			wg.Go(func() {
				leave, err := d.enter(t.Context(), serverA)
				if err == nil {
					fine.Add(1)
					leave()
					return
				}
				busy.Add(1)
				f := wantFault(t, err, mail.RateLimited, "host_busy")
				if in := f.Until.Sub(start); f.Scope != "source" || in <= maxTurn || in > maxTurn+time.Second {
					t.Errorf("scope %q, come back after %v", f.Scope, in)
				}
			})
		}
		wg.Wait()
		if fine.Load() != 11 || busy.Load() != 39 { // at once, and in each of ten seconds
			t.Errorf("%d got through, %d did not", fine.Load(), busy.Load())
		}
		if time.Since(start) != maxTurn {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

func TestNoMoreConnectionsThanAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Pace{Connections: 2})
		first, _ := d.enter(t.Context(), serverA)
		second, err := d.enter(t.Context(), serverA)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(4*time.Second, first)
		start := time.Now()
		third, err := d.enter(t.Context(), serverA)
		if err != nil || time.Since(start) != 4*time.Second {
			t.Fatalf("the third came in after %v, %v", time.Since(start), err)
		}
		start = time.Now()
		_, err = d.enter(t.Context(), serverA)
		f := wantFault(t, err, mail.RateLimited, "host_busy")
		if time.Since(start) != maxTurn || time.Until(f.Until) != busyFor {
			t.Errorf("refused after %v, until %v later", time.Since(start), time.Until(f.Until))
		}
		first() // a second Close gives nothing back
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.enter(ctx, serverA); err == nil {
			t.Error("a connection that was closed twice counted twice")
		}
		second()
		third()
		if len(d.open) != 0 {
			t.Errorf("%d servers are remembered", len(d.open))
		}
	})
}

func TestWaitingEndsWithItsOwner(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Pace{"for a turn": {PerSecond: 0.2, Connections: 9}, "for a connection": {Connections: 1}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDoors(p)
			leave, err := d.enter(t.Context(), serverA)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("drained")
			time.AfterFunc(time.Second, func() { cancel(why) })
			start := time.Now()
			if _, err := d.enter(ctx, serverA); err != why || time.Since(start) != time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			leave()
			time.Sleep(time.Hour)
			if leave, err = d.enter(t.Context(), serverA); err != nil {
				t.Fatalf("%s: what was given up is still taken: %v", name, err)
			}
			leave()
			if one := d.open[serverA]; one != nil && one.users+len(one.slots) > 0 {
				t.Errorf("%s: %d users, %d connections are left", name, one.users, len(one.slots))
			}
		})
	}
}

func TestServersThatNobodyUsesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Pace{PerSecond: 3, Burst: 10, Connections: 4})
		for i := range 1000 {
			leave, err := d.enter(t.Context(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 993))
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
		if len(d.open) == 0 {
			t.Error("a burst is forgotten as soon as it has ended")
		}
		time.Sleep(2 * sweeping)
		leave, _ := d.enter(t.Context(), serverA)
		if len(d.open) != 1 {
			t.Errorf("%d servers are remembered", len(d.open))
		}
		leave()
	})
}

func TestManyAtOnceKeepTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Pace{PerSecond: 100, Burst: 5, Connections: 7})
		var mu sync.Mutex
		var open, most int
		count := func(n int) { mu.Lock(); defer mu.Unlock(); open += n; most = max(most, open) }
		var wg sync.WaitGroup
		for i := range 200 {
			server := []netip.AddrPort{serverA, serverA, serverB}[i%3]
			wg.Go(func() {
				leave, err := d.enter(t.Context(), server)
				if err != nil {
					return
				}
				defer leave()
				if server == serverA {
					count(+1)
					defer count(-1)
				}
				time.Sleep(time.Duration(i%10) * 10 * time.Millisecond)
			})
		}
		wg.Wait()
		if most > 7 || most < 2 {
			t.Errorf("%d connections at once", most)
		}
	})
}

func TestNoPaceIsNoLimit(t *testing.T) {
	t.Parallel()
	if newDoors(Pace{Burst: 3}) != nil {
		t.Error("a burst alone limits something")
	}
}

// sharing makes a Dialer for names that all lead to the loopback.
func sharing(port uint16, p Pace, answer ...string) *Dialer {
	return New(Options{Policy: Policy{Allow: loopback, Ports: []uint16{port}}, Pace: p,
		Resolver: resolver(func(string, int) []netip.Addr { return addrs(answer...) })})
}

func TestNamesOfOneServerShareItsConnections(t *testing.T) {
	t.Parallel()
	_, port := listen(t)
	d := sharing(port, Pace{Connections: 1}, "127.0.0.1")
	one, err := d.Dial(t.Context(), "one.example", port)
	if err != nil {
		t.Fatal(err)
	}
	hurried := func() (net.Conn, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return d.Dial(ctx, "two.example", port)
	}
	_, err = hurried()
	wantFault(t, err, mail.RateLimited, "host_busy")
	one.Close()
	one.Close()
	two, err := hurried()
	if err != nil {
		t.Fatal(err)
	}
	_, err = hurried()
	wantFault(t, err, mail.RateLimited, "host_busy")
	cut(two)
	if len(d.doors.open) != 0 {
		t.Errorf("%d servers are remembered", len(d.doors.open))
	}
}

func TestFailedAttemptsGiveTheirPlaceBack(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	d := sharing(port, Pace{Connections: 1, PerSecond: 1000, Burst: 1000}, "127.0.0.2", "127.0.0.3", "127.0.0.1") // nobody listens on the first two
	for range 3 {
		c, err := d.Dial(t.Context(), "three.example", port)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	l.Close()
	for range 3 {
		_, err := d.Dial(t.Context(), "three.example", port)
		wantFault(t, err, mail.Transient, "unreachable")
	}
	for server, one := range d.doors.open {
		if one.users != 0 || len(one.slots) != 0 {
			t.Errorf("%v: %d users, %d connections", server, one.users, len(one.slots))
		}
	}
}

func TestForbiddenAddressTakesNoTurn(t *testing.T) {
	t.Parallel()
	_, port := listen(t)
	d := sharing(port, Pace{PerSecond: 0.001}, "10.0.0.1")
	for range 3 {
		_, err := d.Dial(t.Context(), "inside.example", port)
		wantFault(t, err, mail.Setup, "address_forbidden")
	}
	if len(d.doors.open) != 0 {
		t.Errorf("%d servers are remembered", len(d.doors.open))
	}
}
