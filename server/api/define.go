package api

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Hosts says which hosts a mailbox may be on. Nothing is looked up.
type Hosts interface {
	// CheckHost gives the host as it is dialled: a lower-case name in A-labels,
	// or an address that may be spoken to. Anything else is a *mail.Fault.
	CheckHost(host string) (string, error)
	// Ports are the ports that a mailbox may use.
	Ports() []uint16
}

// What a mailbox may be polled at.
const (
	MinPoll = time.Minute
	MaxPoll = 24 * time.Hour
)

// Check gives the mailbox that n defines, or all that is wrong with it.
func (n MailboxNew) Check(hosts Hosts) (account.Mailbox, error) {
	var f faults
	switch {
	case n.Provider != "" && n.Password != "":
		f.add("provider", "provider_unexpected", "a mailbox has a password or a provider's sign-in", "leave one of them out")
	case n.Provider != "":
		f.text("provider", n.Provider, 40)
	case f.required("password", n.Password, "many providers want an app password here"):
		f.password(n.Password)
	}
	m := f.define(n, hosts)
	m.Password, m.Consent.Provider = vault.NewSecret(n.Password), n.Provider
	return m, Invalid(f...)
}

// Check gives the mailbox that n leads to. Without a history there is none to
// be wrong.
func (n MailboxTry) Check(hosts Hosts) (account.Mailbox, error) {
	return MailboxNew{Definition: n.Definition, History: cmp.Or(n.History, "new"), Since: n.Since}.Check(hosts)
}

// Check gives the mailbox that p makes of m. It has neither password nor
// consent where they stay.
func (p MailboxPatch) Check(m account.Mailbox, hosts Hosts) (account.Mailbox, error) {
	n := MailboxNew{History: m.History, Definition: Definition{Name: m.Name, Protocol: m.Protocol, Host: m.Host, Port: new(Port(m.Port)),
		Security: m.Security, Username: m.Username, Folders: folders(m.Folders), Label: m.Label, Archive: m.Archive,
		AfterImport: m.AfterImport, NewestFirst: m.NewestFirst, Authserv: m.Authserv}}
	if m.History == "since" {
		n.Since = m.Since.UTC().Format(time.RFC3339)
	}
	p.onto(&n)
	polled := p.PollEvery == nil || time.Duration(*p.PollEvery) == m.PollEvery
	if polled { // what stays is not judged: an operator or an import may have set what no user may
		n.PollEvery = nil
	}
	var f faults
	if p.Password != nil && f.required("password", *p.Password, "") {
		f.password(*p.Password)
	}
	next := f.define(n, hosts)
	next.ID, next.Created = m.ID, m.Created
	f.same(m.Identity(), next.Identity())
	if polled {
		next.PollEvery = m.PollEvery
	}
	if p.Password != nil {
		next.Password = vault.NewSecret(*p.Password)
	}
	return next, Invalid(f...)
}

// same names what would make another maildrop of a mailbox.
func (f *faults) same(was, is account.Identity) {
	for _, part := range []struct {
		field string
		same  bool
	}{
		{"protocol", was.Protocol == is.Protocol}, {"host", was.Host == is.Host},
		{"port", was.Service == is.Service}, {"username", was.Username == is.Username},
	} {
		if !part.same && len(*f) == 0 {
			f.fault(part.field, account.ErrIdentity)
		}
	}
}

// onto puts what p has over n.
func (p MailboxPatch) onto(n *MailboxNew) {
	over(&n.Name, p.Name)
	over(&n.Protocol, p.Protocol)
	over(&n.Host, p.Host)
	over(&n.Security, p.Security)
	over(&n.Username, p.Username)
	over(&n.Folders, p.Folders)
	over(&n.Label, p.Label)
	over(&n.Archive, p.Archive)
	over(&n.AfterImport, p.AfterImport)
	over(&n.NewestFirst, p.NewestFirst)
	over(&n.Authserv, p.Authserv)
	if p.History != nil && *p.History != n.History {
		n.History, n.Since = *p.History, ""
	}
	over(&n.Since, p.Since)
	if p.Port != nil {
		n.Port = p.Port
	}
	if p.PollEvery != nil {
		n.PollEvery = p.PollEvery
		if *p.PollEvery == 0 {
			n.PollEvery = nil
		}
	}
}

func over[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// password: POP3 cannot express these three octets, and 1,024 octets are more
// than any server takes.
func (f *faults) password(p string) {
	if strings.ContainsAny(p, "\r\n\x00") {
		f.add("password", "control_character", "there is a line break in it", "type it anew instead of pasting it")
	}
	if len(p) > 1024 {
		f.add("password", "too_long", "it is longer than 1024 octets", "")
	}
}

// define checks all but the password.
func (f *faults) define(n MailboxNew, hosts Hosts) account.Mailbox {
	m := account.Mailbox{Protocol: n.Protocol, Username: n.Username, Archive: n.Archive, NewestFirst: n.NewestFirst,
		Label: n.Label, History: n.History}
	if f.required("protocol", n.Protocol, "pop3 or imap") {
		f.oneOf("protocol", n.Protocol, "pop3", "imap")
	}
	m.Security = f.security(n.Security)
	m.Host, m.Port = f.address(n, m.Security, hosts)
	if f.required("username", n.Username, "often the whole address") {
		f.text("username", n.Username, 320)
	}
	m.Name = strings.TrimSpace(n.Name)
	f.text("name", m.Name, 100)
	if m.Name == "" {
		m.Name = n.Username
	}
	m.Folders = f.folders(n)
	f.label("label", n.Label)
	m.AfterImport = n.AfterImport
	if m.AfterImport == "" {
		m.AfterImport = "leave"
	}
	after, err := account.ParseAfter(m.AfterImport)
	if err == nil {
		err = after.Fits(n.Protocol, m.Folders)
	}
	if err != nil {
		f.fault("after_import", err)
	}
	m.Since = f.history(n.History, n.Since)
	m.Authserv = f.authserv(n.Authserv)
	if n.PollEvery != nil {
		m.PollEvery = time.Duration(*n.PollEvery)
		f.within("poll_every", *n.PollEvery, MinPoll, MaxPoll)
	}
	return m
}

// maxAuthserv is how many servers may be trusted: a provider has one, or a few.
const maxAuthserv = 10

// authserv checks the names of servers that are trusted. A name is what stands
// before the first semicolon (RFC 8601 s2.2): mostly a domain, always one word.
func (f *faults) authserv(names []string) (out []string) {
	if len(names) > maxAuthserv {
		f.add("authserv", "too_many", fmt.Sprintf("there are more than %d names", maxAuthserv), "name your provider's servers alone")
		return nil
	}
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if !authservName.MatchString(name) {
			f.add("authserv["+strconv.Itoa(i)+"]", "authserv_invalid", "this is not the name of a server",
				"write what stands before the first semicolon of Authentication-Results in mail of this mailbox")
		} else if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

var authservName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,252}$`)

func (f *faults) security(s string) string {
	switch s {
	case "", "tls":
		return "tls"
	case "starttls":
	case "none", "plain", "off":
		f.add("security", "tls_required", "a connection without TLS would show the password to the network", "choose tls or starttls")
	default:
		f.oneOf("security", s, "tls", "starttls")
	}
	return s
}

// address checks host and port, which may come as host:port.
func (f *faults) address(n MailboxNew, security string, hosts Hosts) (string, int) {
	host, given := strings.TrimSpace(n.Host), 0
	if name, port, ok := split(host); ok {
		host, given = name, port
	}
	if !f.required("host", host, "like imap.example.com") {
		return "", 0
	}
	f.clean("host", host)
	if strings.Contains(host, "://") || strings.ContainsAny(host, `/@`) {
		f.add("host", "host_is_not_url", "this is an address of another kind", "give the bare name, like imap.example.com")
		return "", 0
	}
	host, err := hosts.CheckHost(host)
	if e, ok := mail.AsFault(err); ok && e.Code == "address_forbidden" {
		f.add("host", "host_not_public", e.Text, e.Help)
	} else if err != nil {
		f.fault("host", err)
	}
	port := given
	switch {
	case n.Port == nil && given == 0:
		port = standard(n.Protocol, security)
	case n.Port != nil && given != 0 && int(*n.Port) != given:
		f.add("port", "port_conflict", "the host names another port", "leave one of the two out")
	case n.Port != nil:
		port = int(*n.Port)
	}
	if port < 1 || port > 65535 || !slices.Contains(hosts.Ports(), uint16(port)) {
		f.add("port", "port_not_allowed", "mail is not fetched from this port", "use one of "+list(hosts.Ports()))
	}
	return host, port
}

// split takes name:port apart. An IPv6 address has brackets before its port.
func split(host string) (string, int, bool) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.Contains(host, "://") {
		return "", 0, false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", 0, false
	}
	port, err := strconv.ParseUint(host[i+1:], 10, 16)
	return host[:i], int(port), err == nil
}

// standard is RFC 8314's port, or the older one for STARTTLS.
func standard(protocol, security string) int {
	switch {
	case protocol == "pop3" && security == "starttls":
		return 110
	case protocol == "pop3":
		return 995
	case security == "starttls":
		return 143
	}
	return 993
}

func list(ports []uint16) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]")
}

func (f *faults) folders(n MailboxNew) (out []account.Folder) {
	if len(n.Folders) > 0 && n.Protocol == "pop3" {
		f.add("folders", "needs_imap", "POP3 has no folders", "leave the folders out")
	}
	if len(n.Folders) > 100 {
		f.add("folders", "too_many", "there are more than 100 folders", "")
		return nil
	}
	seen := map[string]bool{}
	for i, d := range n.Folders {
		field := "folders[" + strconv.Itoa(i) + "]"
		if d.Name == "" {
			f.add(field+".name", "name_required", "this is required", "")
		}
		f.text(field+".name", d.Name, 255)
		f.label(field+".label", d.Label)
		if seen[d.Name] {
			f.add(field+".name", "folder_twice", "the folder is there twice", "")
		}
		seen[d.Name] = true
		out = append(out, account.Folder(d))
	}
	return out
}

func folders(in []account.Folder) []Folder {
	out := make([]Folder, len(in))
	for i, d := range in {
		out[i] = Folder(d)
	}
	return out
}

// Check gives the history that is asked about.
func (n EstimateNew) Check() (since time.Time, err error) {
	var f faults
	since = f.history(n.History, n.Since)
	return since, Invalid(f...)
}
