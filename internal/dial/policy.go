package dial

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Policy says which addresses may be spoken to. The zero Policy allows the
// public Internet on the four mail ports.
type Policy struct {
	Allow []netip.Prefix // otherwise forbidden ranges that are allowed; metadata addresses never are
	Ports []uint16       // nil: 110, 143, 993, 995
}

// MailPorts are the ports a mailbox may use unless configured otherwise.
var MailPorts = []uint16{110, 143, 993, 995}

// checkPort gives the Fault for a port that is not allowed, or nil.
func (p Policy) checkPort(port uint16) error {
	ports := p.Ports
	if ports == nil {
		ports = MailPorts
	}
	if slices.Contains(ports, port) {
		return nil
	}
	return &mail.Fault{
		Class: mail.Setup, Code: "port_forbidden",
		Text: fmt.Sprintf("port %d is not allowed for a mailbox", port),
		Help: fmt.Sprintf("use one of %v, or let the operator extend SMTPSYNC_SOURCE_PORTS", ports),
	}
}

// checkAddr gives the Fault for an address that is not allowed, or nil. The
// address itself is not in the text: what a name resolves to inside our
// network is nobody's business.
func (p Policy) checkAddr(a netip.Addr) error {
	if p.allows(a) {
		return nil
	}
	return &mail.Fault{
		Class: mail.Setup, Code: "address_forbidden",
		Text: "the mail host has an address that is not on the public Internet",
		Help: "use the provider's public host name, or let the operator allow the range in SMTPSYNC_SOURCE_ALLOW_CIDRS",
	}
}

func (p Policy) allows(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || metadata(a) {
		return false
	}
	a = a.Unmap()
	for _, r := range p.Allow {
		if r.Contains(a) {
			return true
		}
	}
	if nat64.Contains(a) {
		// On networks without IPv4, DNS64 (RFC 6147) gives such addresses for ordinary hosts.
		return p.allows(tail(a))
	}
	if a.Is4() {
		return !in(a, special4)
	}
	return global6.Contains(a) && !in(a, special6)
}

// metadata reports whether a is, or carries inside itself, the address of a
// cloud's instance metadata service. Those hand out credentials to whoever
// asks, so no configuration opens them.
func metadata(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if slices.Contains(metadataAddrs, a) {
		return true
	}
	return slices.ContainsFunc(embedded(a), metadata)
}

// embedded gives the IPv4 addresses that a translating router may find in a.
func embedded(a netip.Addr) []netip.Addr {
	if a.Is4() {
		return nil
	}
	b := a.As16()
	v4 := func(w, x, y, z byte) netip.Addr { return netip.AddrFrom4([4]byte{w, x, y, z}) }
	switch {
	case nat64.Contains(a), compat.Contains(a):
		return []netip.Addr{tail(a)}
	case nat64local.Contains(a): // RFC 8215; RFC 6052 2.2 has the octets at 6, 7, 9, 10 or, with a /96, at the end
		return []netip.Addr{tail(a), v4(b[6], b[7], b[9], b[10])}
	case sixToFour.Contains(a): // RFC 3056 2
		return []netip.Addr{v4(b[2], b[3], b[4], b[5])}
	case teredo.Contains(a): // RFC 4380 4: server, and the client with its bits inverted
		return []netip.Addr{v4(b[4], b[5], b[6], b[7]), v4(^b[12], ^b[13], ^b[14], ^b[15])}
	}
	return nil
}

func tail(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

func in(a netip.Addr, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) })
}

var (
	global6    = netip.MustParsePrefix("2000::/3")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64local = netip.MustParsePrefix("64:ff9b:1::/48")
	compat     = netip.MustParsePrefix("::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")

	metadataAddrs = addrs(
		"169.254.169.254",                 // AWS, Google, Azure, most others
		"169.254.170.2", "169.254.170.23", // AWS container credentials
		"168.63.129.16",                 // Azure wire server: a public-looking address
		"100.100.100.200",               // Alibaba
		"192.0.0.192",                   // Oracle
		"fd00:ec2::254", "fd00:ec2::23", // AWS over IPv6
		"fd20:ce::254", // Google over IPv6
	)

	// IANA special-purpose registries (RFC 6890), and what is multicast or reserved.
	special4 = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4",
	)
	// Inside 2000::/3; everything outside it is refused as a whole: loopback,
	// link-local, unique local (Fly's fdaa::/16), multicast, IPv4-compatible.
	special6 = prefixes(
		"2001::/23",     // IETF protocol assignments: Teredo, benchmarking, ORCHID
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4, withdrawn by RFC 7526: no mail host lives there
		"3ffe::/16",     // 6bone, returned
		"3fff::/20",     // documentation (RFC 9637)
		"2620:4f:8000::/48",
	)
)

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func addrs(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}
