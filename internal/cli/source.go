package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// schemes of --source.
var schemes = map[string]struct {
	protocol, security string
	port               int
}{
	"imaps": {"imap", "tls", 993},
	"imap":  {"imap", "starttls", 143},
	"pop3s": {"pop3", "tls", 995},
	"pop3":  {"pop3", "starttls", 110},
}

// parseSource reads imaps://user@host:993 and its like.
func parseSource(s string) (account.Mailbox, error) {
	bad := func(what, cure string) (account.Mailbox, error) {
		return account.Mailbox{}, usageError{fmt.Errorf("--source: %s: %s", what, cure)}
	}
	const example = "write imaps://user@host:993, imap://… (STARTTLS), pop3s://… or pop3://… (STLS)"
	u, err := url.Parse(s)
	if err != nil {
		return bad("not an address of a mailbox", example) // err would quote it
	}
	scheme, ok := schemes[u.Scheme]
	switch _, hasPassword := u.User.Password(); {
	case !ok:
		return bad("unknown protocol", example)
	case hasPassword:
		return bad("has a password in it", "put the password into a file and name it with --password-file")
	case u.User.Username() == "":
		return bad("has no user name", example)
	case u.Hostname() == "":
		return bad("has no host", example)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return bad("has something after the host", "name folders with --folder")
	}
	port := scheme.port
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return bad("port "+p+" is not a port", "write a number from 1 to 65535")
		}
		port = int(n)
	}
	host, err := dial.CheckHost(u.Hostname())
	if err != nil {
		return account.Mailbox{}, err
	}
	return account.Mailbox{
		Name: host, Protocol: scheme.protocol, Host: host, Port: port,
		Security: scheme.security, Username: u.User.Username(),
	}, nil
}

// readSecret reads a file with one secret in it; a line end at its end is not
// part of it.
func readSecret(flag, path string) (vault.Secret, error) {
	b, err := readLimited(path)
	if err != nil {
		return vault.Secret{}, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return vault.Secret{}, usageError{fmt.Errorf("%s: %s is empty: write the secret into it", flag, path)}
	}
	return vault.NewSecret(s), nil
}

// readLimited reads a file, or a pipe such as a password manager's, of at most
// 64 KiB.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 64 << 10
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s has more than 64 KiB: it must hold the secret and nothing else", path)
	}
	return b, err
}

// opener gives access tokens to a mailbox that is opened with them; nil: its
// password does.
type opener func(ctx context.Context, stale vault.Secret) (vault.Secret, error)

// opens gives the opener of a user's mailbox.
func (p *parts) opens(user id.User, m account.Mailbox) opener {
	if m.Consent.Provider == "" {
		return nil
	}
	return func(ctx context.Context, stale vault.Secret) (vault.Secret, error) {
		return p.tokens.Token(ctx, user, m.ID, m.Consent, stale)
	}
}

// dialer makes the bridge's way into a mailbox.
func dialer(m account.Mailbox, token opener, out *dial.Dialer) bridge.Dialer {
	if m.Protocol == "pop3" {
		return pop3Dialer{pop3.New(pop3.Config{
			Host: m.Host, Port: uint16(m.Port), Security: m.Security,
			Username: m.Username, Password: m.Password, Token: token, Dial: out,
		})}
	}
	return imapDialer{imap.New(imapConfig(m, token, out))}
}

func imapConfig(m account.Mailbox, token opener, out *dial.Dialer) imap.Config {
	return imap.Config{
		Host: m.Host, Port: uint16(m.Port), Security: imap.Security(m.Security),
		Username: m.Username, Password: m.Password, Token: token, Folders: folderNames(m),
		Since: since(m), ReadOnly: m.AfterImport == string(bridge.Leave), Flagged: removes(m), Dial: out,
	}
}

// removes reports a source policy that takes messages away: one of before a
// crash may be flagged and still there.
func removes(m account.Mailbox) bool {
	a := after(m)
	return a.Do == "delete" || a.Do == "move"
}

// after is the source policy. It was checked when it was chosen; should it say
// something else, nothing is done.
func after(m account.Mailbox) account.After {
	a, err := account.ParseAfter(m.AfterImport)
	if err != nil {
		return account.After{Do: "leave"}
	}
	return a
}

// folderNames gives the folders as the source will list them: INBOX is spelt
// in any case (RFC 9051 5.1), every other name as it is, each once.
func folderNames(m account.Mailbox) []string {
	if m.Protocol == "pop3" {
		return nil
	}
	var names []string
	for _, f := range m.Folders {
		if name := listed(f.Name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if names == nil {
		names = []string{"INBOX"}
	}
	return names
}

func listed(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// arrivals says where what is in a folder goes, by the names of folderNames.
func arrivals(m account.Mailbox) map[string]bridge.Arrival {
	out := map[string]bridge.Arrival{}
	for _, f := range m.Folders {
		if name := listed(f.Name); out[name] == (bridge.Arrival{}) {
			out[name] = bridge.Arrival{Label: f.Label, Archive: f.Archive, Spam: f.Spam}
		}
	}
	return out
}

// The sources do not know the bridge; these give their sessions its type.
type pop3Dialer struct{ *pop3.Dialer }

func (d pop3Dialer) Dial(ctx context.Context) (bridge.Source, error) {
	s, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

type imapDialer struct{ *imap.Dialer }

func (d imapDialer) Dial(ctx context.Context) (bridge.Source, error) {
	s, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}
