// Package demo is the world that `smtp-sync demo` shows the whole service in:
// a POP3 and an IMAP server with TLS and mail in them, and a Gmail double with
// a page that stands in for Google's sign-in, all on loopback. It only makes
// the outside; engine, store, pages and every check on addresses and
// certificates are those of the product, pointed here by ordinary settings
// (Env).
//
// It is the one package of the product that links the test kit.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// User is the owner of the Gmail account at the double.
const User = "you@gmail.example"

// Address and Password are those of a mailbox that waits to be added: discovery
// finds its servers.
const (
	Address  = "old@post.example"
	Password = "demo"
)

// World is the outside.
type World struct {
	Gmail     *gmailtest.Listening
	Mailboxes []account.Mailbox // of User from the start
	Env       []string          // settings that point the product here

	pop   *pop3d.Server
	drop  *pop3d.Memory
	imap  *imapd.Server
	ports map[string]uint16 // by service
	next  uint64
	close []func()
}

// Sample mail that is there from the start.
const (
	inPOP3  = 12
	inIMAP  = 15
	waiting = 8
)

const (
	name  = "you"
	local = "127.0.0.1"
)

// Start brings the world up; what it must write, a CA file, goes into dir.
func Start(dir string) (w *World, err error) {
	w = &World{drop: pop3d.NewMemory(), ports: map[string]uint16{}}
	defer func() {
		if err != nil {
			w.Close()
			err = fmt.Errorf("demo: %w", err)
		}
	}()
	w.Gmail, err = gmailtest.Start(gmailtest.Options{CheckFrom: true, ClientID: "smtp-sync demo", ClientSecret: gmailtest.DefaultClientSecret}, local+":0")
	if err != nil {
		return nil, err
	}
	w.close = append(w.close, w.Gmail.Close)
	w.Gmail.AddUser(User)
	w.Gmail.SetConsent(gmailtest.Consent{Page: true})

	ca := testkit.NewCA()
	roots := filepath.Join(dir, "demo-roots.pem")
	if err := ca.WriteFile(roots); err != nil {
		return nil, err
	}
	if err := w.serve(ca); err != nil {
		return nil, err
	}
	w.Env = []string{
		"SMTPSYNC_GOOGLE_ISSUER=" + w.Gmail.URL,
		"SMTPSYNC_GMAIL_API_URL=" + w.Gmail.URL,
		"SMTPSYNC_GOOGLE_CLIENT_ID=smtp-sync demo",
		"SMTPSYNC_GOOGLE_CLIENT_SECRET=" + gmailtest.DefaultClientSecret,
		"SMTPSYNC_DATABASE_URL=sqlite://" + filepath.Join(dir, "data"),
		"SMTPSYNC_SOURCE_ALLOW_CIDRS=127.0.0.0/8",
		fmt.Sprintf("SMTPSYNC_SOURCE_PORTS=%d,%d", w.ports["pop3s"], w.ports["imaps"]),
		"SMTPSYNC_TLS_CA_FILE=" + roots,
		"SMTPSYNC_POLL_EVERY=2s",
		"SMTPSYNC_SIGNUP=open",
	}
	w.fill()
	return w, nil
}

// serve starts the mail servers.
func (w *World) serve(ca *testkit.CA) error {
	tls := ca.ServerConfig(local, "localhost")
	w.pop = pop3d.New(pop3d.Options{TLS: tls})
	w.pop.AddUser(name, Password, w.drop)
	w.close = append(w.close, func() { _ = w.pop.Close() })
	if err := w.listening("pop3s", w.pop.ListenTLS); err != nil {
		return err
	}
	w.imap = imapd.New(imapd.Options{TLS: tls})
	w.imap.AddUser(name, Password)
	w.imap.AddUser(Address, Password)
	w.close = append(w.close, func() { _ = w.imap.Close() })
	if err := w.listening("imaps", w.imap.ListenTLS); err != nil {
		return err
	}
	w.Mailboxes = []account.Mailbox{w.mailbox("old provider (POP3)", "pop3", "pop3s"), w.mailbox("university (IMAP)", "imap", "imaps")}
	return nil
}

func (w *World) listening(service string, listen func() (string, error)) error {
	addr, err := listen()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	w.ports[service] = uint16(n)
	return err
}

func (w *World) mailbox(called, protocol, service string) account.Mailbox {
	return account.Mailbox{
		Name: called, Protocol: protocol, Host: local, Port: int(w.ports[service]), Security: "tls", Username: name,
		Password: vault.NewSecret(Password), AfterImport: "leave", History: "all", PollEvery: 2 * time.Second,
	}
}

// Refresh gives the refresh token of a consent of User's that has been given.
func (w *World) Refresh() vault.Secret {
	return vault.NewSecret(w.Gmail.RefreshToken(User, gmailtest.ScopeInsert, gmailtest.ScopeLabels))
}

// fill puts the first mail in, and some odd mail that shows what becomes of it.
func (w *World) fill() {
	for range inPOP3 {
		w.drop.Add(w.mail())
	}
	for range inIMAP {
		w.imap.Deliver(name, "INBOX", w.mail())
	}
	for range waiting {
		w.imap.Deliver(Address, "INBOX", w.mail())
	}
	for _, odd := range testkit.Odd() {
		if len(odd.Raw) > 0 && len(odd.Raw) < 8<<10 && (odd.GmailRefuses || odd.Name == "no Message-ID") {
			w.imap.Deliver(name, "INBOX", odd.Raw)
		}
	}
}

func (w *World) mail() []byte {
	w.next++
	return testkit.Message(w.next)
}

// Deliver lets one new mail arrive, by turns in each mailbox.
func (w *World) Deliver() {
	raw := w.mail()
	switch w.next % 3 {
	case 0:
		w.drop.Add(raw)
	case 1:
		w.imap.Deliver(name, "INBOX", raw)
	case 2:
		w.imap.Deliver(Address, "INBOX", raw)
	}
}

// Arrived counts what the double has, of all accounts.
func (w *World) Arrived() int { return w.Gmail.Stats().Committed }

// Close ends the servers.
func (w *World) Close() {
	for i := len(w.close) - 1; i >= 0; i-- {
		w.close[i]()
	}
}

// Names is the name service and the web of the demo's world (discover.DNS,
// discover.Web): post.example has mail servers, and nothing else is there.
type Names struct{ *World }

var errNoSuch = errors.New("demo: there is no such thing in this world")

// LookupSRV implements discover.DNS (RFC 6186).
func (n Names) LookupSRV(_ context.Context, service, _, domain string) (string, []*net.SRV, error) {
	_, ours, _ := strings.Cut(Address, "@")
	if domain == ours && service == "imaps" {
		return domain, []*net.SRV{{Target: local, Port: n.ports[service]}}, nil
	}
	return "", nil, errNoSuch
}

// LookupMX implements discover.DNS.
func (Names) LookupMX(context.Context, string) ([]*net.MX, error) { return nil, errNoSuch }

// Get implements discover.Web.
func (Names) Get(context.Context, string) ([]byte, error) { return nil, errNoSuch }
