package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A record is a test as it goes on. Stages begin and end in the goroutine of the
// test.
type record struct {
	host  string
	tell  func(Step)
	floor time.Duration

	start time.Time
	stage string    // under way; "": none yet
	since time.Time // it is
	steps []Step
	tls   *TLS
	note  string // for the detail of the stage under way

	mu  sync.Mutex
	dns time.Duration // what looking the name up took; the resolver's goroutines write it
	has bool          // the name has addresses
}

func newRecord(host string, floor time.Duration, tell func(Step)) *record {
	if tell == nil {
		tell = func(Step) {}
	}
	_, err := netip.ParseAddr(host)
	return &record{host: host, tell: tell, floor: floor, start: time.Now(), steps: []Step{}, has: err == nil}
}

// trace lets the record see the lookup that is part of connecting.
func (r *record) trace(ctx context.Context) context.Context {
	var began time.Time
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			began = time.Now()
		},
		DNSDone: func(info httptrace.DNSDoneInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.dns, r.has = time.Since(began), info.Err == nil && len(info.Addrs) > 0
		},
	})
}

func (r *record) resolved() (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dns, r.has
}

// begin ends the stage before, which went well, and begins the next.
func (r *record) begin(stage string) {
	r.pass()
	r.stage, r.since = stage, time.Now()
}

// pass ends the stage that is under way: it went well.
func (r *record) pass() {
	if r.stage == "" {
		return
	}
	s := Step{Name: r.stage, OK: true, Detail: r.note}
	took := time.Since(r.since)
	switch r.stage {
	case "connect":
		dns, _ := r.resolved()
		r.add(Step{Name: "dns", OK: true}, dns)
		took -= dns
	case "tls":
		if s.TLS = r.tls; r.tls != nil {
			s.Detail = fmt.Sprintf("%s; the certificate is good for %d more days", r.tls.Version, r.tls.ExpiresDays)
		}
	}
	r.add(s, took)
	r.stage, r.note = "", ""
}

func (r *record) add(s Step, took time.Duration) {
	s.MS = max(took, 0).Milliseconds()
	r.steps = append(r.steps, s)
	r.tell(s)
}

// fail ends the test with the stage that is under way. A failure before the
// login is told late, so that its time says nothing. A step that has a name
// already was part of the stage.
func (r *record) fail(ctx context.Context, s Step) {
	if r.early() {
		r.wait(ctx)
	}
	took := time.Since(r.since)
	if dns, ok := r.resolved(); r.stage == "connect" && s.Name == "" {
		if ok {
			r.add(Step{Name: "dns", OK: true}, dns)
			took -= dns
		} else {
			s.Name = "dns"
		}
	}
	s.Name = cmp.Or(s.Name, r.stage)
	r.add(s, took)
}

// early reports whether the stage is one of those that a port scanner would use.
func (r *record) early() bool { return r.stage != "login" && r.stage != "list" }

func (r *record) wait(ctx context.Context) {
	if r.floor <= 0 {
		return
	}
	t := time.NewTimer(time.Until(r.start.Add(r.floor + rand.N(r.floor/2+1))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// secured notes what TLS came to. The chain was verified: its names are those
// that authorities have signed.
func (r *record) secured(state tls.ConnectionState) {
	r.tls = &TLS{Version: tls.VersionName(state.Version), Name: r.host, Chain: []string{}}
	if len(state.VerifiedChains) == 0 {
		return
	}
	chain := state.VerifiedChains[0]
	r.tls.ExpiresDays = int(math.Floor(time.Until(chain[0].NotAfter).Hours() / 24))
	for _, c := range chain {
		r.tls.Chain = append(r.tls.Chain, commonName(c))
	}
}

// commonName gives a certificate's name for people: short, in printable ASCII.
func commonName(c *x509.Certificate) string {
	name := c.Subject.CommonName
	if name == "" && len(c.Subject.Organization) > 0 {
		name = c.Subject.Organization[0]
	}
	if name == "" && len(c.DNSNames) > 0 {
		name = c.DNSNames[0]
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, name)
	return name[:min(len(name), 64)]
}
