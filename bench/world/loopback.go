package world

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// CheckTarget refuses an address (a URL) that leads anywhere but to this
// machine, unless own says that the user may put load on it. A name counts by
// all of its addresses.
func CheckTarget(ctx context.Context, target string, own bool) error {
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("%.80q is not the address of a host: write scheme://host:port", target)
	}
	if own {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	addrs, err := addresses(ctx, u.Hostname())
	if err != nil {
		return fmt.Errorf("%s: %w", u.Hostname(), err)
	}
	for _, a := range addrs {
		if !a.IsLoopback() {
			return fmt.Errorf("%s is not this machine (%s): a load test is an attack on whoever did not ask for it; if the host is yours, add --i-own-this-host", u.Hostname(), a)
		}
	}
	return nil
}

func addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("no address")
	}
	return addrs, err
}
