package smtp

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/url"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/exim"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ notify.Notifier = (*Notifier)(nil)

func letter(to string) notify.Letter {
	return notify.Letter{ID: "0190", To: to, Kind: notify.Failing, At: time.Now(), Subject: "No mail comes from Büro", Text: "Grüße\nin plain text\n", HTML: "<p>Grüße</p>",
		Unsubscribe: "https://mail.example.org/notices/digest/x"}
}

func notifier(t *testing.T, s *exim.Server, scheme, password string, port int) *Notifier {
	t.Helper()
	u := url.URL{Scheme: scheme, User: url.UserPassword(exim.User, password), Host: fmt.Sprintf("%s:%d", exim.Host, port)}
	n, err := New(vault.NewSecret(u.String()), "smtp-sync <notices@smtp-sync.example>", rootsOf(s))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func send(t *testing.T, n *Notifier, l notify.Letter) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return n.Send(ctx, l)
}

func TestARealServerTakesIt(t *testing.T) {
	t.Parallel()
	s := exim.Start(t)
	for scheme, port := range map[string]int{"smtp": s.SMTP, "smtps": s.SMTPS} {
		if err := send(t, notifier(t, s, scheme, exim.Password, port), letter("ann@example.org")); err != nil {
			t.Fatalf("%s: %v; the server logged: %s", scheme, err, s.Log())
		}
	}
	var mails [][]byte
	for range 200 { // it delivers after it has taken
		if mails, _ = s.Mails(); len(mails) == 2 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(mails) != 2 {
		t.Fatalf("mails = %d, want 2; the server logged: %s", len(mails), s.Log())
	}
	for _, raw := range mails {
		m, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || subject != "No mail comes from Büro" {
			t.Errorf("Subject = %q, %v", subject, err)
		}
		for field, want := range map[string]string{"To": "<ann@example.org>", "From": `"smtp-sync" <notices@smtp-sync.example>`, "Message-Id": "<0190@smtp-sync.example>",
			"Auto-Submitted": "auto-generated", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} {
			if got := m.Header.Get(field); got != want {
				t.Errorf("%s = %q, want %q", field, got, want)
			}
		}
		kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/alternative" {
			t.Fatalf("Content-Type = %q, %v", kind, err)
		}
		var parts []string
		for r := multipart.NewReader(m.Body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(quotedprintable.NewReader(p))
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, strings.ReplaceAll(strings.TrimSpace(string(text)), "\r\n", "\n"))
		}
		if len(parts) != 2 || parts[0] != "Grüße\nin plain text" || parts[1] != "<p>Grüße</p>" {
			t.Errorf("parts = %q", parts)
		}
	}
}

func TestWhatARealServerRefuses(t *testing.T) {
	t.Parallel()
	s := exim.Start(t)
	other := x509.NewCertPool()
	other.AppendCertsFromPEM(testkit.NewCA().PEM())
	stranger, err := New(vault.NewSecret(fmt.Sprintf("smtps://%s:%d", exim.Host, s.SMTPS)), "notices@smtp-sync.example", other)
	if err != nil {
		t.Fatal(err)
	}
	anonymous := notifier(t, s, "smtps", exim.Password, s.SMTPS)
	nobody, err := New(vault.NewSecret(fmt.Sprintf("smtps://%s:%d", exim.Host, s.SMTPS)), "notices@smtp-sync.example", rootsOf(s))
	if err != nil {
		t.Fatal(err)
	}
	free, err := testkit.Ports(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		n     *Notifier
		to    string
		class mail.Class
	}{
		{"an address that does not exist", anonymous, "nobody@example.org", mail.Refused},
		{"an address that is none", anonymous, "no address", mail.Refused},
		{"an address that is to be tried later", anonymous, "later@example.org", mail.Transient},
		{"a wrong password", notifier(t, s, "smtps", "wrong", s.SMTPS), "ann@example.org", mail.Setup},
		{"no login", nobody, "ann@example.org", mail.Setup},
		{"a certificate that is not trusted", stranger, "ann@example.org", mail.Setup},
		{"nobody there", notifier(t, s, "smtps", exim.Password, free[0]), "ann@example.org", mail.Transient},
	} {
		err := send(t, c.n, letter(c.to))
		f, ok := mail.AsFault(err)
		if !ok || f.Class != c.class {
			t.Errorf("%s: %v (class %v), want class %v", c.name, err, mail.ClassOf(err), c.class)
		}
		if ok && (strings.Contains(fmt.Sprint(f, f.Err), c.to) || strings.Contains(fmt.Sprint(f, f.Err), "sesame")) {
			t.Errorf("%s: the error holds an address or a secret: %v, %v", c.name, f, f.Err)
		}
	}
	if mails, err := s.Mails(); err != nil || len(mails) != 0 {
		t.Errorf("mails = %d, %v, want none", len(mails), err)
	}
}

func rootsOf(s *exim.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA.PEM())
	return roots
}

// A password goes through TLS only, and so does everything that leaves this
// machine.
func TestNothingIsSentInTheClear(t *testing.T) {
	t.Parallel()
	for address, mandatory := range map[string]bool{
		"smtp://mail.example.org": true, "smtp://u:p@localhost": true, "smtp://127.0.0.1:25": false, "smtp://u:p@mail.example.org:25": true,
	} {
		n, err := New(vault.NewSecret(address), "a@example.org", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(policyOf(t, n), "Mandatory"); got != mandatory {
			t.Errorf("%s: TLS mandatory = %v, want %v", address, got, mandatory)
		}
	}
}

func policyOf(t *testing.T, n *Notifier) string {
	t.Helper()
	c, err := gomail.NewClient(n.host, n.options...)
	if err != nil {
		t.Fatal(err)
	}
	return c.TLSPolicy()
}
