package dial

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Pace limits what one mail server sees of us, whatever names it has: a
// thousand host names of customers may lead to one address, and a server counts
// by ours. The zero Pace is no limit.
type Pace struct {
	PerSecond   float64 // new connections; 0: no limit
	Burst       int     // so many of them at once after a pause; 0: 1
	Connections int     // open at a time; 0: no limit
}

const (
	maxTurn  = 10 * time.Second // that a dial waits for its turn
	busyFor  = 30 * time.Second // when to come back to a server with no connection to spare
	sweeping = time.Minute
)

// doors knows the servers that somebody is connected or connecting to.
type doors struct {
	pace Pace

	mu    sync.Mutex
	open  map[netip.AddrPort]*door
	swept time.Time
}

// door is the way into one server.
type door struct {
	users int           // who is connected, or waits
	slots chan struct{} // full: no connection to spare; waiters are served in order
	next  time.Time     // when a connection is on schedule; ahead of now by the burst that was used
}

func newDoors(p Pace) *doors {
	if p.PerSecond <= 0 && p.Connections <= 0 {
		return nil
	}
	p.Burst = max(p.Burst, 1)
	return &doors{pace: p, open: make(map[netip.AddrPort]*door)}
}

// enter waits for the turn to connect to a server. What it took is given back
// by leave.
func (d *doors) enter(ctx context.Context, server netip.AddrPort) (leave func(), err error) {
	patience := maxTurn
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2) // the rest is for connecting
	}
	limit := time.Now().Add(patience)
	one := d.visit(server)
	if err := one.take(ctx, patience); err != nil {
		d.leave(server, one, false)
		return nil, err
	}
	wait, ok := d.turn(one, limit)
	if !ok {
		d.leave(server, one, true)
		return nil, busy(time.Now().Add(wait))
	}
	if !sleep(ctx, wait) {
		d.leave(server, one, true)
		return nil, context.Cause(ctx)
	}
	return sync.OnceFunc(func() { d.leave(server, one, true) }), nil
}

func (d *doors) visit(server netip.AddrPort) *door {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.swept) > sweeping {
		d.swept = now
		for key, one := range d.open {
			d.forget(key, one)
		}
	}
	one := d.open[server]
	if one == nil {
		one = &door{}
		if d.pace.Connections > 0 {
			one.slots = make(chan struct{}, d.pace.Connections)
		}
		d.open[server] = one
	}
	one.users++
	return one
}

// take waits for a connection to spare.
func (o *door) take(ctx context.Context, patience time.Duration) error {
	if o.slots == nil {
		return nil
	}
	select {
	case o.slots <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case o.slots <- struct{}{}:
		return nil
	case <-t.C:
		return busy(time.Now().Add(busyFor))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// turn gives how long to wait for the next connection to be on schedule. A turn
// that would come after the limit is not taken.
func (d *doors) turn(one *door, limit time.Time) (wait time.Duration, ok bool) {
	if d.pace.PerSecond <= 0 {
		return 0, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	step := time.Duration(float64(time.Second) / d.pace.PerSecond)
	next := one.next
	if next.Before(now) {
		next = now
	}
	at := next.Add(-time.Duration(d.pace.Burst-1) * step)
	if at.After(limit) {
		return at.Sub(now), false
	}
	one.next = next.Add(step)
	return max(at.Sub(now), 0), true
}

func (d *doors) leave(server netip.AddrPort, one *door, slot bool) {
	if slot && one.slots != nil {
		<-one.slots
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	one.users--
	d.forget(server, one)
}

// forget drops a server that nobody uses and that would not make anybody wait.
// d.mu is held.
func (d *doors) forget(server netip.AddrPort, one *door) {
	if one.users == 0 && !one.next.After(time.Now()) {
		delete(d.open, server)
	}
}

func busy(until time.Time) *mail.Fault {
	return &mail.Fault{Class: mail.RateLimited, Code: "host_busy", Scope: "source", Until: until,
		Text: "we have as many connections to this mail server as is good for it", Help: "it is tried again when others have ended"}
}

// sleep reports whether ctx lasted that long.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempts are the doors that one Dial has entered. The net package tries
// several addresses, two at a time, and does not tell which attempts failed: so
// what they took is noted here, and all of it but one goes back at the end.
type attempts struct {
	mu     sync.Mutex
	over   bool
	passed []attempt
}

type attempt struct {
	server netip.AddrPort
	leave  func()
}

type attemptsKey struct{}

// enter is called by the attempts, before they connect.
func (a *attempts) enter(ctx context.Context, d *doors, server netip.AddrPort) error {
	leave, err := d.enter(ctx, server)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over { // another attempt has won
		leave()
		return net.ErrClosed
	}
	a.passed = append(a.passed, attempt{server, leave})
	return nil
}

// end gives back all that was taken but what belongs to conn, which is nil when
// none came about, and gives what conn's owner must give back.
func (a *attempts) end(conn net.Conn) (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	leave = func() {}
	kept := conn == nil
	for _, p := range a.passed {
		if !kept && p.server == serverOf(conn) {
			kept, leave = true, p.leave
			continue
		}
		p.leave()
	}
	return leave
}

func serverOf(conn net.Conn) netip.AddrPort {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// counted is a connection that holds its place until it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
