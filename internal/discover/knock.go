package discover

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Knocker tries whether a server can be reached, and with TLS whether it is who
// it should be. Nothing is said to it.
type Knocker interface {
	Knock(ctx context.Context, host string, port uint16, tls bool) error
}

// knocker goes through internal/dial.
type knocker struct{ dial *dial.Dialer }

// Knock implements Knocker.
func (k knocker) Knock(ctx context.Context, host string, port uint16, secure bool) error {
	conn, err := k.dial.Dial(ctx, host, port)
	if err != nil {
		return err
	}
	if secure {
		if conn, err = k.dial.TLS(ctx, conn, host); err != nil {
			return err
		}
	}
	return conn.Close()
}

// patience with a server that a domain names: whether it answers is not asked.
const patience = 2 * time.Second

// usable keeps of what a domain names the servers that a mailbox may have: with
// a proper name, on a mail port, and not where internal/dial refuses to go. One
// that is merely down today is kept.
func (f *Finder) usable(ctx context.Context, named []Candidate) []Candidate {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	keep := make([]bool, len(named))
	all(len(named), func(i int) {
		c := &named[i]
		host, err := dial.CheckHost(strings.ToLower(c.Host))
		if err != nil || c.Port < 1 || c.Port > 65535 {
			return
		}
		c.Host = host
		err = f.knock.Knock(ctx, c.Host, uint16(c.Port), false)
		fault, _ := mail.AsFault(err)
		keep[i] = fault == nil || !slices.Contains([]string{"address_forbidden", "port_forbidden", "dns", "host_invalid"}, fault.Code)
	})
	var out []Candidate
	for i, c := range named {
		if keep[i] {
			out = append(out, advised(c))
		}
	}
	return out
}

// guesses are the names that mail servers usually have below their domain.
var guesses = []struct {
	protocol, security, prefix string
	port                       uint16
}{
	{"imap", "tls", "imap.", 993},
	{"imap", "tls", "mail.", 993},
	{"imap", "tls", "", 993},
	{"pop3", "tls", "pop.", 995},
	{"pop3", "tls", "pop3.", 995},
	{"pop3", "tls", "mail.", 995},
	{"pop3", "tls", "", 995},
	{"imap", "starttls", "imap.", 143},
	{"imap", "starttls", "mail.", 143},
	{"pop3", "starttls", "pop.", 110},
	{"pop3", "starttls", "mail.", 110},
}

const guessHint = "These settings are a guess: a server answers under this name. The connection test tells whether it is yours."

// guess tries the usual names. With TLS the server must have a certificate for
// the name, so a guess is a good one; a bare open port is offered only where
// TLS answered for neither.
func (f *Finder) guess(ctx context.Context, a address) []Candidate {
	answers := make([]bool, len(guesses))
	all(len(guesses), func(i int) {
		g := guesses[i]
		answers[i] = f.knock.Knock(ctx, g.prefix+a.domain, g.port, g.security == "tls") == nil
	})
	secure := map[string]bool{}
	var out []Candidate
	for i, g := range guesses {
		if !answers[i] || g.security != "tls" && secure[g.protocol] {
			continue
		}
		secure[g.protocol] = secure[g.protocol] || g.security == "tls"
		out = append(out, Candidate{Protocol: g.protocol, Host: g.prefix + a.domain, Port: int(g.port), Security: g.security,
			Username: a.String(), Auth: "password", Source: "guess", Hint: guessHint})
	}
	return out
}

// all does n things at once and waits for them.
func all(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
