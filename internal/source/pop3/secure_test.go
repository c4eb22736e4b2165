package pop3_test

import (
	"crypto/tls"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

func TestPasswordNeverLeavesWithoutTLS(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		faults pop3d.Faults
		code   string
	}{
		"STLS not offered":     {pop3d.Faults{NoSTLS: true}, "tls_not_offered"},
		"no capabilities":      {pop3d.Faults{NoCapa: true}, "tls_not_offered"},
		"STLS refused":         {pop3d.Faults{Replies: map[string]string{"STLS": "-ERR not today"}}, "tls_refused"},
		"answers sent ahead":   {pop3d.Faults{InjectSTLS: "+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n"}, "tls_injection"},
		"one octet sent ahead": {pop3d.Faults{InjectSTLS: "+"}, "tls_injection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3.StartTLS, tc.faults)
			wantFault(t, s.openErr(t, nil), mail.Setup, tc.code)
			if n := s.Seen("USER") + s.Seen("PASS") + s.Seen("AUTH"); n != 0 {
				t.Errorf("%d login commands in clear text", n)
			}
		})
	}
}

func TestCapabilitiesFromBeforeTLSAreForgotten(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.StartTLS, pop3d.Faults{}, mails(3)...)
	src := s.open(t)
	if got := s.Seen("CAPA"); got != 2 {
		t.Errorf("CAPA was sent %d times, want once before and once after the handshake", got)
	}
	if refs := list(t, src); len(refs) != 3 {
		t.Errorf("%d messages, want 3", len(refs))
	}
}

func TestBadCertificateStopsBeforeLogin(t *testing.T) {
	t.Parallel()
	for name, cert := range map[string]tls.Certificate{
		"expired":     ca.Expired("127.0.0.1"),
		"wrong name":  ca.WrongName(),
		"self-signed": ca.SelfSigned("127.0.0.1"),
	} {
		for _, security := range []string{pop3.TLS, pop3.StartTLS} {
			t.Run(name+"/"+security, func(t *testing.T) {
				t.Parallel()
				s := &server{Server: pop3d.New(pop3d.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}), security: security}
				t.Cleanup(func() { _ = s.Close() })
				listen := s.ListenTLS
				if security == pop3.StartTLS {
					listen = s.Listen
				}
				var err error
				if s.addr, err = listen(); err != nil {
					t.Fatal(err)
				}
				wantFault(t, s.openErr(t, nil), mail.Setup, "tls_certificate")
				if got := s.Seen("USER"); got != 0 {
					t.Errorf("USER was sent %d times, want never", got)
				}
			})
		}
	}
}
