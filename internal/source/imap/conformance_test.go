package imap_test

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/sourcetest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ bridge.Source = (*imap.Source)(nil)

// ca signs every server of these tests.
var ca = testkit.NewCA()

const user, password = "ann@home.example", `pa"ss\w{3}ört`

// config reaches a server at addr, which is on 127.0.0.1.
func config(t testing.TB, addr string, security imap.Security) imap.Config {
	t.Helper()
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return imap.Config{
		Host: host, Port: uint16(port), Security: security,
		Username: user, Password: vault.NewSecret(password),
		Dial: dial.New(dial.Options{
			Policy: loopback(uint16(port)),
			Roots:  ca.Pool(),
		}),
	}
}

func loopback(port uint16) dial.Policy {
	return dial.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{port}}
}

// serve starts a well-behaved server with one user.
func serve(t testing.TB, security imap.Security, opt imapd.Options) (*imapd.Server, *imapd.User, string) {
	t.Helper()
	opt.TLS = ca.ServerConfig("127.0.0.1")
	srv := imapd.New(opt)
	t.Cleanup(func() { _ = srv.Close() })
	listen := srv.ListenTLS
	if security == imap.STARTTLS {
		listen = srv.Listen
	}
	addr, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	return srv, srv.AddUser(user, password), addr
}

// Not parallel: the suite counts goroutines.
func TestConformance(t *testing.T) {
	for _, security := range []imap.Security{imap.TLS, imap.STARTTLS} {
		t.Run(string(security), func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{Seen: true, NUL: true, Serve: func(t *testing.T, messages [][]byte) sourcetest.Mailbox {
				_, box, addr := serve(t, security, imapd.Options{})
				for _, m := range messages {
					box.Deliver("INBOX", m)
				}
				uids := box.UIDs("INBOX")
				return sourcetest.Mailbox{
					Addr: addr, Password: password,
					Dial: func(ctx context.Context, addr, password string) (sourcetest.Source, error) {
						cfg := config(t, addr, security)
						cfg.Password = vault.NewSecret(password)
						s, err := imap.New(cfg).Open(ctx)
						if err != nil {
							return nil, err
						}
						return s, nil
					},
					Remove: func(i int) error { box.Remove("INBOX", uids[i]); return nil },
				}
			}})
		})
	}
}
