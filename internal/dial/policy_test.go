package dial

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestForbiddenAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ addr, why string }{
		{"0.0.0.0", "this host"}, {"0.1.2.3", "this network"},
		{"10.0.0.1", "private"}, {"172.16.0.1", "private"}, {"172.31.255.255", "private"}, {"192.168.1.1", "private"},
		{"100.64.0.1", "carrier-grade NAT"}, {"100.127.255.254", "carrier-grade NAT"},
		{"127.0.0.1", "loopback"}, {"127.255.255.255", "loopback"},
		{"169.254.0.1", "link-local"}, {"169.254.169.254", "metadata"},
		{"168.63.129.16", "Azure's wire server"}, {"100.100.100.200", "Alibaba metadata"},
		{"192.0.0.8", "protocol assignments"}, {"192.0.2.1", "documentation"}, {"198.51.100.1", "documentation"},
		{"203.0.113.1", "documentation"}, {"198.18.0.1", "benchmarking"}, {"198.19.255.255", "benchmarking"},
		{"192.88.99.1", "6to4 relay"}, {"224.0.0.1", "multicast"}, {"239.255.255.250", "multicast"},
		{"240.0.0.1", "reserved"}, {"255.255.255.255", "broadcast"},
		{"::", "unspecified"}, {"::1", "loopback"}, {"::7f00:1", "IPv4-compatible"}, {"::808:808", "IPv4-compatible"},
		{"::ffff:127.0.0.1", "IPv4-mapped"}, {"::ffff:a9fe:a9fe", "IPv4-mapped metadata"}, {"::ffff:10.0.0.1", "IPv4-mapped"},
		{"fe80::1", "link-local"}, {"fe80::1%eth0", "zone"}, {"2606:4700::1%eth0", "zone on a public address"},
		{"fc00::1", "unique local"}, {"fdaa::3", "Fly's private network"}, {"fd00:ec2::254", "metadata"}, {"fec0::1", "site-local"},
		{"ff02::1", "multicast"}, {"100::1", "discard"}, {"5f00::1", "segment routing"},
		{"64:ff9b::7f00:1", "NAT64 of loopback"}, {"64:ff9b::a9fe:a9fe", "NAT64 of metadata"}, {"64:ff9b::10.1.2.3", "NAT64 of private"},
		{"64:ff9b:1::7f00:1", "local NAT64"}, {"64:ff9b:1::808:808", "local NAT64"},
		{"2002:7f00:1::1", "6to4 of loopback"}, {"2002:a9fe:a9fe::1", "6to4 of metadata"}, {"2002:808:808::1", "6to4"},
		{"2001::1", "Teredo"}, {"2001:0:a9fe:a9fe::1", "Teredo"}, {"2001:2::1", "benchmarking"}, {"2001:10::1", "ORCHID"}, {"2001:20::1", "ORCHIDv2"},
		{"2001:db8::1", "documentation"}, {"3fff::1", "documentation"}, {"3ffe::1", "6bone"},
	} {
		err := Policy{}.checkAddr(netip.MustParseAddr(c.addr))
		f, ok := mail.AsFault(err)
		if !ok || f.Code != "address_forbidden" || f.Class != mail.Setup {
			t.Errorf("%s (%s): got %v, want address_forbidden", c.addr, c.why, err)
			continue
		}
		if strings.Contains(f.Error(), c.addr) {
			t.Errorf("%s: the text tells what the name resolves to: %s", c.addr, f)
		}
	}
	if err := (Policy{}).checkAddr(netip.Addr{}); err == nil {
		t.Error("no address at all was allowed")
	}
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1b", "64:ff9b::8.8.8.8", "2001:4860::1"} {
		if err := (Policy{}).checkAddr(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestAllowListOpensRangesButNeverMetadata(t *testing.T) {
	t.Parallel()
	all := Policy{Allow: prefixes("0.0.0.0/0", "::/0")}
	for _, a := range []string{"127.0.0.1", "::1", "10.1.1.1", "fdaa::3", "::ffff:192.168.0.1", "64:ff9b::10.0.0.1", "169.254.1.1"} {
		if err := all.checkAddr(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s is not opened by the allow list: %v", a, err)
		}
	}
	for _, a := range []string{
		"169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16",
		"::a9fe:a9fe", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "2002:a9fe:a9fe::1",
		"2001:0:a9fe:a9fe::", "2001:0:808:808:0:0:5601:5601", "fe80::1%lo",
	} {
		if err := all.checkAddr(netip.MustParseAddr(a)); err == nil {
			t.Errorf("%s is opened by the allow list", a)
		}
	}
	lan := Policy{Allow: prefixes("192.168.0.0/16")}
	if err := lan.checkAddr(netip.MustParseAddr("10.0.0.1")); err == nil {
		t.Error("10.0.0.1 is opened by an allow list for 192.168.0.0/16")
	}
}

func TestPortsAreAllowListed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ports []uint16
		port  uint16
		ok    bool
	}{
		{nil, 110, true}, {nil, 143, true}, {nil, 993, true}, {nil, 995, true},
		{nil, 25, false}, {nil, 0, false}, {nil, 443, false}, {nil, 22, false}, {nil, 6379, false},
		{[]uint16{443}, 443, true}, {[]uint16{443}, 993, false}, {[]uint16{}, 993, false},
	} {
		err := Policy{Ports: c.ports}.checkPort(c.port)
		if f, _ := mail.AsFault(err); (err == nil) != c.ok || err != nil && f.Code != "port_forbidden" {
			t.Errorf("ports %v, port %d: %v, want ok=%v", c.ports, c.port, err, c.ok)
		}
	}
}
