package pop3

import (
	"context"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Values of Config.Security. There is no third.
const (
	TLS      = "tls"      // TLS from the first octet, port 995
	StartTLS = "starttls" // STLS (RFC 2595), port 110; mandatory
)

// Values of Config.SASL.
const (
	Auto     = ""      // USER and PASS; AUTH PLAIN where the server offers only that
	UserPass = "user"  // USER and PASS (RFC 1939 7)
	Plain    = "plain" // AUTH PLAIN (RFC 5034, RFC 4616)
)

// Config says which mailbox and how to get in.
type Config struct {
	Host     string
	Port     uint16
	Security string // TLS or StartTLS
	Username string
	Password vault.Secret
	// Token gives the access token of a mailbox that takes no password, never one
	// equal to stale; it is asked at each login, and once more where the server
	// refuses what it gave. nil: Password does.
	Token func(ctx context.Context, stale vault.Secret) (vault.Secret, error)
	SASL  string // Auto, UserPass or Plain; of no effect with Token
	Dial  *dial.Dialer
}

// check finds what can be found before an octet leaves.
func (c Config) check() error {
	switch {
	case c.Security != TLS && c.Security != StartTLS:
		return &mail.Fault{Class: mail.Setup, Code: "security_invalid",
			Text: fmt.Sprintf("%q is no way to secure POP3", c.Security), Help: `use "tls" or "starttls"`}
	case c.SASL != Auto && c.SASL != UserPass && c.SASL != Plain:
		return &mail.Fault{Class: mail.Setup, Code: "sasl_invalid",
			Text: fmt.Sprintf("%q is no way to log in that we know", c.SASL), Help: `use "user", "plain" or leave it out`}
	case c.Username == "":
		return &mail.Fault{Class: mail.Setup, Code: "username_required",
			Text: "the user name of the mailbox is empty", Help: "enter it; it is often the whole address"}
	case strings.ContainsFunc(c.Username, control), strings.ContainsFunc(c.Password.RevealString(), control):
		// RFC 1939 3 has no quoting: a line break would be a second command.
		return &mail.Fault{Class: mail.Setup, Code: "control_character",
			Text: "the user name or password contains a control character", Help: "enter it again without line breaks"}
	}
	return nil
}

// entitled gives c with an access token for a password, where it takes one.
func (c Config) entitled(ctx context.Context, stale vault.Secret) (Config, error) {
	if c.Token == nil {
		return c, nil
	}
	token, err := c.Token(ctx, stale)
	c.Password = token
	return c, err
}

func control(r rune) bool { return r < ' ' || r == 0x7F }
