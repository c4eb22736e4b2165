package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var (
	ca       = testkit.NewCA()
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
)

const password = "canary-S3cret/pass word"

// deaf is a name service that nobody can reach; names in the hosts file need none.
var deaf = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no name service in tests")
}}

// prober may reach these ports of the loopback interface, and tells failures at once.
func prober(allow []netip.Prefix, ports ...uint16) *Prober {
	p := New(dial.New(dial.Options{Policy: dial.Policy{Allow: allow, Ports: ports}, Roots: ca.Pool(), Resolver: deaf, Handshake: 300 * time.Millisecond}),
		NewLimiter(Limits{}))
	p.floor = 0
	return p
}

// at gives the mailbox behind an address.
func at(t *testing.T, protocol, security, addr string) account.Mailbox {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return account.Mailbox{Protocol: protocol, Host: host, Port: n, Security: security, Username: "ann@example.com", Password: vault.NewSecret(password)}
}

func test(t *testing.T, box account.Mailbox) Result {
	t.Helper()
	var told []Step
	got, err := prober(loopback, uint16(box.Port)).Test(t.Context(), id.New[id.User](), box, func(s Step) { told = append(told, s) })
	if err != nil {
		t.Fatalf("Test: %v", err)
	}
	if fmt.Sprint(told) != fmt.Sprint(got.Steps) {
		t.Errorf("told %v, result %v", told, got.Steps)
	}
	return got
}

func names(steps []Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.Name)
	}
	return out
}

func last(t *testing.T, r Result) Step {
	t.Helper()
	if len(r.Steps) == 0 {
		t.Fatal("no steps")
	}
	for _, s := range r.Steps[:len(r.Steps)-1] {
		if !s.OK || s.Code != "" {
			t.Errorf("step %+v before the last", s)
		}
	}
	return r.Steps[len(r.Steps)-1]
}

// maildrop starts a POP3 server with two messages.
func maildrop(t *testing.T, security string, cert tls.Certificate, f pop3d.Faults) account.Mailbox {
	t.Helper()
	srv := pop3d.New(pop3d.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	t.Cleanup(func() { _ = srv.Close() })
	srv.AddUser("ann@example.com", password, pop3d.NewMemory(testkit.Message(1), testkit.Message(2)))
	srv.Misbehave(f)
	listen := srv.ListenTLS
	if security == "starttls" {
		listen = srv.Listen
	}
	addr, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	return at(t, "pop3", security, addr)
}

// script starts an IMAP server that misbehaves.
func script(t *testing.T, s *imapd.Script) account.Mailbox {
	t.Helper()
	security := "tls"
	if s.StartTLS {
		security = "starttls"
	}
	if s.TLS == nil {
		s.TLS = ca.ServerConfig("127.0.0.1")
	}
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return at(t, "imap", security, addr)
}

// says starts a server that says something to everybody, with or without TLS,
// and then listens for a while.
func says(t *testing.T, secure bool, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		l = tls.NewListener(l, ca.ServerConfig("127.0.0.1"))
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write([]byte(greeting))
				if greeting != "" {
					_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
					_, _ = conn.Read(make([]byte, 512))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func dialerFor(ca *testkit.CA, port int) *dial.Dialer {
	return dial.New(dial.Options{Policy: dial.Policy{Allow: loopback, Ports: []uint16{uint16(port)}}, Roots: ca.Pool()})
}

// silent gives the address of a server that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
