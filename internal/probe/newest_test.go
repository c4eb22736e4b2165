package probe

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// numbered is a mail whose body must not be asked for.
func numbered(n int) []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nSubject: %d\r\n\r\n%s\r\n", n, strings.Repeat("body ", 1000))
}

func subjects(all []mail.Headed) (out string) {
	for _, m := range all {
		out += m.Header.Get("Subject") + " "
	}
	return strings.TrimSpace(out)
}

// TestTheNewestHeadersAreFetchedAndNothingElse: of a large mailbox those of the
// last messages, over both protocols; no message is read, and none is marked.
func TestTheNewestHeadersAreFetchedAndNothingElse(t *testing.T) {
	t.Parallel()
	drop := pop3d.NewMemory()
	pop := pop3d.New(pop3d.Options{TLS: ca.ServerConfig("127.0.0.1")})
	pop.AddUser("ann@example.com", password, drop)
	im := imapd.New(imapd.Options{TLS: ca.ServerConfig("127.0.0.1")})
	im.AddUser("ann@example.com", password)
	for i := range 30 {
		drop.Add(numbered(i))
		im.Deliver("ann@example.com", "INBOX", numbered(i))
	}
	t.Cleanup(func() { _, _ = pop.Close(), im.Close() })
	for protocol, listen := range map[string]func() (string, error){"pop3": pop.ListenTLS, "imap": im.ListenTLS} {
		addr, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		box := at(t, protocol, "tls", addr)
		p := prober(loopback, uint16(box.Port))
		got, err := p.Newest(t.Context(), id.New[id.User](), box, 3)
		if err != nil || subjects(got) != "29 28 27" {
			t.Errorf("%s: %q, %v", protocol, subjects(got), err)
		}
		for _, m := range got {
			if len(m.Header.Raw()) > 100 || m.Ref.Size < 5000 {
				t.Errorf("%s: %d octets of a message of %d", protocol, len(m.Header.Raw()), m.Ref.Size)
			}
		}
		if got, err = p.Newest(t.Context(), id.New[id.User](), box, 1000); err != nil || len(got) != 30 || got[29].Header.Get("Subject") != "0" {
			t.Errorf("%s, all: %d, %v", protocol, len(got), err)
		}
	}
	if n := pop.Seen("RETR") + pop.Seen("DELE"); n > 0 || drop.Len() != 30 {
		t.Errorf("%d messages were read or deleted over POP3", n)
	}
}

// TestNewestHasTheLimitsAndWordsOfATest: it is no way around them.
func TestNewestHasTheLimitsAndWordsOfATest(t *testing.T) {
	t.Parallel()
	box := maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{})
	box.Password = vault.NewSecret("wrong")
	p, user := prober(loopback, uint16(box.Port)), id.New[id.User]()
	_, err := p.Newest(t.Context(), user, box, 5)
	if f, _ := mail.AsFault(err); f == nil || f.Code != "auth_failed" || f.Help == "" {
		t.Errorf("a wrong password: %v", err)
	}
	for range 20 {
		_, err = p.Newest(t.Context(), user, box, 5)
	}
	if f, _ := mail.AsFault(err); f == nil || f.Code != "too_many_guesses" || f.Class != mail.RateLimited {
		t.Errorf("after twenty: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := at(t, "imap", "tls", l.Addr().String())
	_ = l.Close()
	for name, box := range map[string]account.Mailbox{"closed": closed, "forbidden": {Protocol: "imap", Host: "10.0.0.1", Port: closed.Port, Security: "tls", Username: "u", Password: vault.NewSecret("p")}} {
		_, err = prober(loopback, uint16(closed.Port)).Newest(t.Context(), id.New[id.User](), box, 5)
		if f, _ := mail.AsFault(err); f == nil || f.Code != unreachable && f.Code != "address_forbidden" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
