package dial

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// resolver answers every A question with what answer says; AAAA with nothing.
// An invalid address means NXDOMAIN.
func resolver(answer func(name string, n int) []netip.Addr) *net.Resolver {
	var asked atomic.Int32
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			buf := make([]byte, 4096) // a net.Conn that is no PacketConn is spoken to as over TCP
			n, err := far.Read(buf)
			if err != nil || n < 3 {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(buf[2:n]) != nil {
				return
			}
			q.Response, q.RecursionAvailable = true, true
			if q.Questions[0].Type == dnsmessage.TypeA {
				for _, a := range answer(q.Questions[0].Name.String(), int(asked.Add(1))) {
					if !a.IsValid() {
						q.RCode = dnsmessage.RCodeNameError
						continue
					}
					q.Answers = append(q.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
						Body:   &dnsmessage.AResource{A: a.As4()},
					})
				}
			}
			q.Additionals = nil
			out, err := q.Pack()
			if err != nil {
				return
			}
			_, _ = far.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...))
		}()
		return near, nil
	}}
}

func listen(t *testing.T) (*net.TCPListener, uint16) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener), uint16(l.Addr().(*net.TCPAddr).Port)
}

var loopback = prefixes("127.0.0.0/8")

func wantFault(t *testing.T, err error, class mail.Class, code string) *mail.Fault {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok {
		t.Fatalf("error is %T (%v), want a *mail.Fault with code %s", err, err, code)
	}
	if f.Class != class || f.Code != code {
		t.Errorf("class %d, code %q (%v); want class %d, code %q", f.Class, f.Code, f, class, code)
	}
	if f.Text == "" || f.Help == "" || strings.ContainsAny(f.Error(), "\r\n") {
		t.Errorf("%q is not one line with a remedy", f.Error())
	}
	return f
}

func TestDialReachesAnAllowedHost(t *testing.T) {
	t.Parallel()
	_, port := listen(t)
	d := New(Options{
		Policy:   Policy{Allow: loopback, Ports: []uint16{port}},
		Resolver: resolver(func(string, int) []netip.Addr { return addrs("127.0.0.1") }),
	})
	c, err := d.Dial(t.Context(), "Mail.Example.", port)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestNameThatChangesItsAnswerIsJudgedEachTime(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	d := New(Options{
		Policy:  Policy{Ports: []uint16{port}},
		Timeout: 100 * time.Millisecond,
		Resolver: resolver(func(_ string, n int) []netip.Addr {
			if n == 1 {
				return addrs("192.0.0.0") // stands for the public answer a check before the dial would see
			}
			return addrs("127.0.0.1")
		}),
	})
	// What a check by name would do:
	if _, err := d.net.Resolver.LookupNetIP(t.Context(), "ip4", "rebind.example"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Dial(t.Context(), "rebind.example", port)
	wantFault(t, err, mail.Setup, "address_forbidden")
	mustBeQuiet(t, l)
}

func TestSecondAddressOfANameIsJudgedToo(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	d := New(Options{
		Policy: Policy{Allow: prefixes("127.0.0.2/32"), Ports: []uint16{port}},
		Resolver: resolver(func(string, int) []netip.Addr {
			return addrs("127.0.0.2", "127.0.0.1") // nobody listens on the first
		}),
	})
	c, err := d.Dial(t.Context(), "two.example", port)
	if err == nil {
		c.Close()
		t.Fatal("the dialer went on to a forbidden second address")
	}
	mustBeQuiet(t, l)
}

// mustBeQuiet fails when somebody connected to l.
func mustBeQuiet(t *testing.T, l *net.TCPListener) {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Error("a packet reached the forbidden address")
	}
}

func TestDialFaults(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	l.Close()
	to := func(a ...netip.Addr) *net.Resolver { return resolver(func(string, int) []netip.Addr { return a }) }
	broken := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
	for _, c := range []struct {
		name, host string
		port       uint16
		r          *net.Resolver
		class      mail.Class
		code       string
	}{
		{"closed port", "mail.example", port, to(addrs("127.0.0.1")...), mail.Transient, "unreachable"},
		{"unknown host", "mail.example", port, to(netip.Addr{}), mail.Setup, "dns"},
		{"name server down", "mail.example", port, broken, mail.Transient, "dns"},
		{"forbidden address", "mail.example", port, to(addrs("10.0.0.1")...), mail.Setup, "address_forbidden"},
		{"forbidden literal", "10.0.0.1", port, nil, mail.Setup, "address_forbidden"},
		{"forbidden literal, mapped", "[::ffff:10.0.0.1]", port, nil, mail.Setup, "address_forbidden"},
		{"metadata, allow list or not", "169.254.169.254", port, nil, mail.Setup, "address_forbidden"},
		{"forbidden port", "mail.example", 25, nil, mail.Setup, "port_forbidden"},
		{"no host", "imaps://mail.example", port, nil, mail.Setup, "host_invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(Options{Policy: Policy{Allow: prefixes("127.0.0.0/8", "169.254.0.0/16"), Ports: []uint16{port}}, Resolver: c.r})
			conn, err := d.Dial(t.Context(), c.host, c.port)
			if err == nil {
				conn.Close()
			}
			wantFault(t, err, c.class, c.code)
		})
	}
}

func TestCancelledDialSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(Options{}).Dial(ctx, "8.8.8.8", 993)
	f, ok := mail.AsFault(err)
	if !ok || f.Code != "cancelled" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancelled", err)
	}
}

// authority signs certificates for the tests of this package.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert = sign(t, tmpl, tmpl, key, key)
	a.pool.AddCert(a.cert)
	return a
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *authority) leaf(t testing.TB, name string, from, to time.Duration, self bool) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name + " SECRET-BANNER"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to), KeyUsage: x509.KeyUsageDigitalSignature}
	parent, by := a.cert, a.key
	if self {
		parent, by = tmpl, key
	}
	return tls.Certificate{Certificate: [][]byte{sign(t, tmpl, parent, key, by).Raw}, PrivateKey: key}
}

// handshake runs serve on one end of a connection and Dialer.TLS on the other.
func handshake(t *testing.T, roots *x509.CertPool, host string, patience time.Duration, serve func(net.Conn)) error {
	t.Helper()
	l, port := listen(t)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
	}()
	d := New(Options{Policy: Policy{Allow: loopback, Ports: []uint16{port}}, Roots: roots, Handshake: patience})
	raw, err := d.Dial(t.Context(), "127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.TLS(t.Context(), raw, host)
	if err != nil {
		if _, werr := raw.Write([]byte("x")); werr == nil {
			t.Error("the connection is still open after a failed handshake")
		}
		return err
	}
	defer c.Close()
	if v := c.ConnectionState().Version; v < tls.VersionTLS12 {
		t.Errorf("TLS version %x", v)
	}
	return nil
}

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	const h = time.Hour
	for _, c := range []struct {
		name, host, text string // text "": accepted
		cert             tls.Certificate
	}{
		{"good", "mail.example", "", ca.leaf(t, "mail.example", -h, h, false)},
		{"expired", "mail.example", "has expired", ca.leaf(t, "mail.example", -2*h, -h, false)},
		{"not yet valid", "mail.example", "is not yet valid", ca.leaf(t, "mail.example", h, 2*h, false)},
		{"wrong name", "mail.example", "is for another name", ca.leaf(t, "other.example", -h, h, false)},
		{"self-signed", "mail.example", "is self-signed", ca.leaf(t, "mail.example", -h, h, true)},
		{"unknown authority", "mail.example", "is from an unknown authority", other.leaf(t, "mail.example", -h, h, false)},
		{"international name", "bücher.example", "", ca.leaf(t, "xn--bcher-kva.example", -h, h, false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := handshake(t, ca.pool, c.host, time.Minute, func(conn net.Conn) {
				s := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c.cert}})
				if s.Handshake() == nil {
					_, _ = s.Read(make([]byte, 1))
				}
			})
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := wantFault(t, err, mail.Setup, "tls_certificate")
			if !strings.Contains(f.Text, c.text) {
				t.Errorf("text %q, want %q in it", f.Text, c.text)
			}
			if strings.Contains(f.Error(), "SECRET-BANNER") {
				t.Errorf("the text repeats the certificate: %s", f)
			}
		})
	}
}

func TestHandshakeFaults(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.leaf(t, "mail.example", -time.Hour, time.Hour, false)
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		class mail.Class
		code  string
	}{
		{"clear text", func(c net.Conn) {
			_, _ = c.Write([]byte("* OK SECRET-BANNER ready, come in and talk IMAP with me\r\n"))
			_, _ = c.Read(make([]byte, 4096))
		}, mail.Setup, "tls_handshake"},
		{"old TLS", func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
			_ = s.Handshake()
		}, mail.Setup, "tls_handshake"},
		{"closed", func(net.Conn) {}, mail.Transient, "tls_handshake"},
		{"silence", func(c net.Conn) {
			for { // until the client hangs up
				if _, err := c.Read(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, mail.Transient, "timeout_connect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patience := time.Minute
			if c.code == "timeout_connect" {
				patience = 100 * time.Millisecond
			}
			err := handshake(t, ca.pool, "mail.example", patience, c.serve)
			if f := wantFault(t, err, c.class, c.code); strings.Contains(f.Error(), "SECRET-BANNER") {
				t.Errorf("the text repeats the server: %s", f)
			}
		})
	}
}
