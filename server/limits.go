package server

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/limit"
)

// class is a kind of request that is counted by itself.
type class string

const (
	free    class = ""        // costs nothing: files, health
	reads   class = "read"    // by user
	writes  class = "write"   // by user
	streams class = "stream"  // by user: what holds a connection or walks all rows
	probes  class = "test"    // by user: what connects to a mail server
	signIns class = "sign-in" // by address: what talks to Google
	strange class = "address" // by address: who is not signed in
)

// rates are generous to a person and his scripts. The buckets are bounded:
// 100,000 of them take some 20 MB, and so many users or addresses in one minute
// are more than one process serves.
var rates = map[class]limit.Rate{
	reads:   {N: 1200, Per: time.Minute},
	writes:  {N: 600, Per: time.Minute},
	streams: {N: 60, Per: time.Minute},
	probes:  {N: 60, Per: time.Minute},
	signIns: {N: 30, Per: time.Minute},
	strange: {N: 300, Per: time.Minute},
}

const buckets = 100_000

func limiters() map[class]*limit.Limiter {
	all := map[class]*limit.Limiter{}
	for c, r := range rates {
		all[c] = limit.New(r, buckets)
	}
	return all
}

// limit counts a request: for its user, or for its address where there is none
// or where his authentication failed. It says what is left, in the fields of
// draft-ietf-httpapi-ratelimit-headers.
func (c *call) limit(failed error) error {
	kind := c.route.rate
	if kind == free {
		return nil
	}
	key := c.who.user.String()
	if !c.who.known() || failed != nil && c.who.token == nil && c.who.cookie.Empty() {
		key = c.s.address(c.Ctx)
		if kind != signIns {
			kind = strange
		}
	}
	l := c.s.limits[kind]
	v := l.Take(key)
	window := int(l.Rate().Per.Seconds())
	c.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", kind, l.Rate().N, window))
	c.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", kind, v.Left, seconds(v.Reset)))
	if v.OK {
		return nil
	}
	c.Set(fiber.HeaderRetryAfter, strconv.Itoa(seconds(v.After)))
	return &api.Error{Status: fiber.StatusTooManyRequests, Code: "too_many_requests",
		Detail: "these are too many requests", Help: "try again in " + strconv.Itoa(seconds(v.After)) + " s"}
}

// seconds rounds up: who comes back then is not too early.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// address gives what anonymous requests are counted by. Only proxies that the
// operator trusts are believed when they name another, each hop from the last
// backwards; what stands before the first untrusted one may be invented. A
// network of IPv6 counts as one: its owner has all the addresses in it.
func (s *Service) address(c *fiber.Ctx) string {
	remote, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	if !ok {
		return "unknown"
	}
	remote = remote.Unmap()
	// A proxy may write its own line below the client's (RFC 9110 5.3: one list).
	hops := strings.Split(string(bytes.Join(c.Request().Header.PeekAll(fiber.HeaderXForwardedFor), []byte(","))), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(remote); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		remote = next.Unmap().WithZone("")
	}
	if remote.Is6() {
		if p, err := remote.Prefix(64); err == nil {
			return p.String()
		}
	}
	return remote.String()
}

func (s *Service) trusted(a netip.Addr) bool {
	for _, p := range s.o.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
