package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/server"
)

// listen opens an event stream and gives its lines; the channel closes with it.
func listen(t *testing.T, address, token, last string) (lines <-chan string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	out := make(chan string, 100)
	go func() {
		defer close(out)
		defer res.Body.Close()
		s := bufio.NewScanner(res.Body)
		for s.Scan() {
			out <- s.Text()
		}
	}()
	t.Cleanup(cancel)
	return out, cancel
}

// until reads lines up to one that begins with prefix, and gives that.
func until(t *testing.T, lines <-chan string, prefix string) string {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				t.Fatalf("the stream ended before %q", prefix)
			}
			if strings.HasPrefix(l, prefix) {
				return l
			}
		case <-limit:
			t.Fatalf("no %q", prefix)
		}
	}
}

func ended(t *testing.T, lines <-chan string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-lines:
			if !ok {
				return
			}
		case <-limit:
			t.Fatal("the stream does not end")
		}
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 1000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within ten seconds: %s", what)
}

func TestEventsComeAndGoOnAfterABreak(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := serve(t, w)
	user := w.User(t, "owner")
	box := id.New[id.Mailbox]()
	lines, leave := listen(t, address, w.Token(t, user), "")
	first := strings.TrimPrefix(until(t, lines, "id: "), "id: ")
	until(t, lines, "retry: ")
	w.Engine.Tell(actors.Change{User: user, Mailbox: box, Status: actors.Status{Phase: schedule.Syncing}})
	last := strings.TrimPrefix(until(t, lines, "id: "), "id: ")
	if got := until(t, lines, "data: "); !strings.Contains(got, box.String()) || !strings.Contains(got, "syncing") {
		t.Errorf("got %s", got)
	}
	leave()
	eventually(t, "the stream is left", func() bool {
		w.svc.Audited(user, audit.Entry{Mailbox: box, Domain: "a.example", Status: mail.Imported, Size: 7})
		return w.svc.Streams() == 0
	})
	lines, _ = listen(t, address, w.Token(t, user), last)
	if got := until(t, lines, "event: "); got != "event: audit" {
		t.Errorf("got %s", got)
	}
	if got := until(t, lines, "data: "); !strings.Contains(got, "a.example") {
		t.Errorf("got %s", got)
	}
	until(t, lines, "event: counters")
	lines, _ = listen(t, address, w.Token(t, user), first)
	if got := until(t, lines, "event: "); got != "event: mailbox" {
		t.Errorf("got %s", got)
	}
	lines, _ = listen(t, address, w.Token(t, user), "elsewhere-1")
	until(t, lines, "event: reset")
}

func TestATokenWithoutAuditGetsNoAuditEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := serve(t, w)
	user := w.User(t, "owner")
	lines, _ := listen(t, address, w.Token(t, user, "mailboxes:read"), "")
	until(t, lines, "retry: ")
	w.svc.Audited(user, audit.Entry{Domain: "a.example", Status: mail.Imported})
	time.Sleep(time.Second) // several ticks: the audit event is made before the next
	w.Engine.Tell(actors.Change{User: user})
	if got := until(t, lines, "event: "); got != "event: mailbox" {
		t.Errorf("got %s", got)
	}
}

func TestAStreamBeatsAndEndsWithItsToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.Heartbeat = 50 * time.Millisecond })
	address := serve(t, w)
	user := w.User(t, "owner")
	token := w.Token(t, user)
	lines, _ := listen(t, address, token, "")
	until(t, lines, ": beat")
	until(t, lines, ": beat")
	w.revoke(t, user)
	ended(t, lines)
}

// revoke ends all tokens of a user.
func (w *world) revoke(t *testing.T, user id.User) {
	t.Helper()
	all, err := w.Sessions.Tokens(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if err := w.Sessions.RevokeToken(t.Context(), user, k.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStreamWithoutAPauseEndsWithItsTokenToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.Heartbeat = time.Second })
	address := serve(t, w)
	user := w.User(t, "owner")
	lines, _ := listen(t, address, w.Token(t, user), "")
	until(t, lines, "retry: ")
	go func() { // events come four times a second
		for t.Context().Err() == nil {
			w.svc.Audited(user, audit.Entry{Domain: "a.example", Status: mail.Imported})
			time.Sleep(50 * time.Millisecond)
		}
	}()
	until(t, lines, "event: audit")
	w.revoke(t, user)
	ended(t, lines)
}

func TestABusyStreamBeatsAndEndsWithItsSession(t *testing.T) {
	t.Parallel()
	for name, scopes := range map[string][]string{"all": nil, "without audit": {"mailboxes:read"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *server.Options) { o.Heartbeat = time.Second })
			address := serve(t, w)
			user := w.User(t, "owner")
			lines, _ := listen(t, address, w.Token(t, user, scopes...), "")
			until(t, lines, "retry: ")
			mail := time.NewTicker(50 * time.Millisecond) // the stream is never quiet for as long as a beat
			done := make(chan struct{})
			t.Cleanup(func() { mail.Stop(); close(done) })
			go func() {
				for {
					select {
					case <-mail.C:
						w.svc.Audited(user, audit.Entry{Domain: "a.example", Status: "imported"})
					case <-done:
						return
					}
				}
			}()
			until(t, lines, ": beat")
			all, err := w.Sessions.Tokens(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Sessions.RevokeToken(t.Context(), user, all[0].ID); err != nil {
				t.Fatal(err)
			}
			ended(t, lines)
		})
	}
}

func TestAClientThatHasGoneIsFoundOutByTheBeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.Heartbeat = 50 * time.Millisecond })
	address := serve(t, w)
	lines, leave := listen(t, address, w.Token(t, w.User(t, "owner")), "")
	until(t, lines, ": beat")
	leave()
	eventually(t, "the stream is left", func() bool { return w.svc.Streams() == 0 })
}

// pipes listens for connections that hold nothing: what is written waits until
// it is read.
type pipes struct{ conns chan net.Conn }

func (p pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error { close(p.conns); return nil }

func (pipes) Addr() net.Addr { return new(net.TCPAddr) }

// listenOver opens an event stream over a connection and gives its lines.
func listenOver(t *testing.T, c net.Conn, token string) *bufio.Scanner {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	_, err := fmt.Fprintf(c, "GET /api/v1/events HTTP/1.1\r\nHost: mail.example.org\r\nAuthorization: Bearer %s\r\n\r\n", token)
	lines := bufio.NewScanner(c)
	for err == nil && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "retry: ") {
			return lines
		}
	}
	t.Fatalf("no event stream: %v, %v", err, lines.Err())
	return nil
}

func TestAClientThatDoesNotReadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := pipes{conns: make(chan net.Conn)}
	serveOn(t, w, p)
	stuck, other := w.User(t, "stuck"), w.User(t, "other")
	for range 5 {
		listenOver(t, p.dial(), w.Token(t, stuck))
	}
	beside, another := listenOver(t, p.dial(), w.Token(t, stuck)), listenOver(t, p.dial(), w.Token(t, other))
	for round := range 5 {
		for range 50 {
			w.svc.Audited(stuck, audit.Entry{Domain: fmt.Sprintf("round-%d.example", round), Status: mail.Imported})
		}
		w.svc.Audited(other, audit.Entry{Domain: fmt.Sprintf("round-%d.example", round), Status: mail.Imported})
		for name, lines := range map[string]*bufio.Scanner{"his other stream": beside, "another user": another} {
			for !strings.Contains(lines.Text(), fmt.Sprintf("round-%d.example", round)) {
				if !lines.Scan() {
					t.Fatalf("%s, round %d: the stream ended: %v", name, round, lines.Err())
				}
			}
		}
	}
	if n := w.svc.Streams(); n != 7 {
		t.Errorf("%d streams, want 7: five that do not read and two that do", n)
	}
}

func TestTheUsersStreamsEndWithHim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := serve(t, w)
	_, _, program := w.person(t, "owner")
	lines, _ := listen(t, address, program.token, "")
	until(t, lines, "retry: ")
	want(t, w.do(t, program, "DELETE", "/api/v1/me", ""), 200)
	ended(t, lines)
}

func TestAHalfExportIsNoWholeOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *server.Options) { o.Books = breaking{o.Books} })
	address := serve(t, w)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/v1/audit", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/csv")
	r.Header.Set("Authorization", "Bearer "+w.Token(t, w.User(t, "owner")))
	if body, err := fetch(r); err == nil {
		t.Errorf("a broken export ends well: %q", body)
	}
}

// breaking is an audit whose second page cannot be read.
type breaking struct{ server.Books }

func (b breaking) List(_ context.Context, _ id.User, _ audit.Filter, cursor string, _ int) (audit.Page, error) {
	if cursor != "" {
		return audit.Page{}, errSecret("disk on fire")
	}
	return audit.Page{Entries: make([]audit.Entry, 10), Next: "more"}, nil
}
