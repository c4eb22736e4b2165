package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Options of a Dialer. The zero Options work.
type Options struct {
	Policy    Policy
	Roots     *x509.CertPool // nil: the system's
	Resolver  *net.Resolver  // nil: Go's own, which takes no numeric tricks for addresses
	Timeout   time.Duration  // name, connection; 0: 10 s
	Handshake time.Duration  // TLS; 0: 10 s
	Pace      Pace           // towards each address; zero: no limit
}

// Dialer opens connections to user-named hosts. It may be used by many
// goroutines at once.
type Dialer struct {
	policy    Policy
	configs   configs
	net       net.Dialer
	handshake time.Duration
	doors     *doors // nil: no limit
	through   func(ctx context.Context, address string) (net.Conn, error)
}

const defaultTimeout = 10 * time.Second

// New makes a Dialer.
func New(o Options) *Dialer {
	d := &Dialer{policy: o.Policy, configs: configs{roots: o.Roots}, handshake: orDefault(o.Handshake, defaultTimeout), doors: newDoors(o.Pace)}
	d.net = net.Dialer{
		Timeout:         orDefault(o.Timeout, defaultTimeout),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4},
		Resolver:        o.Resolver,
		ControlContext:  d.control,
	}
	if d.doors != nil {
		d.net.Timeout += maxTurn // waiting for a turn is part of an attempt
	}
	if d.net.Resolver == nil {
		d.net.Resolver = &net.Resolver{PreferGo: true}
	}
	return d
}

// Through makes a Dialer that reaches every address ("host:port") by connect:
// names are not resolved, and no Policy judges where they lead. It is for tests
// in fake time, in which nobody may wait on a socket.
func Through(o Options, connect func(ctx context.Context, address string) (net.Conn, error)) *Dialer {
	d := New(o)
	d.through = connect
	return d
}

func orDefault[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Dial connects to the host in clear text. The connection belongs beneath TLS
// or a guard, never beneath a mail library.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	name, err := CheckHost(host)
	if err != nil {
		return nil, err
	}
	if err := d.policy.checkPort(port); err != nil {
		return nil, err
	}
	conn, err := d.connect(ctx, net.JoinHostPort(name, strconv.Itoa(int(port))))
	if err != nil {
		return nil, dialFault(ctx, name, port, err)
	}
	return conn, nil
}

func (d *Dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	if d.through != nil {
		return d.through(ctx, address)
	}
	if d.doors == nil {
		return d.net.DialContext(ctx, "tcp", address)
	}
	var all attempts
	conn, err := d.net.DialContext(context.WithValue(ctx, attemptsKey{}, &all), "tcp", address)
	if err != nil {
		all.end(nil)
		return nil, err
	}
	return &counted{Conn: conn, leave: all.end(conn)}, nil
}

// control judges the final address of every attempt, after resolution and
// before the first packet, and lets it wait for its turn there.
func (d *Dialer) control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return d.policy.checkAddr(netip.Addr{})
	}
	if err := d.policy.checkPort(ap.Port()); err != nil {
		return err
	}
	if err := d.policy.checkAddr(ap.Addr()); err != nil {
		return err
	}
	if all, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
		return all.enter(ctx, d.doors, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
	}
	return nil
}

// TLS secures conn and verifies that it is the host. It closes conn when it
// fails. The caller makes sure that nothing was read ahead in clear text.
func (d *Dialer) TLS(ctx context.Context, conn net.Conn, host string) (*tls.Conn, error) {
	name, err := CheckHost(host)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	c := tls.Client(conn, d.configs.of(name))
	hctx, cancel := context.WithTimeout(ctx, d.handshake)
	defer cancel()
	if err := c.HandshakeContext(hctx); err != nil {
		_ = conn.Close()
		return nil, tlsFault(ctx, name, err)
	}
	return c, nil
}
