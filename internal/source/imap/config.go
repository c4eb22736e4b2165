package imap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Security says how the connection is secured. There is no third way: a
// server without TLS is refused.
type Security string

// The ways to TLS.
const (
	TLS      Security = "tls"      // from the first octet, port 993 (RFC 8314 3.2)
	STARTTLS Security = "starttls" // mandatory upgrade, port 143 (RFC 3501 6.2.1)
)

// Config describes one mailbox. Host, Security, Username, Password or Token,
// and Dial are required.
type Config struct {
	Host     string
	Port     uint16 // 0: 993 or 143
	Security Security
	Username string
	Password vault.Secret
	// Token gives the access token of a mailbox that takes no password, never one
	// equal to stale; it is asked at each login, and once more where the server
	// refuses what it gave. nil: Password does.
	Token   func(ctx context.Context, stale vault.Secret) (vault.Secret, error)
	Folders []string // in UTF-8; nil: INBOX
	// Since leaves out what the server received earlier; zero: nothing.
	Since time.Time
	// ReadOnly opens folders with EXAMINE: nothing can be deleted or flagged.
	ReadOnly bool
	// Flagged lists messages flagged \Deleted as well (mail.Ref.Deleted), where
	// the server can expunge single ones. Without it they are left out.
	Flagged bool
	// Keep lets the first healthy Source that is closed leave its connection in
	// the Dialer, for Park, instead of logging out.
	Keep bool
	// Look is after how long Parked.Wait asks for a look although it saw
	// nothing; 0: 15 to 30 minutes. With several folders it is the time between
	// polls: a connection waits for mail in one folder only, the first.
	Look time.Duration
	Dial *dial.Dialer
}

// Dialer opens Sources of one mailbox. It may be used by many goroutines.
type Dialer struct {
	cfg Config

	mu    sync.Mutex
	kept  *resting // left by a Source, for Park
	next  *resting // given back by Resume, for Open
	shown snapshot // the first folder as it was last listed
}

// New makes a Dialer. What is wrong with the configuration is told by Open,
// where every other error about the mailbox is told too.
func New(cfg Config) *Dialer {
	if cfg.Port == 0 {
		cfg.Port = 993
		if cfg.Security == STARTTLS {
			cfg.Port = 143
		}
	}
	cfg.Security = cmp.Or(cfg.Security, TLS)
	cfg.Folders = folders(cfg.Folders)
	return &Dialer{cfg: cfg}
}

// folders gives the names without repetitions, INBOX spelled as the RFC has
// it (RFC 3501 5.1: that one name is case-insensitive). The spelling is part
// of a message's identity.
func folders(names []string) (out []string) {
	for _, name := range names {
		if strings.EqualFold(name, "INBOX") {
			name = "INBOX"
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if out == nil {
		return []string{"INBOX"}
	}
	return out
}

// check finds what must never reach the wire.
func (c Config) check() *mail.Fault {
	if c.Security != TLS && c.Security != STARTTLS {
		return &mail.Fault{Class: mail.Setup, Code: "tls_required",
			Text: "the mailbox is configured without TLS", Help: `set its security to "tls" or "starttls"`}
	}
	if c.Username == "" {
		return &mail.Fault{Class: mail.Setup, Code: "username_required",
			Text: "the mailbox has no user name", Help: "most providers want the whole e-mail address"}
	}
	if c.Password.Empty() && c.Token == nil {
		return &mail.Fault{Class: mail.Login, Code: "password_required",
			Text: "the mailbox has no password", Help: "enter it again"}
	}
	for _, f := range []struct{ what, value string }{
		{"user name", c.Username}, {"password", c.Password.RevealString()},
	} {
		if hasControl(f.value) {
			return &mail.Fault{Class: mail.Setup, Code: "control_character",
				Text: fmt.Sprintf("the %s contains a control character", f.what), Help: "enter it again without line breaks or tabs"}
		}
	}
	for _, name := range c.Folders {
		if name == "" || hasControl(name) || !utf8.ValidString(name) {
			return &mail.Fault{Class: mail.Setup, Code: "folder_invalid",
				Text: fmt.Sprintf("%q cannot be the name of a folder", name), Help: "choose the folder from the list again"}
		}
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

func hasControl(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) >= 0
}

// Open connects, secures, logs in and gives the session; or gives one on the
// connection that Resume, or a Source closed a moment ago, has left.
func (d *Dialer) Open(ctx context.Context) (*Source, error) {
	if f := d.cfg.check(); f != nil {
		return nil, f
	}
	if r := d.take(); r != nil {
		return d.reopen(ctx, r)
	}
	return d.open(ctx)
}
