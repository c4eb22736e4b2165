package discover

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/dial"
)

// DNS is what of the name service is used; *net.Resolver is one.
type DNS interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
}

// services of RFC 6186 3, those inside TLS first (RFC 8314 5.1).
var services = []struct{ name, protocol, security string }{
	{"imaps", "imap", "tls"},
	{"pop3s", "pop3", "tls"},
	{"imap", "imap", "starttls"},
	{"pop3", "pop3", "starttls"},
}

// way is a protocol and how it is secured.
type way struct{ protocol, security string }

// maxRecords of one service are looked at.
const maxRecords = 4

// srv asks for the service records of a domain. denied are the ways that it says
// it does not offer: a target of "." (RFC 2782, RFC 6186 3.4).
func (f *Finder) srv(ctx context.Context, a address) (found []Candidate, denied map[way]bool) {
	answers := make([][]*net.SRV, len(services))
	all(len(services), func(i int) {
		_, answers[i], _ = f.dns.LookupSRV(ctx, services[i].name, "tcp", a.domain)
	})
	denied = map[way]bool{}
	for i, s := range services {
		for _, r := range answers[i][:min(len(answers[i]), maxRecords)] { // the resolver has put them in order
			if r.Target == "." || r.Target == "" {
				denied[way{s.protocol, s.security}] = true
				continue
			}
			found = append(found, Candidate{Protocol: s.protocol, Host: r.Target, Port: int(r.Port), Security: s.security,
				Username: a.String(), Auth: "password", Source: "srv"}) // RFC 6186 4: the whole address first
		}
	}
	return f.usable(ctx, found), denied
}

// mx asks who takes the mail of a domain, and whether the database knows them.
func (f *Finder) mx(ctx context.Context, a address) ([]Candidate, provider) {
	records, _ := f.dns.LookupMX(ctx, a.domain) // some may be there beside an error
	if len(records) == 0 {
		return nil, provider{}
	}
	first := slices.MinFunc(records, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	host, err := dial.CheckHost(strings.ToLower(first.Host))
	if err != nil { // "." among them: no mail at all (RFC 7505)
		return nil, provider{}
	}
	p, ok := lookUpHost(host)
	if !ok {
		return nil, provider{}
	}
	var theirs, own []Candidate
	for _, c := range p.candidates(a, "mx") {
		if strings.HasSuffix(c.Host, a.domain) { // the database says so of some: then the domain's owner chose the address
			own = append(own, c)
		} else {
			theirs = append(theirs, c)
		}
	}
	return append(theirs, f.usable(ctx, own)...), p
}
