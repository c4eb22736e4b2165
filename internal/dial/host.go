package dial

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// CheckHost gives the host as it is dialled and verified: an IP address or a
// lower-case name in A-labels. Anything else is a Fault of class Setup.
func CheckHost(host string) (string, error) {
	if host == "" {
		return "", badHost("the mail host is empty", "give its name, like imap.example.com")
	}
	if strings.Contains(host, "://") || strings.ContainsAny(host, `/\@?#`) {
		return "", badHost("the mail host is not a host name", "give the bare name without scheme, user or path, like imap.example.com")
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return "", badHost("the mail host is an address with a zone", "give a name or a public address")
		}
		return a.String(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if !isASCII(name) {
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", badHost("the mail host is not a valid international name", "check the spelling")
		}
		// Full-width digits map to plain ones.
		if a, err := netip.ParseAddr(name); err == nil {
			return a.String(), nil
		}
	}
	if !validName(name) {
		return "", badHost("the mail host is not a valid name", "check the spelling, like imap.example.com")
	}
	return name, nil
}

func badHost(text, help string) error {
	return &mail.Fault{Class: mail.Setup, Code: "host_invalid", Text: text, Help: help}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// validName accepts letters, digits, hyphen and underscore in labels, and no
// name that ends in a number: no such top-level domain exists, but "127.1",
// "2130706433" and "0x7f000001" are addresses to some resolvers.
func validName(name string) bool {
	if len(name) > 253 {
		return false
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return !isNumber(labels[len(labels)-1])
}

func isNumber(label string) bool {
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(label, "0x")
	if !ok {
		return false
	}
	_, err := strconv.ParseUint(hex, 16, 64)
	return hex == "" || err == nil || strings.Trim(hex, "0123456789abcdef") == ""
}

// CheckHost gives the host as d dials it, or the Fault for one that is no name
// and no address that d may speak to. What a name resolves to is judged when it
// is dialled.
func (d *Dialer) CheckHost(host string) (string, error) {
	name, err := CheckHost(host)
	if err != nil {
		return "", err
	}
	if a, err := netip.ParseAddr(name); err == nil {
		if err := d.policy.checkAddr(a); err != nil {
			return "", err
		}
	}
	return name, nil
}

// Ports are those that d may speak to.
func (d *Dialer) Ports() []uint16 {
	if d.policy.Ports == nil {
		return slices.Clone(MailPorts)
	}
	return slices.Clone(d.policy.Ports)
}
