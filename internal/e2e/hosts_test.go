package e2e

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	accounts "github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// host is a mail server that is of no use, and what its user is told.
type host struct {
	name   string
	faults pop3d.Faults
	raw    func(net.Conn) // speaks for the server instead; nil: pop3d does
	dead   bool           // nobody listens
	wrong  bool           // the password is another one
	phase  schedule.Phase
	code   string
}

var hosts = []host{
	{name: "dead", dead: true, phase: schedule.Waiting, code: "unreachable"},
	{name: "silent", raw: silent, phase: schedule.Waiting, code: "timeout_connect"},
	{name: "talks no TLS", raw: func(c net.Conn) { _, _ = c.Write([]byte("+OK hello\r\n")); silent(c) }, phase: schedule.Failing, code: "tls_handshake"},
	{name: "in use", faults: pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [IN-USE] maildrop is locked"}}, phase: schedule.Waiting, code: "mailbox_locked"},
	{name: "login delay", faults: pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [LOGIN-DELAY] not so fast"}}, phase: schedule.Waiting, code: "login_delay"},
	{name: "wrong password", wrong: true, phase: schedule.Waiting, code: "auth_failed"},
	{name: "temporary", faults: pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [SYS/TEMP] try again"}}, phase: schedule.Waiting, code: "server_busy"},
	{name: "no unique-ids that count", faults: pop3d.Faults{UIDL: func(n int, uidl string) string { return strconv.Itoa(-n) + " " + uidl }}, phase: schedule.Waiting, code: "bad_listing"},
	{name: "cuts", faults: pop3d.Faults{CutAt: "UIDL"}, phase: schedule.Waiting, code: "cut"},
}

func silent(c net.Conn) { _, _ = c.Read(make([]byte, 1)); time.Sleep(time.Minute) }

// TestEveryUselessHostHasItsStateAndItsNeighboursDoNotNotice runs them all
// beside a healthy mailbox of the same user.
func TestEveryUselessHostHasItsStateAndItsNeighboursDoNotNotice(t *testing.T) {
	t.Parallel()
	ca := testkit.NewCA()
	s := serving(t, gmailtest.Options{})
	boxes := make(map[id.Mailbox]host)
	for _, h := range hosts {
		boxes[s.add(h.mailbox(t, s, ca))] = h
	}
	drop := pop3d.NewMemory()
	healthy := s.add(host{}.mailboxWith(t, s, ca, drop))
	s.start()
	slowest := time.Duration(0)
	for i := range 12 {
		drop.Add(testkit.Message(uint64(9000 + i)))
		begun := time.Now()
		s.arrived(i+1, 20*time.Second)
		slowest = max(slowest, time.Since(begun))
	}
	t.Logf("beside %d useless hosts a new mail took at most %v, polled every second", len(hosts), slowest)
	s.until("each was tried", 40*time.Second, func() bool {
		n := 0.0
		for _, result := range []string{"transient", "rate_limited", "login", "setup", "protocol"} {
			n += s.figure(`smtpsync_actors_passes_total{protocol="pop3",result="` + result + `"}`)
		}
		return n >= float64(len(hosts))
	})
	if code, _ := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	for box, h := range boxes {
		st := s.state(box)
		if st.Phase != h.phase || st.Reason.Code != h.code || st.Reason.Detail == "" || st.Reason.Help == "" {
			t.Errorf("%s: %v, %+v; want %v, %s with words", h.name, st.Phase, st.Reason, h.phase, h.code)
		}
		if until := time.Until(st.Until); st.Until.IsZero() || until > 25*time.Hour {
			t.Errorf("%s: tried again in %v", h.name, until)
		}
	}
	if st := s.state(healthy); st.Phase != schedule.Idle || st.Reason != (schedule.Reason{}) {
		t.Errorf("the healthy one: %v, %+v", st.Phase, st.Reason)
	}
}

func (h host) mailbox(t testing.TB, s *service, ca *testkit.CA) accounts.Mailbox {
	t.Helper()
	switch {
	case h.dead:
		return h.at(t, s, ca, free(t))
	case h.raw != nil:
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go func() { h.raw(c); _ = c.Close() }()
			}
		}()
		return h.at(t, s, ca, l.Addr().String())
	}
	return h.mailboxWith(t, s, ca, pop3d.NewMemory(testkit.Message(1)))
}

func (h host) mailboxWith(t testing.TB, s *service, ca *testkit.CA, drop *pop3d.Memory) accounts.Mailbox {
	t.Helper()
	srv := pop3d.New(pop3d.Options{TLS: ca.ServerConfig("127.0.0.1")})
	srv.AddUser("ann", password, drop)
	srv.Misbehave(h.faults)
	t.Cleanup(func() { _ = srv.Close() })
	addr, err := srv.ListenTLS()
	if err != nil {
		t.Fatal(err)
	}
	return h.at(t, s, ca, addr)
}

func (h host) at(t testing.TB, s *service, ca *testkit.CA, addr string) accounts.Mailbox {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	s.installation.at("pop3s", "ann", password, port, ca)
	m := accounts.Mailbox{
		Name: h.name, Protocol: "pop3", Host: "127.0.0.1", Port: port, Security: "tls", Username: "ann",
		Password: vault.NewSecret(password), AfterImport: "leave", History: "all",
	}
	if h.wrong {
		m.Password = vault.NewSecret("not the password")
	}
	return m
}
