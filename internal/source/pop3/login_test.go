package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func (s *server) openErr(t *testing.T, change func(*pop3.Config)) error {
	t.Helper()
	c := s.config(t, s.addr)
	if change != nil {
		change(&c)
	}
	src, err := pop3.New(c).Open(t.Context())
	if err == nil {
		_ = src.Close(t.Context())
	}
	return err
}

func TestRefusedLoginSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reply string
		class mail.Class
		code  string
		pause time.Duration // for RateLimited
	}{
		{"-ERR [AUTH] wrong user or password", mail.Login, "auth_failed", 0},
		{"-ERR Authentication failed.", mail.Login, "auth_unclear", 0},
		{"-ERR", mail.Login, "auth_unclear", 0},
		{"-ERR [HELLO] no", mail.Login, "auth_unclear", 0},
		{"-ERR [auth] no", mail.Login, "auth_failed", 0},
		{"-ERR [AUTH] Too many failures", mail.Login, "auth_failed", 0}, // a code is believed before words
		{"-ERR [IN-USE] Do you have another POP session running?", mail.RateLimited, "mailbox_locked", time.Minute},
		{"-ERR [LOGIN-DELAY] minimum time between mail checks", mail.RateLimited, "login_delay", 330 * time.Second},
		{"-ERR [SYS/TEMP] try again", mail.Transient, "server_busy", 0},
		{"-ERR [SYS/PERM] account is closed", mail.Login, "login_refused", 0},
		{"-ERR Exceeded the login limit for a 15 minute period", mail.RateLimited, "too_many_logins", 15 * time.Minute},
		{"-ERR maildrop already locked", mail.RateLimited, "too_many_logins", 15 * time.Minute},
		{"-ERR please try again later", mail.RateLimited, "too_many_logins", 15 * time.Minute},
		{"-ERR [AUTH] Application-specific password required", mail.Login, "app_password_required", 0},
		{"-ERR [AUTH] Web login required", mail.Login, "web_login_required", 0},
		{"-ERR Authentication failure: Basic authentication is disabled.", mail.Login, "oauth_required", 0},
	} {
		t.Run(tc.reply, func(t *testing.T) {
			t.Parallel()
			for _, command := range []string{"USER", "PASS"} {
				s := start(t, pop3.TLS, pop3d.Faults{LoginDelay: 300, Replies: map[string]string{command: tc.reply}})
				before := time.Now()
				f := wantFault(t, s.openErr(t, nil), tc.class, tc.code)
				if pause := f.Until.Sub(before); tc.pause > 0 && (pause < tc.pause || pause > tc.pause+10*time.Second) {
					t.Errorf("pause %v, want %v", pause, tc.pause)
				}
				if tc.class == mail.RateLimited && f.Scope != "source" {
					t.Errorf("scope %q, want source", f.Scope)
				}
			}
		})
	}
}

// No user name has been given yet: it is not the user who has to act.
func TestRefusalAtTheGreetingPasses(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]struct {
		class mail.Class
		code  string
	}{
		"-ERR":                {mail.Transient, "server_refuses"},
		"-ERR no":             {mail.Transient, "server_refuses"},
		"-ERR [AUTH] go away": {mail.Transient, "server_refuses"},
		"-ERR [SYS/PERM] your address is not welcome":   {mail.Transient, "server_refuses"},
		"-ERR [SYS/TEMP] starting up":                   {mail.Transient, "server_busy"},
		"-ERR [IN-USE] wait":                            {mail.RateLimited, "mailbox_locked"},
		"-ERR too many connections from your address":   {mail.RateLimited, "too_many_logins"},
		"-ERR [LOGIN-DELAY] one connection in a minute": {mail.RateLimited, "login_delay"},
	} {
		t.Run(greeting, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3.TLS, pop3d.Faults{Greeting: greeting})
			wantFault(t, s.openErr(t, nil), want.class, want.code)
		})
	}
}

func TestAnotherProtocolIsNamed(t *testing.T) {
	t.Parallel()
	for _, greeting := range []string{"* OK IMAP4rev1 ready", "220 mail.example ESMTP", "HTTP/1.1 400 Bad Request", "+", "+OKAY"} {
		s := start(t, pop3.TLS, pop3d.Faults{Greeting: greeting})
		wantFault(t, s.openErr(t, nil), mail.Setup, "not_pop3")
	}
}

// go-pop3 takes an empty line for +OK.
func TestNonsenseIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, nonsense := range []string{"", "OK", "250 OK", "+ok", "* OK"} {
		s := start(t, pop3.TLS, pop3d.Faults{Replies: map[string]string{"PASS": nonsense}})
		wantFault(t, s.openErr(t, nil), mail.Protocol, "protocol_error")
	}
}

func TestFaultNeverRepeatsTheSecret(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 500)
	for _, reply := range []string{
		"-ERR unknown command PASS " + password,
		"-ERR [AUTH] no " + password + " for " + user,
		"-ERR [SYS/PERM] " + password,
		"-ERR try later, " + password,
		"-ERR \x1b[31m\xff\x00red\t" + long,
	} {
		s := start(t, pop3.TLS, pop3d.Faults{Replies: map[string]string{"PASS": reply}})
		err := s.openErr(t, nil)
		f, ok := mail.AsFault(err)
		if !ok {
			t.Fatalf("got %v, want a fault", err)
		}
		all := fmt.Sprintf("%s|%+v|%v|%v", f, f, f.Err, errors.Unwrap(f.Err))
		if strings.Contains(all, password) || strings.Contains(all, user) {
			t.Errorf("the secret or the user name is in %q", all)
		}
		if len(f.Said) > 250 || strings.ContainsFunc(f.Said, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%d octets of foreign text: %q", len(f.Said), f.Said)
		}
	}
}

// What a server says at the login may be anything, the credentials in some form
// among it: the log gets none of it.
func TestTheServersWordsAreForTheUserAndNotForTheLog(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		"-ERR CANARY", "-ERR [CANARY] no", "-ERR [AUTH] CANARY", "-ERR [SYS/PERM] CANARY", "-ERR CANARY web login",
		"-ERR [SYS/TEMP] CANARY", "-ERR [IN-USE] CANARY", "-ERR [LOGIN-DELAY] CANARY", "-ERR too many CANARY",
	} {
		for _, s := range []*server{
			start(t, pop3.TLS, pop3d.Faults{Replies: map[string]string{"PASS": reply}}),
			start(t, pop3.TLS, pop3d.Faults{Greeting: reply}),
		} {
			f, ok := mail.AsFault(s.openErr(t, nil))
			if !ok {
				t.Fatalf("%q: no fault", reply)
			}
			for err := error(f); err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "CANARY") {
					t.Errorf("%q is logged as %q", reply, err)
				}
			}
		}
	}
	s := start(t, pop3.TLS, pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [SYS/PERM] account is closed"}})
	if f, _ := mail.AsFault(s.openErr(t, nil)); f == nil || !strings.HasSuffix(f.Detail(), `("account is closed")`) {
		t.Errorf("the user reads %v", f)
	}
}

func TestControlCharactersNeverReachTheServer(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{}, mails(2)...)
	for _, bad := range []string{"bob\r\nDELE 1", "bob\n", "b\x00b", "b\x7fb", "\tb"} {
		err := s.openErr(t, func(c *pop3.Config) { c.Username = bad })
		wantFault(t, err, mail.Setup, "control_character")
		err = s.openErr(t, func(c *pop3.Config) { c.Password = vault.NewSecret(bad) })
		wantFault(t, err, mail.Setup, "control_character")
	}
	if got := s.Seen("CAPA"); got != 0 {
		t.Errorf("the server was spoken to %d times, want never", got)
	}
}

func TestConfigurationMistakesAreSetupFaults(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{})
	for code, change := range map[string]func(*pop3.Config){
		"security_invalid":  func(c *pop3.Config) { c.Security = "plain" },
		"sasl_invalid":      func(c *pop3.Config) { c.SASL = "NTLM" },
		"username_required": func(c *pop3.Config) { c.Username = "" },
	} {
		wantFault(t, s.openErr(t, change), mail.Setup, code)
	}
}

func TestSASL(t *testing.T) {
	t.Parallel()
	oauth := func(c *pop3.Config) {
		c.Token = func(context.Context, vault.Secret) (vault.Secret, error) { return c.Password, nil }
	}
	plain := func(c *pop3.Config) { c.SASL = pop3.Plain }
	wrong := vault.NewSecret("wrong " + strings.Repeat("token", 400))

	s := start(t, pop3.TLS, pop3d.Faults{})
	for name, change := range map[string]func(*pop3.Config){"token_refused": oauth, "auth_failed": plain} {
		if err := s.openErr(t, change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err := s.openErr(t, func(c *pop3.Config) { change(c); c.Password = wrong })
		wantFault(t, err, mail.Login, name)
	}
	if got := s.Seen("PASS"); got != 0 {
		t.Errorf("PASS was sent %d times, want never", got)
	}

	s.Misbehave(pop3d.Faults{Replies: map[string]string{"CAPA": "+OK\r\nUSER\r\n."}})
	wantFault(t, s.openErr(t, oauth), mail.Setup, "oauth_not_offered")
	wantFault(t, s.openErr(t, plain), mail.Setup, "mechanism_missing")

	s.Misbehave(pop3d.Faults{Replies: map[string]string{"CAPA": "+OK\r\nSASL PLAIN\r\n."}})
	if err := s.openErr(t, nil); err != nil || s.Seen("USER") != 0 {
		t.Errorf("server with SASL alone: %v, USER sent %d times", err, s.Seen("USER"))
	}

	s.Misbehave(pop3d.Faults{Replies: map[string]string{"AUTH": "+ \r\n+ \r\n+ "}})
	wantFault(t, s.openErr(t, oauth), mail.Protocol, "protocol_error")
}

func TestSecondSessionFindsTheMaildropLocked(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{})
	s.open(t)
	wantFault(t, s.openErr(t, nil), mail.RateLimited, "mailbox_locked")
}

func TestLoginDelayIsKnown(t *testing.T) {
	t.Parallel()
	src := start(t, pop3.TLS, pop3d.Faults{LoginDelay: 900}).open(t)
	if got, want := src.LoginDelay(), 15*time.Minute; got != want {
		t.Errorf("login delay %v, want %v", got, want)
	}
}

func TestCapabilitiesAreAskedAgainAfterLoginUnlessComplete(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		faults pop3d.Faults
		want   int
	}{{pop3d.Faults{}, 1}, {pop3d.Faults{NoUIDL: true}, 2}} {
		s := start(t, pop3.TLS, tc.faults)
		s.open(t)
		if got := s.Seen("CAPA"); got != tc.want {
			t.Errorf("CAPA was sent %d times, want %d", got, tc.want)
		}
	}
}
