package pop3_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/source/sourcetest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ bridge.Source = (*pop3.Source)(nil)

const (
	user     = "ann@example.org"
	password = "correct horse"
)

var ca = testkit.NewCA()

// server is a pop3d with one user and how to reach it.
type server struct {
	*pop3d.Server
	drop     *pop3d.Memory
	addr     string
	security string
}

// start serves these messages. security is pop3.TLS or pop3.StartTLS.
func start(t testing.TB, security string, f pop3d.Faults, messages ...[]byte) *server {
	t.Helper()
	s := &server{
		Server:   pop3d.New(pop3d.Options{TLS: ca.ServerConfig("127.0.0.1")}),
		drop:     pop3d.NewMemory(messages...),
		security: security,
	}
	t.Cleanup(func() { _ = s.Close() })
	s.AddUser(user, password, s.drop)
	s.Misbehave(f)
	listen := s.ListenTLS
	if security == pop3.StartTLS {
		listen = s.Listen
	}
	var err error
	if s.addr, err = listen(); err != nil {
		t.Fatal(err)
	}
	return s
}

// local dials this machine's port.
func local(port uint16, roots *x509.CertPool) *dial.Dialer {
	return dial.New(dial.Options{
		Policy: dial.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{port}},
		Roots:  roots,
	})
}

// config logs in at addr, with the right password.
func (s *server) config(t testing.TB, addr string) pop3.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return pop3.Config{
		Host: host, Port: uint16(n), Security: s.security,
		Username: user, Password: vault.NewSecret(password), Dial: local(uint16(n), ca.Pool()),
	}
}

func (s *server) open(t testing.TB) *pop3.Source {
	t.Helper()
	src, err := pop3.New(s.config(t, s.addr)).Open(t.Context())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = src.Close(context.Background()) })
	return src
}

// mailbox is the server as the suite wants it.
func (s *server) mailbox(t *testing.T) sourcetest.Mailbox {
	return sourcetest.Mailbox{
		Addr: s.addr, Password: password,
		Dial: func(ctx context.Context, addr, password string) (sourcetest.Source, error) {
			c := s.config(t, addr)
			c.Password = vault.NewSecret(password)
			src, err := pop3.New(c).Open(ctx)
			if err != nil {
				return nil, err
			}
			return src, nil
		},
		Remove:   func(i int) error { s.drop.Remove(i); return nil },
		Messages: func() ([][]byte, error) { return s.drop.Messages(), nil },
	}
}

// Not parallel: the suite counts goroutines.
func TestConformanceAgainstPop3d(t *testing.T) {
	for name, tc := range map[string]struct {
		security string
		faults   pop3d.Faults
	}{
		"TLS":           {security: pop3.TLS},
		"STLS":          {security: pop3.StartTLS},
		"no pipelining": {security: pop3.TLS, faults: pop3d.Faults{NoPipelining: true}},
		"no TOP":        {security: pop3.TLS, faults: pop3d.Faults{NoTop: true}},
		"no CAPA":       {security: pop3.TLS, faults: pop3d.Faults{NoCapa: true}},
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{
				Form: sourcetest.POP3Form, DeletesAtClose: true, NUL: true,
				Serve: func(t *testing.T, messages [][]byte) sourcetest.Mailbox {
					return start(t, tc.security, tc.faults, messages...).mailbox(t)
				},
			})
		})
	}
}
