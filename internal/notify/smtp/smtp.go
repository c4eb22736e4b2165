// Package smtp delivers notices through an SMTP server of the operator
// (RFC 5321), over TLS: at once with smtps, by STARTTLS with smtp. In the clear
// it speaks to this machine alone.
//
// One connection a letter: notices are few. What a server says is not kept: it
// may hold the address.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	netmail "net/mail"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Notifier is a server to send through.
type Notifier struct {
	host    string
	from    netmail.Address
	domain  string
	options []gomail.Option
}

// New reads smtps://user:password@host:port or smtp://…; without a port it is
// 465 or 587. from is the sender's address, with or without a name.
func New(address vault.Secret, from string, roots *x509.CertPool) (*Notifier, error) {
	u, err := url.Parse(address.RevealString())
	if err != nil {
		return nil, errors.New("SMTPSYNC_SMTP_URL is not a URL") // the error would show it
	}
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("sender of notices: %w", err)
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	n := &Notifier{host: u.Hostname(), from: *sender, domain: domain}
	port := 587
	if u.Scheme == "smtps" {
		port = 465
		n.options = append(n.options, gomail.WithSSL())
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, errors.New("SMTPSYNC_SMTP_URL has no number for a port")
		}
	}
	policy := gomail.TLSMandatory
	if u.Scheme == "smtp" && u.User == nil && loopback(n.host) {
		policy = gomail.TLSOpportunistic
	}
	n.options = append(n.options, gomail.WithPort(port), gomail.WithTLSPolicy(policy), gomail.WithHELO(domain),
		gomail.WithTLSConfig(&tls.Config{ServerName: n.host, RootCAs: roots, MinVersion: tls.VersionTLS12}))
	if u.User != nil {
		password, _ := u.User.Password()
		n.options = append(n.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	return n, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Name implements notify.Notifier.
func (*Notifier) Name() string { return "mail" }

// Mails implements notify.Notifier.
func (*Notifier) Mails() bool { return true }

// Send implements notify.Notifier.
func (n *Notifier) Send(ctx context.Context, l notify.Letter) error {
	m, err := n.message(l)
	if err != nil {
		return err
	}
	c, err := gomail.NewClient(n.host, append(n.options, gomail.WithTimeout(timeLeft(ctx)))...)
	if err != nil {
		return &mail.Fault{Class: mail.Setup, Code: "notify_smtp", Text: "the SMTP server of notices is not configured well", Help: "check SMTPSYNC_SMTP_URL"}
	}
	return n.fault(c.DialAndSendWithContext(ctx, m))
}

func timeLeft(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(time.Until(end), time.Second)
	}
	return time.Minute
}

// message makes the mail: text and HTML, nothing that loads, and a Message-ID
// by which a mailbox knows what comes twice.
func (n *Notifier) message(l notify.Letter) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&n.from)
	if err := m.To(l.To); err != nil {
		return nil, refused()
	}
	m.Subject(l.Subject)
	m.SetMessageIDWithValue(l.ID + "@" + n.domain)
	m.SetDateWithValue(l.At)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody is to answer by himself
	if strings.HasPrefix(l.Unsubscribe, "https://") {
		if err := m.SetListUnsubscribeOneClick(l.Unsubscribe); err != nil {
			return nil, err
		}
	}
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	return m, nil
}

func refused() error {
	return &mail.Fault{Class: mail.Refused, Code: "notify_address", Text: "the mail server takes nothing for this address"}
}

// fault translates what went wrong.
func (n *Notifier) fault(err error) error {
	if err == nil {
		return nil
	}
	f := &mail.Fault{Class: mail.Transient, Code: "notify_smtp", Text: "the SMTP server of notices cannot be reached"}
	if se, ok := errors.AsType[*gomail.SendError](err); ok {
		if se.Reason == gomail.ErrSMTPRcptTo && !se.IsTemp() && nobody.MatchString(se.Error()) {
			return refused()
		}
		f.Text = fmt.Sprintf("the SMTP server of notices does not take the mail now (%d)", se.ErrorCode())
		if !se.IsTemp() {
			f.Class, f.Help = mail.Setup, "see its log: it may want a login, or another SMTPSYNC_NOTIFY_FROM"
		}
		return f
	}
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(err, &cert):
		f.Class, f.Text, f.Help = mail.Setup, "the SMTP server of notices has no certificate that we trust", "name its root in SMTPSYNC_TLS_CA_FILE"
	case errors.As(err, &dns):
		f.Text = "the SMTP server of notices has no address"
	case strings.Contains(err.Error(), "auth"):
		f.Class, f.Text, f.Help = mail.Setup, "the SMTP server of notices refuses the login", "check user and password in SMTPSYNC_SMTP_URL"
	}
	return f
}

// nobody is a word about the address itself (RFC 3463: 5.1.x, and 5.2.1 for a
// mailbox that is closed), also of a server that does not announce such words,
// as Exim. A bare 550 may as well mean that we may not send.
var nobody = regexp.MustCompile(`: 55\d[ -]"?5\.(1\.\d{1,3}|2\.1)\b`)
