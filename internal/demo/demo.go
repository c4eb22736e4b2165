// Package demo is the world that `smtp-sync demo` shows the real engine in:
// a POP3 and an IMAP server with TLS and mail in them, and a Gmail double, all
// on loopback. It only makes the outside; the engine, the store and every
// check on addresses and certificates are those of the product, pointed here
// by ordinary settings (Env).
//
// It is the one package of the product that links the test kit.
package demo

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// User is the owner of the Gmail account at the double.
const User = "you@gmail.example"

// Mailbox is one of the sample mailboxes.
type Mailbox struct {
	Name     string
	Source   string // as --source takes it
	Password string
}

// World is the outside.
type World struct {
	Gmail        *gmailtest.Listening
	RefreshToken string
	Mailboxes    []Mailbox
	Env          []string // settings that point the product here

	pop   *pop3d.Server
	drop  *pop3d.Memory
	imap  *imapd.Server
	next  uint64
	close []func()
}

// Sample mail that is there from the start.
const (
	inPOP3 = 12
	inIMAP = 15
)

const (
	name     = "you"
	password = "demo"
)

// Start brings the world up; what it must write, a CA file, goes into dir.
func Start(dir string) (w *World, err error) {
	w = &World{drop: pop3d.NewMemory()}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	w.Gmail, err = gmailtest.Start(gmailtest.Options{CheckFrom: true}, "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	w.close = append(w.close, w.Gmail.Close)
	w.Gmail.AddUser(User)
	w.RefreshToken = w.Gmail.RefreshToken(User, gmailtest.ScopeInsert, gmailtest.ScopeLabels)

	ca := testkit.NewCA()
	roots := filepath.Join(dir, "demo-roots.pem")
	if err := ca.WriteFile(roots); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	ports, err := w.serve(ca)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	w.Env = []string{
		"SMTPSYNC_GOOGLE_ISSUER=" + w.Gmail.URL,
		"SMTPSYNC_GMAIL_API_URL=" + w.Gmail.URL,
		"SMTPSYNC_GOOGLE_CLIENT_ID=" + gmailtest.DefaultClientID,
		"SMTPSYNC_GOOGLE_CLIENT_SECRET=" + gmailtest.DefaultClientSecret,
		"SMTPSYNC_DATABASE_URL=sqlite://" + filepath.Join(dir, "data"),
		"SMTPSYNC_SOURCE_ALLOW_CIDRS=127.0.0.0/8",
		"SMTPSYNC_SOURCE_PORTS=" + strings.Join(ports, ","),
		"SMTPSYNC_TLS_CA_FILE=" + roots,
	}
	w.fill()
	return w, nil
}

// serve starts the mail servers and gives their ports.
func (w *World) serve(ca *testkit.CA) (ports []string, err error) {
	tls := ca.ServerConfig("127.0.0.1", "localhost")
	w.pop = pop3d.New(pop3d.Options{TLS: tls})
	w.pop.AddUser(name, password, w.drop)
	w.close = append(w.close, func() { _ = w.pop.Close() })
	pop, err := w.pop.ListenTLS()
	if err != nil {
		return nil, err
	}
	w.imap = imapd.New(imapd.Options{TLS: tls})
	w.imap.AddUser(name, password)
	w.close = append(w.close, func() { _ = w.imap.Close() })
	imap, err := w.imap.ListenTLS()
	if err != nil {
		return nil, err
	}
	w.Mailboxes = []Mailbox{
		{"old provider (POP3)", "pop3s://" + name + "@" + pop, password},
		{"university (IMAP)", "imaps://" + name + "@" + imap, password},
	}
	for _, addr := range []string{pop, imap} {
		ports = append(ports, addr[strings.LastIndexByte(addr, ':')+1:])
	}
	return ports, nil
}

// fill puts the first mail in, and some odd mail that shows what becomes of it.
func (w *World) fill() {
	for range inPOP3 {
		w.drop.Add(w.mail())
	}
	for range inIMAP {
		w.imap.Deliver(name, "INBOX", w.mail())
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

// Deliver lets one new mail arrive, by turns in one mailbox and the other.
func (w *World) Deliver() (mailbox string) {
	raw := w.mail()
	if w.next%2 == 0 {
		w.drop.Add(raw)
		return w.Mailboxes[0].Name
	}
	w.imap.Deliver(name, "INBOX", raw)
	return w.Mailboxes[1].Name
}

// Arrived counts what the double has.
func (w *World) Arrived() int { return w.Gmail.Count(User) }

// Close ends the servers.
func (w *World) Close() {
	for i := len(w.close) - 1; i >= 0; i-- {
		w.close[i]()
	}
}
