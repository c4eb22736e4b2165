package discover

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Budget is how long a search takes at most.
const Budget = 5 * time.Second

// Options of a Finder. What is left out is the real thing.
type Options struct {
	// Policy and Roots are those of the mail hosts; provider files are fetched
	// under the same, from port 443 alone.
	Policy dial.Policy
	Roots  *x509.CertPool

	DNS   DNS
	Web   Web
	Knock Knocker
}

// Finder finds the settings of mailboxes. It may be used by many goroutines.
type Finder struct {
	dns   DNS
	web   Web
	knock Knocker
}

// New makes a Finder that reaches mail hosts through d.
func New(d *dial.Dialer, o Options) *Finder {
	f := &Finder{dns: o.DNS, web: o.Web, knock: o.Knock}
	if f.dns == nil {
		f.dns = &net.Resolver{PreferGo: true}
	}
	if f.web == nil {
		policy := dial.Policy{Allow: o.Policy.Allow, Ports: []uint16{httpsPort}}
		f.web = newWeb(dial.New(dial.Options{Policy: policy, Roots: o.Roots, Timeout: Budget, Handshake: Budget}), httpsPort)
	}
	if f.knock == nil {
		f.knock = knocker{d}
	}
	return f
}

// Find gives the ways to reach the mailbox with this address, the best first;
// none if nobody knows one.
func (f *Finder) Find(ctx context.Context, typed string) ([]Candidate, error) {
	a, err := parseAddress(typed)
	if err != nil {
		return nil, err
	}
	p, known := lookUp(a.domain)
	if p.Closed != "" {
		return nil, closed(p)
	}
	found := p.candidates(a, "ispdb")
	if len(found) > 0 {
		return best(found), nil
	}
	found, host := f.search(ctx, a)
	switch {
	case ctx.Err() != nil:
		return nil, &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: context.Cause(ctx)}
	case len(found) > 0:
		return best(found), nil
	case host.Closed != "":
		return nil, closed(host)
	case known:
		return nil, &mail.Fault{Class: mail.Setup, Code: "no_encryption",
			Text: fmt.Sprintf("%s offers its mail without encryption only", p.Name),
			Help: "a password is never sent in clear text: ask the provider for IMAP or POP3 with TLS, or let it forward the mail"}
	}
	return nil, nil
}

// search asks everybody at once. The guess is given up as soon as the others
// have something.
func (f *Finder) search(ctx context.Context, a address) ([]Candidate, provider) {
	ctx, cancel := context.WithTimeout(ctx, Budget)
	defer cancel()
	var (
		srv, auto, mx, guess []Candidate
		denied               map[way]bool
		host                 provider
	)
	var known, guessed sync.WaitGroup
	giveUp, stop := context.WithCancel(ctx)
	guessed.Go(func() { guess = f.guess(giveUp, a) })
	known.Go(func() { srv, denied = f.srv(ctx, a) })
	known.Go(func() { auto = f.autoconfig(ctx, a) })
	known.Go(func() { mx, host = f.mx(ctx, a) })
	known.Wait()
	found := slices.Concat(srv, auto, mx)
	if len(found) > 0 || host.Closed != "" {
		stop()
		guessed.Wait()
		return found, host
	}
	guessed.Wait()
	stop()
	return slices.DeleteFunc(guess, func(c Candidate) bool { return denied[way{c.Protocol, c.Security}] }), host
}

func closed(p provider) error {
	return &mail.Fault{Class: mail.Setup, Code: "provider_closed", Text: p.Closed,
		Help: "let the provider forward new mail, or use its own export"}
}
