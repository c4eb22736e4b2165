package discover

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// address is what the user typed, in the two forms that are needed.
type address struct {
	local  string
	typed  string // the domain in lower case, as mail programs write it
	domain string // in A-labels, for the DNS and the database
}

// RFC 5321 4.5.3.1; 254 is what is left of a path of 256 without its brackets.
const (
	maxLocal   = 64
	maxAddress = 254
)

func parseAddress(s string) (address, error) {
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	switch {
	case s == "":
		return address{}, badAddress("the address is empty")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return address{}, badAddress("the address has a space or a control character in it")
	case at < 0:
		return address{}, badAddress("the address has no @")
	case at == 0 || at > maxLocal || strings.ContainsAny(s[:at], `@<>()[],;:\"`):
		return address{}, badAddress("the part of the address before the @ is not valid")
	case len(s) > maxAddress:
		return address{}, badAddress("the address is too long")
	}
	a := address{local: s[:at], typed: strings.TrimSuffix(strings.ToLower(s[at+1:]), ".")}
	domain, err := dial.CheckHost(a.typed)
	if _, number := netip.ParseAddr(domain); err != nil || number == nil || !strings.Contains(domain, ".") {
		return address{}, badAddress("the part of the address after the @ is not the name of a domain")
	}
	a.domain = domain
	return a, nil
}

func (a address) String() string { return a.local + "@" + a.typed }

// expand fills a user name's pattern in (autoconfig 1.1). What is no pattern,
// or has something in it that is not for a user name, is the whole address:
// most providers want that.
func (a address) expand(pattern string) string {
	name := a.fill(pattern)
	if name == pattern || strings.Contains(name, "%") && !strings.Contains(a.String(), "%") || len(name) > maxAddress ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return a.String()
	}
	return name
}

func (a address) fill(pattern string) string {
	return strings.NewReplacer("%EMAILADDRESS%", a.String(), "%EMAILLOCALPART%", a.local, "%EMAILDOMAIN%", a.typed).Replace(pattern)
}

func badAddress(text string) error {
	return &mail.Fault{Class: mail.Setup, Code: "address_invalid", Text: text, Help: "enter the e-mail address of the mailbox, like ann@example.com"}
}
