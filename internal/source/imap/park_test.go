package imap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

// pass does what a pass does with a mailbox that should be kept, and gives the
// listing.
func pass(t testing.TB, d *imap.Dialer) []mail.Ref {
	t.Helper()
	src, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Digest(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	refs := list(t, src)
	if _, err := take(t.Context(), src, refs[max(len(refs)-1, 0):]); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return refs
}

func park(t testing.TB, d *imap.Dialer) *imap.Parked {
	t.Helper()
	p, err := d.Park(t.Context())
	if err != nil || p == nil {
		t.Fatalf("parked %v, %v", p, err)
	}
	t.Cleanup(p.Close)
	return p
}

func kept(cfg imap.Config) imap.Config {
	cfg.Keep = true
	return cfg
}

// cycles parks and resumes one connection again and again, with a message in
// each cycle, and a new Dialer each time as the product has it.
func cycles(t *testing.T, cfg imap.Config, n int, deliver func(i int)) {
	t.Helper()
	d := imap.New(cfg)
	have := len(pass(t, d))
	var before int
	for i := range n {
		p := park(t, d)
		told := make(chan error)
		go func() { told <- p.Wait(t.Context()) }()
		deliver(i)
		if err := <-told; err != nil {
			t.Fatalf("cycle %d: %v", i, err)
		}
		d = imap.New(cfg)
		d.Resume(p)
		if refs := pass(t, d); len(refs) != have+1 {
			t.Fatalf("cycle %d: %d messages listed, want %d", i, len(refs), have+1)
		}
		have++
		if i == 4 {
			before = runtime.NumGoroutine()
		}
	}
	if after := runtime.NumGoroutine(); after > before+3 {
		t.Errorf("%d goroutines after %d cycles, %d after 5", after, n, before)
	}
	d.Close()
}

// Not parallel: it counts goroutines.
func TestOneConnectionServesManyPasses(t *testing.T) {
	srv, box, addr := serve(t, imap.TLS, imapd.Options{})
	cycles(t, kept(config(t, addr, imap.TLS)), 50, func(i int) { box.Deliver("INBOX", fmt.Appendf(nil, "mail %d", i)) })
	if n := srv.Seen("LOGIN"); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}

// Not parallel: it counts goroutines. Dovecot tells of new mail half a second
// late, so 50 cycles are for IMAP_TEST_CYCLES=50.
func TestRealDovecotOneConnectionServesManyPasses(t *testing.T) {
	srv := dovecot.Start(t)
	if err := srv.AddUser("ann", password); err != nil {
		t.Fatal(err)
	}
	for _, way := range srv.Ways() {
		if way.Protocol != "imap" {
			continue
		}
		n := 6
		if s := os.Getenv("IMAP_TEST_CYCLES"); s != "" {
			n, _ = strconv.Atoi(s)
		}
		cfg := kept(realConfig(t, srv, way.Addr(), "ann", password, way.StartTLS))
		cycles(t, cfg, n, func(i int) {
			if err := srv.Deliver("ann", "INBOX", fmt.Appendf(nil, "Subject: %d\r\n\r\nx\r\n", i)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMailBetweenPassAndParkIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    *imapd.Script
	}{
		{"by UIDNEXT", &imapd.Script{Mute: true}},
		{"by number where there is no UIDNEXT", &imapd.Script{Mute: true, NoUIDNext: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.s
			s.Messages = messages("one")
			d := imap.New(kept(config(t, script(t, s), imap.TLS)))
			pass(t, d)
			s.Deliver("two")
			p := park(t, d)
			if err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if s.Saw("IDLE") {
				t.Error("it waited although there was something to do")
			}
			d.Resume(p)
			if refs := pass(t, d); len(refs) != 2 {
				t.Errorf("%d messages listed, want 2", len(refs))
			}
			park(t, d).Close()
			if !s.Saw("IDLE") {
				t.Error("it did not wait although there was nothing to do")
			}
		})
	}
}

func TestIdleFollowsSelectDirectly(t *testing.T) { // free.fr
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	cfg := kept(config(t, script(t, s), imap.TLS))
	cfg.Folders = []string{"Entwürfe & Co", "INBOX"}
	cfg.ReadOnly = true
	d := imap.New(cfg)
	pass(t, d)
	park(t, d)
	log := s.Log()
	if got, want := log[len(log)-2:], []string{`EXAMINE "Entw&APw-rfe &- Co"`, "IDLE"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// From EXISTS to the first octet of the message: DONE, SELECT, the listing and
// the message itself.
func TestResumedPassTakesFourRoundTrips(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Caps: "IMAP4rev1 AUTH=PLAIN SASL-IR CONDSTORE IDLE", ModSeq: 1, Messages: messages("one")}
	cfg := kept(config(t, script(t, s), imap.TLS))
	d := imap.New(cfg)
	pass(t, d)
	p := park(t, d)
	from := len(s.Log())
	s.Deliver("two")
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Resume(p)
	pass(t, d)
	var names []string
	for _, line := range s.Log()[from:] {
		names = append(names, line[:strings.IndexByte(line+" (", '(')-1])
	}
	if want := []string{"SELECT INBOX", "UID FETCH 1:*", "UID FETCH 2"}; !slices.Equal(names, want) {
		t.Errorf("sent %q after DONE, want %q", names, want)
	}
}

func TestOnlyOneConnectionIsKept(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	d := imap.New(kept(config(t, script(t, s), imap.TLS)))
	var open []*imap.Source
	for range 3 {
		src, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list(t, src)
		open = append(open, src)
	}
	for _, src := range open {
		_ = src.Close(t.Context())
		if err := src.Close(t.Context()); err != nil { // twice is once
			t.Fatal(err)
		}
	}
	logouts := 0
	for _, line := range s.Log() {
		if line == "LOGOUT" {
			logouts++
		}
	}
	if logouts != 2 {
		t.Errorf("%d of 3 logged out, want 2", logouts)
	}
	if park(t, d).Close(); s.Idling() > 1 {
		t.Errorf("%d wait", s.Idling())
	}
	if p, err := d.Park(t.Context()); p != nil || err != nil {
		t.Errorf("parked %v, %v although nothing was kept any more", p, err)
	}
}

func TestNothingIsParkedWhereNothingCanBeWaitedFor(t *testing.T) {
	t.Parallel()
	no := func(answer string) func(*imapd.Wire, imapd.Command) bool {
		return func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name != "IDLE" {
				return false
			}
			w.Send(c.Tag + " " + answer + "\r\n")
			return true
		}
	}
	for name, c := range map[string]struct {
		s       *imapd.Script
		look    bool // the mailbox was listed
		logsOut bool
	}{
		"no IDLE":            {&imapd.Script{Caps: "IMAP4rev1 AUTH=PLAIN SASL-IR"}, true, true},
		"IDLE in name only":  {&imapd.Script{On: no("BAD what")}, true, false},
		"nothing was listed": {&imapd.Script{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := imap.New(kept(config(t, script(t, c.s), imap.TLS)))
			src, err := d.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.look {
				list(t, src)
			}
			_ = src.Close(t.Context())
			if p, err := d.Park(t.Context()); p != nil || err != nil {
				t.Errorf("parked %v, %v", p, err)
			}
			if c.s.Saw("LOGOUT") != c.logsOut {
				t.Errorf("sent %q", c.s.Log())
			}
		})
	}
}

func TestSourceThatEndedBadlyIsNotKept(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one"), On: onBody(func(w *imapd.Wire, _ imapd.Command) { w.Close() })}
	d := imap.New(kept(config(t, script(t, s), imap.TLS)))
	src, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(t.Context(), src, list(t, src)); err == nil {
		t.Fatal("the cut was not noticed")
	}
	_ = src.Close(t.Context())
	if p, err := d.Park(t.Context()); p != nil || err != nil {
		t.Errorf("parked %v, %v", p, err)
	}
}

func TestConnectionIsNeverResumedForAnotherMailbox(t *testing.T) {
	t.Parallel()
	srv, _, addr := serve(t, imap.TLS, imapd.Options{})
	srv.AddUser("bob", password).Deliver("INBOX", []byte("bob's"))
	d := imap.New(kept(config(t, addr, imap.TLS)))
	pass(t, d)
	p := park(t, d)
	told := make(chan error)
	go func() { told <- p.Wait(t.Context()) }()
	srv.Deliver(user, "INBOX", []byte("ann's"))
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	cfg := kept(config(t, addr, imap.TLS))
	cfg.Username = "bob"
	bob := imap.New(cfg)
	bob.Resume(p)
	src, err := bob.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := take(t.Context(), src, list(t, src)); err != nil || !slices.Equal(got, []string{"1 bob's"}) {
		t.Errorf("bob sees %q, %v", got, err)
	}
	_ = src.Close(t.Context())
	bob.Close()
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	why := errors.New("the mailbox is being deleted")
	for name, c := range map[string]struct {
		do    func(s *imapd.Script, p *imap.Parked, cancel context.CancelCauseFunc)
		class mail.Class
		code  string
	}{
		"when its context ends": {func(_ *imapd.Script, _ *imap.Parked, cancel context.CancelCauseFunc) { cancel(why) }, mail.Transient, "cancelled"},
		"when it is closed":     {func(_ *imapd.Script, p *imap.Parked, _ context.CancelCauseFunc) { p.Close() }, mail.Transient, "closed"},
		"when the server goes": {func(s *imapd.Script, _ *imap.Parked, _ context.CancelCauseFunc) {
			s.Push("* BYE [UNAVAILABLE] maintenance\r\n")
		}, mail.Transient, "source_unavailable"},
		"when the server names a limit": {func(s *imapd.Script, _ *imap.Parked, _ context.CancelCauseFunc) {
			s.Push("* BYE Too many connections\r\n")
		}, mail.RateLimited, "source_limit"},
		"when the connection breaks": {func(s *imapd.Script, _ *imap.Parked, _ context.CancelCauseFunc) { go s.Close() }, mail.Transient, "cut"},
		"when there is chatter without end": {func(s *imapd.Script, _ *imap.Parked, _ context.CancelCauseFunc) {
			go s.Push(strings.Repeat("* 1 FETCH (FLAGS (\\Seen))\r\n", 50_000))
		}, mail.Protocol, "protocol_limit"},
		"when there is a line without end": {func(s *imapd.Script, _ *imap.Parked, _ context.CancelCauseFunc) {
			go s.Push("* OK " + strings.Repeat("x", 2<<20))
		}, mail.Protocol, "protocol_limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &imapd.Script{Messages: messages("one")}
			d := imap.New(kept(config(t, script(t, s), imap.TLS)))
			pass(t, d)
			p := park(t, d)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			told := make(chan error)
			go func() { told <- p.Wait(ctx) }()
			for s.Idling() == 0 {
				time.Sleep(time.Millisecond)
			}
			c.do(s, p, cancel)
			err := <-told
			if f := fault(t, err); f.Class != c.class || f.Code != c.code {
				t.Errorf("got %v (class %d, code %s), want class %d, code %s", f, f.Class, f.Code, c.class, c.code)
			}
			if c.code == "cancelled" && !errors.Is(err, why) {
				t.Errorf("%v does not say why", err)
			}
			d.Resume(p) // of which nothing is left
			if again := p.Wait(t.Context()); again == nil {
				t.Error("it waits again on a closed connection")
			}
		})
	}
}

func TestWhatIsNotNewMailDoesNotWake(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one", "two", "three")}
	d := imap.New(kept(config(t, script(t, s), imap.TLS)))
	pass(t, d)
	p := park(t, d)
	told := make(chan error, 1)
	go func() { told <- p.Wait(t.Context()) }()
	s.Push("* OK Still here\r\n* 3 EXISTS\r\n* 0 RECENT\r\n* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n* FLAGS (\\Seen " + strings.Repeat("x", 3000) + ")\r\n* 3 EXPUNGE\r\n")
	select {
	case err := <-told:
		t.Fatalf("woken: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.Push("* 3 EXISTS\r\n") // one more than after the removal
	if err := <-told; err != nil {
		t.Error(err)
	}
}

// The other half of a line that go-imap has swallowed: something was said.
func TestHalfALineIsALookWorth(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	d := imap.New(kept(config(t, script(t, s), imap.TLS)))
	pass(t, d)
	p := park(t, d)
	told := make(chan error, 1)
	go func() { told <- p.Wait(t.Context()) }()
	for s.Idling() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Push("TS\r\n")
	if err := <-told; err != nil {
		t.Error(err)
	}
}

func TestDialerClosesWhatNobodyParks(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	d := imap.New(kept(config(t, script(t, s), imap.TLS)))
	pass(t, d)
	d.Close()
	if p, err := d.Park(t.Context()); p != nil || err != nil {
		t.Errorf("parked %v, %v", p, err)
	}
}

// It has been listed: a second pass would be for nothing.
func TestMailBetweenDigestAndListingIsNotNewToPark(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	d := imap.New(kept(config(t, script(t, s), imap.TLS)))
	src, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := src.Digest(t.Context(), io.Discard); !ok || err != nil {
		t.Fatal(ok, err)
	}
	s.Deliver("two")
	if refs := list(t, src); len(refs) != 2 {
		t.Fatalf("%d messages listed, want 2", len(refs))
	}
	_ = src.Close(t.Context())
	park(t, d)
	if !s.Saw("IDLE") {
		t.Error("it did not wait")
	}
}

// What is waiting must not keep the password in memory, nor go-imap's buffers.
func TestParkedConnectionRemembersNeitherSourceNorDialer(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	cfg := kept(config(t, script(t, s), imap.TLS))
	p, d, src := func() (*imap.Parked, weak.Pointer[imap.Dialer], weak.Pointer[imap.Source]) {
		d := imap.New(cfg)
		src, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list(t, src)
		_ = src.Close(t.Context())
		return park(t, d), weak.Make(d), weak.Make(src)
	}()
	told := make(chan error, 1)
	go func() { told <- p.Wait(t.Context()) }()
	for end := time.Now().Add(5 * time.Second); d.Value() != nil || src.Value() != nil; time.Sleep(time.Millisecond) {
		if runtime.GC(); time.Now().After(end) {
			t.Fatal("the Dialer or the Source, and the password with it, is still in memory")
		}
	}
	s.Deliver("two")
	if err := <-told; err != nil {
		t.Error(err)
	}
}
