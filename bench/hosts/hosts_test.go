package hosts

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func client(t *testing.T) Client {
	t.Helper()
	s := newServer()
	h := httptest.NewServer(s.routes())
	t.Cleanup(func() {
		h.Close()
		for _, f := range s.all() {
			f.close()
		}
	})
	return Client{URL: h.URL}
}

// list logs into the i-th mailbox and counts its messages.
func list(t *testing.T, c Client, p Placed, i int) (n int, err error) {
	t.Helper()
	pem, err := c.CA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	port := uint16(p.Port(i))
	out := dial.New(dial.Options{Roots: roots, Policy: dial.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Ports: []uint16{port}}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	secret := vault.NewSecret(Password)
	if p.Protocol == "pop3" {
		s, err := pop3.New(pop3.Config{Host: "127.0.0.1", Port: port, Security: pop3.TLS, Username: p.Username(i), Password: secret, Dial: out}).Open(ctx)
		if err != nil {
			return 0, err
		}
		for _, err := range s.List(ctx) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, s.Close(ctx)
	}
	s, err := imap.New(imap.Config{Host: "127.0.0.1", Port: port, Security: imap.TLS, Username: p.Username(i), Password: secret, Dial: out}).Open(ctx)
	if err != nil {
		return 0, err
	}
	for _, err := range s.List(ctx) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, s.Close(ctx)
}

func TestMailLiesWhereItWasDelivered(t *testing.T) {
	t.Parallel()
	c := client(t)
	placed, err := c.Place(t.Context(), []Fleet{
		{Name: "p", Protocol: "pop3", Mailboxes: 5, PerHost: 2, PerUser: 2, Backlog: 3},
		{Name: "i", Protocol: "imap", Mailboxes: 3, PerHost: 2, Backlog: 1, Size: 2048},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(placed[0].Ports) != 3 || placed[0].Users() != 3 || placed[0].User(4) != 2 {
		t.Errorf("%d ports, %d users", len(placed[0].Ports), placed[0].Users())
	}
	if err := c.Drop(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	for _, p := range placed {
		want := map[string]int{"p": 3, "i": 2}[p.Name]
		for i := range p.Mailboxes {
			if n, err := list(t, c, p, i); err != nil || n != want {
				t.Errorf("%s, mailbox %d: %d messages, %v; want %d", p.Name, i, n, err, want)
			}
		}
	}
	all, err := c.Deliveries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, d := range all {
		names[d.SHA256] = true
	}
	if want := 5*3 + 3*2; len(all) != want || len(names) != want {
		t.Errorf("%d deliveries with %d hashes, want %d: a hash is the name of a message", len(all), len(names), want)
	}
	seen, err := c.Seen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := seen["p"]; s.Polls != 5 || s.Boxes != 5 || s.Accepted != 5 {
		t.Errorf("the POP3 servers have seen %+v, want 5 polls of 5 mailboxes", s)
	}
}

func TestTheLoopDeliversAtItsRateAndNotesTheIntendedTime(t *testing.T) {
	t.Parallel()
	c := client(t)
	if _, err := c.Place(t.Context(), []Fleet{{Name: "p", Protocol: "pop3", Mailboxes: 4, Rate: 200}}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := c.Offer(t.Context(), time.Second, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Offer(t.Context(), time.Second, 1); err == nil {
		t.Error("two loads ran at once")
	}
	for {
		s, err := c.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !s.Running {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	all, err := c.Deliveries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := float64(len(all)); math.Abs(n-200) > 60 {
		t.Errorf("%v messages at 200 a second for a second", n)
	}
	boxes := map[int]bool{}
	for _, d := range all {
		boxes[d.Box] = true
		if at := d.Intended.Sub(start); at < 0 || at > 1100*time.Millisecond {
			t.Errorf("intended %s after the start", at)
		}
	}
	if len(boxes) != 4 {
		t.Errorf("mail came to %d of 4 mailboxes", len(boxes))
	}
}

func TestBadServersBehaveAsTheyAreTold(t *testing.T) {
	t.Parallel()
	for _, name := range Behaviours() {
		protocol := "pop3"
		if name == "literal" || name == "drip" {
			protocol = "imap"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t)
			placed, err := c.Place(t.Context(), []Fleet{{Name: "bad", Protocol: protocol, Mailboxes: 1, Behaves: name}})
			if err != nil {
				t.Fatal(err)
			}
			if name == "silent" || name == "drip" || name == "slow" { // patience is the product's matter: it is enough that they are there
				conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(placed[0].Port(0)))
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.Close()
				return
			}
			_, err = list(t, c, placed[0], 0)
			if good := name == "login-delay"; good != (err == nil) {
				t.Errorf("a poll ended with %v", err)
			}
		})
	}
}

func TestFleetsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	good := Fleet{Name: "a", Protocol: "pop3", Mailboxes: 10, Rate: 5, Backlog: 20}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, text := range []string{
		`{"protocol":"pop3","mailboxes":1}`, `{"name":"a","protocol":"smtp","mailboxes":1}`, `{"name":"a","protocol":"pop3"}`,
		`{"name":"a","protocol":"pop3","mailboxes":1,"rate":-1}`, `{"name":"a","protocol":"pop3","mailboxes":1,"size":10}`,
		`{"name":"a","protocol":"pop3","mailboxes":1,"size":50000000}`, `{"name":"a","protocol":"pop3","mailboxes":1,"behaves":"odd"}`,
	} {
		var f Fleet
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		if f.Check() == nil {
			t.Errorf("%s was taken", text)
		}
	}
	small := good.Scaled(0.01)
	if small.Mailboxes != 1 || small.Rate != 0.05 || small.Backlog != 20 {
		t.Errorf("scaled to %+v", small)
	}
	if big := (Fleet{Backlog: 100000, Mailboxes: 1}).Scaled(0.1); big.Backlog != 10000 || big.Mailboxes != 1 {
		t.Errorf("scaled to %+v", big)
	}
}

func TestPollsKnowTheGaps(t *testing.T) {
	t.Parallel()
	p := newPolls(2)
	start := time.Now()
	for i := range 5 {
		p.note(0, start.Add(time.Duration(i)*10*time.Second))
	}
	p.note(1, start)
	var s Seen
	p.report(&s)
	if s.Polls != 6 || s.Boxes != 2 || fmt.Sprintf("%.0f", s.Gaps[2]) != "10" {
		t.Errorf("%+v", s)
	}
	p.forget()
	p.note(0, start.Add(100*time.Second))
	s = Seen{}
	p.report(&s)
	if s.Polls != 1 || s.Boxes != 1 || fmt.Sprintf("%.0f", s.Gaps[2]) != "60" {
		t.Errorf("after forget: %+v", s)
	}
}
