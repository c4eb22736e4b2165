package imap_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// script starts a misbehaving server, with TLS unless it says otherwise.
func script(t testing.TB, s *imapd.Script) string {
	t.Helper()
	s.TLS = ca.ServerConfig("127.0.0.1")
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return addr
}

// open opens a session that must come about.
func open(t testing.TB, cfg imap.Config) *imap.Source {
	t.Helper()
	s, err := imap.New(cfg).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// fault gives the Fault in err, which must be one that a user may read.
func fault(t testing.TB, err error) *mail.Fault {
	t.Helper()
	f, ok := mail.AsFault(err)
	if !ok {
		t.Fatalf("error is %T (%v), want a *mail.Fault", err, err)
	}
	if f.Code == "" || strings.ContainsAny(f.Error(), "\r\n") || strings.Contains(fmt.Sprintf("%v %v", f, f.Err), password) {
		t.Fatalf("fault %q (code %q) is not one line with a code and without the password", f.Error(), f.Code)
	}
	return f
}

func TestRefusedLoginNamesTheRemedy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer string
		class  mail.Class
		code   string
	}{
		{"NO [AUTHENTICATIONFAILED] Authentication failed.", mail.Login, "auth_failed"},
		{"NO invalid credentials", mail.Login, "auth_unclear"},
		{"NO", mail.Login, "auth_unclear"},
		{"BAD command line", mail.Login, "auth_unclear"},
		{"NO [AUTHORIZATIONFAILED] IMAP is off", mail.Login, "not_authorized"},
		{"NO [NOPERM] no", mail.Login, "not_authorized"},
		{"NO [EXPIRED] That password has expired", mail.Login, "password_expired"},
		{"NO [CONTACTADMIN] call us", mail.Login, "contact_admin"},
		{"NO [PRIVACYREQUIRED] TLS", mail.Setup, "tls_required"},
		{"NO [UNAVAILABLE] User's backend down", mail.Transient, "source_unavailable"},
		{"NO [SERVERBUG] oops", mail.Transient, "source_unavailable"},
		{"NO [INUSE] locked", mail.Transient, "in_use"},
		{"NO [LIMIT] rate", mail.RateLimited, "source_limit"},
		{"NO [ALERT] Too many simultaneous connections. (Failure)", mail.RateLimited, "source_limit"},
		{"NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded", mail.RateLimited, "source_limit"},
		{"NO Basic authentication is disabled.", mail.Login, "oauth_required"},
		{"NO [ALERT] Application-specific password required: https://support.google.com/x", mail.Login, "app_password_required"},
		{"NO [WEBALERT https://accounts.google.com/x] Web login required.", mail.Login, "web_login_required"},
	} {
		t.Run(c.answer, func(t *testing.T) {
			t.Parallel()
			addr := script(t, &imapd.Script{On: func(w *imapd.Wire, cmd imapd.Command) bool {
				if cmd.Name == "AUTHENTICATE" {
					w.Send(cmd.Tag + " " + c.answer + "\r\n")
				}
				return cmd.Name == "AUTHENTICATE"
			}})
			_, err := imap.New(config(t, addr, imap.TLS)).Open(t.Context())
			f := fault(t, err)
			if f.Class != c.class || f.Code != c.code {
				t.Errorf("class %v, code %q; want %v, %q", f.Class, f.Code, c.class, c.code)
			}
			if f.Help == "" {
				t.Error("no remedy")
			}
			if f.Class == mail.RateLimited && (time.Until(f.Until) < 10*time.Minute || f.Scope != "source") {
				t.Errorf("limited until %v, scope %q; want some minutes, source", f.Until, f.Scope)
			}
		})
	}
}

func TestRefusalIsQuotedWithoutCredentialsOrAddresses(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"NO Mailbox is \x1b[31mclosed":       `("Mailbox is [31mclosed")`,
		"NO wrong " + password:               "",
		"NO no user ann@home.example here":   "",
		"NO " + strings.Repeat("long ", 100): `long")`,
	} {
		addr := script(t, &imapd.Script{On: func(w *imapd.Wire, cmd imapd.Command) bool {
			if cmd.Name == "AUTHENTICATE" {
				w.Send(cmd.Tag + " " + answer + "\r\n")
			}
			return cmd.Name == "AUTHENTICATE"
		}})
		_, err := imap.New(config(t, addr, imap.TLS)).Open(t.Context())
		f, _ := mail.AsFault(err)
		if f == nil || !strings.HasSuffix(f.Detail(), want) || len(f.Detail()) > 200 || want == "" && strings.Contains(f.Detail(), "(") {
			t.Errorf("answer %q gives %q, want the quote %q", answer, f, want)
		}
	}
}

// A hostile server may repeat the command that holds the password in any word
// of its answer: nothing of it is in what is logged, and nothing of the password
// in what the user is shown.
func TestAServerThatEchoesTheLoginTellsTheLogNothing(t *testing.T) {
	t.Parallel()
	coded := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	for _, caps := range []string{"IMAP4rev1", "IMAP4rev1 SASL-IR AUTH=PLAIN"} {
		for _, answer := range []string{
			"TAG NO ECHO", "TAG BAD ECHO", "TAG NO [ECHO] x", "TAG NO [AUTHENTICATIONFAILED] ECHO", "TAG NO [CONTACTADMIN] ECHO",
			"TAG NO [LIMIT] ECHO", "TAG ECHO", "* BYE ECHO", "* BYE [ECHO] x", "ECHO", "TAG NO web login ECHO",
		} {
			addr := script(t, &imapd.Script{Caps: caps, On: func(w *imapd.Wire, cmd imapd.Command) bool {
				if cmd.Name != "AUTHENTICATE" && cmd.Name != "LOGIN" {
					return false
				}
				said := strings.ReplaceAll(answer, "TAG", cmd.Tag)
				w.Send(strings.ReplaceAll(said, "ECHO", "CANARY "+cmd.Name+" "+cmd.Args) + "\r\n")
				w.Close()
				return true
			}})
			_, err := imap.New(config(t, addr, imap.TLS)).Open(t.Context())
			f := fault(t, err)
			for err := error(f); err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "CANARY") {
					t.Errorf("%q: logged %q", answer, err)
				}
			}
			if all := f.Detail() + f.Help; strings.Contains(all, password) || strings.Contains(all, coded) {
				t.Errorf("%q: the user is shown %q", answer, all)
			}
		}
	}
}

func TestLoginFollowsTheCapabilities(t *testing.T) {
	t.Parallel()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	oauth := base64.StdEncoding.EncodeToString([]byte("user=" + user + "\x01auth=Bearer " + password + "\x01\x01"))
	bearer := func(port uint16) string {
		return base64.StdEncoding.EncodeToString([]byte("n,a=" + user + ",\x01host=127.0.0.1\x01port=" + fmt.Sprint(port) + "\x01auth=Bearer " + password + "\x01\x01"))
	}
	quoted := `"ann@home.example"`
	for _, c := range []struct {
		name, caps string
		oauth      bool
		password   string
		lines      []string // after CAPABILITY, up to the second one
	}{
		{"PLAIN with initial response", "IMAP4rev1 SASL-IR AUTH=PLAIN", false, password, []string{"AUTHENTICATE PLAIN " + plain}},
		{"PLAIN", "IMAP4rev1 AUTH=PLAIN LOGINDISABLED", false, password, []string{"AUTHENTICATE PLAIN", plain}},
		{"LOGIN", "IMAP4rev1", false, `pa"ss\w`, []string{`LOGIN ` + quoted + ` "pa\"ss\\w"`}},
		{"LOGIN with literal", "IMAP4rev1", false, "pässwörd", []string{`LOGIN ` + quoted + ` {10}`, "pässwörd"}},
		{"LOGIN with literal at once", "IMAP4rev1 LITERAL+", false, "pässwörd", []string{`LOGIN ` + quoted + ` {10+}`, "pässwörd"}},
		{"XOAUTH2", "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=OAUTHBEARER AUTH=XOAUTH2", true, password, []string{"AUTHENTICATE XOAUTH2 " + oauth}},
		{"OAUTHBEARER", "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=OAUTHBEARER", true, password, []string{"AUTHENTICATE OAUTHBEARER BEARER"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			s := &imapd.Script{Caps: c.caps, On: func(w *imapd.Wire, cmd imapd.Command) bool {
				if cmd.Name != "AUTHENTICATE" && cmd.Name != "LOGIN" {
					return false
				}
				got = append(got, cmd.Name+" "+cmd.Args)
				for len(got) < len(c.lines) {
					if !strings.HasSuffix(cmd.Args, "+}") {
						w.Send("+ go on\r\n")
					}
					line, err := w.Line()
					if err != nil {
						return true
					}
					got = append(got, line)
				}
				w.OK(cmd)
				return true
			}}
			cfg := config(t, script(t, s), imap.TLS)
			cfg.Password = vault.NewSecret(c.password)
			if c.oauth {
				cfg.Token, cfg.Password = given(cfg.Password), vault.Secret{}
			}
			open(t, cfg)
			c.lines[0] = strings.ReplaceAll(c.lines[0], "BEARER BEARER", "BEARER "+bearer(cfg.Port))
			if fmt.Sprint(got) != fmt.Sprint(c.lines) {
				t.Errorf("got %q, want %q", got, c.lines)
			}
		})
	}
}

func TestLoginDisabledIsRespected(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Caps: "IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2"}
	_, err := imap.New(config(t, script(t, s), imap.TLS)).Open(t.Context())
	if f := fault(t, err); f.Class != mail.Login || f.Code != "oauth_required" {
		t.Errorf("class %v, code %q; want Login, oauth_required", f.Class, f.Code)
	}
	if s.Saw("LOGIN") || s.Saw("AUTHENTICATE") {
		t.Errorf("a password was sent: %q", s.Log())
	}
}

func TestAccessTokenLogsInAndItsRefusalIsAnsweredWithAnEmptyLine(t *testing.T) {
	t.Parallel()
	_, _, addr := serve(t, imap.TLS, imapd.Options{})
	cfg := config(t, addr, imap.TLS)
	cfg.Token, cfg.Password = given(cfg.Password), vault.Secret{}
	open(t, cfg)

	cfg.Token = given(vault.NewSecret("stale"))
	_, err := imap.New(cfg).Open(t.Context())
	// The server says BAD, which has no code, to anything but an empty line.
	if f := fault(t, err); f.Class != mail.Login || f.Code != "token_refused" || !strings.Contains(fmt.Sprint(f.Err), "AUTHENTICATIONFAILED") {
		t.Errorf("got %v (%v), want the server's AUTHENTICATIONFAILED", f, f.Err)
	}
}

func TestOneCapabilityCommandAtMostBeforeAndAfterTheLogin(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{
		Greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready",
		On: func(w *imapd.Wire, cmd imapd.Command) bool {
			if cmd.Name == "AUTHENTICATE" {
				w.Send(cmd.Tag + " OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n")
			}
			return cmd.Name == "AUTHENTICATE"
		},
	}
	src := open(t, config(t, script(t, s), imap.TLS))
	for _, err := range src.List(t.Context()) {
		t.Fatal(err)
	}
	if s.Saw("CAPABILITY") {
		t.Errorf("CAPABILITY was asked although it was told: %q", s.Log())
	}
}

func TestControlCharactersNeverReachTheWire(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{}
	addr := script(t, s)
	for what, change := range map[string]func(*imap.Config){
		"user":     func(c *imap.Config) { c.Username = "bob\r\nS9 DELETE INBOX" },
		"password": func(c *imap.Config) { c.Password = vault.NewSecret("x\x00y") },
		"folder":   func(c *imap.Config) { c.Folders = []string{"a\nb"} },
	} {
		cfg := config(t, addr, imap.TLS)
		change(&cfg)
		_, err := imap.New(cfg).Open(t.Context())
		if f := fault(t, err); f.Class != mail.Setup {
			t.Errorf("%s: class %v (%v), want Setup", what, f.Class, f)
		}
	}
	if len(s.Log()) > 0 {
		t.Errorf("commands were sent: %q", s.Log())
	}
}

func TestNothingIsSentBeforeTLS(t *testing.T) {
	t.Parallel()
	answer := func(name, line string) func(*imapd.Wire, imapd.Command) bool {
		return func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name == name {
				w.Send(strings.ReplaceAll(line, "TAG", c.Tag) + "\r\n")
			}
			return c.Name == name
		}
	}
	for code, s := range map[string]*imapd.Script{
		"tls_missing": {On: answer("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done")},
		"tls_refused": {On: answer("STARTTLS", "TAG NO not today")},
		"tls_preauth": {Greeting: "* PREAUTH welcome"},
		"tls_injection": {On: func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name == "STARTTLS" {
				w.Upgrade(c, "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nS1 OK injected\r\n")
			}
			return c.Name == "STARTTLS"
		}},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s.StartTLS = true
			_, err := imap.New(config(t, script(t, s), imap.STARTTLS)).Open(t.Context())
			if f := fault(t, err); f.Class != mail.Setup || f.Code != code {
				t.Errorf("class %v, code %q (%v); want Setup, %q", f.Class, f.Code, f, code)
			}
			if s.Saw("LOGIN") || s.Saw("AUTHENTICATE") {
				t.Errorf("a password was sent: %q", s.Log())
			}
		})
	}
}

func TestPreauthIsNotALogin(t *testing.T) {
	t.Parallel()
	_, err := imap.New(config(t, script(t, &imapd.Script{Greeting: "* PREAUTH welcome"}), imap.TLS)).Open(t.Context())
	if f := fault(t, err); f.Class != mail.Setup || f.Code != "tls_preauth" {
		t.Errorf("class %v, code %q; want Setup, tls_preauth", f.Class, f.Code)
	}
}

func TestGreetingsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		greeting string
		class    mail.Class
		code     string
	}{
		{"* BYE [UNAVAILABLE] down", mail.Transient, "source_unavailable"},
		{"* BYE Too many connections from your address", mail.RateLimited, "source_limit"},
		{"+OK POP3 ready", mail.Protocol, "bad_response"},
		{"220 smtp.example ESMTP", mail.Protocol, "bad_response"},
		{"* OK " + strings.Repeat("x", 100<<10), mail.Protocol, "protocol_limit"},
		{"* OK hello\r\n" + strings.Repeat("* OK again\r\n", 1000), mail.Protocol, "protocol_limit"},
	} {
		_, err := imap.New(config(t, script(t, &imapd.Script{Greeting: c.greeting}), imap.TLS)).Open(t.Context())
		if f := fault(t, err); f.Class != c.class || f.Code != c.code {
			t.Errorf("%.40q: class %v, code %q; want %v, %q", c.greeting, f.Class, f.Code, c.class, c.code)
		}
	}
}

// given is a Token that always gives the same.
func given(token vault.Secret) func(context.Context, vault.Secret) (vault.Secret, error) {
	return func(context.Context, vault.Secret) (vault.Secret, error) { return token, nil }
}

// A token may end before its time: the one that was refused is replaced once,
// and not a second time. What the challenge says of the refusal, and not of the
// token, no other token will mend.
func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status string
		good   string // the token that the server takes
		code   string // "": it gets in
		asked  int
	}{
		{"401", "second", "", 2},
		{"invalid_token", "second", "", 2},
		{"401", "none", "token_refused", 2},
		{"CANARY", "none", "token_refused", 2},
		{"insufficient_scope", "none", "consent_too_small", 1},
		{"403", "second", "consent_too_small", 1},
	} {
		var stale []string
		tokens := []string{"first", "second", "third"}
		s := &imapd.Script{Caps: "IMAP4rev1 SASL-IR AUTH=XOAUTH2", On: func(w *imapd.Wire, cmd imapd.Command) bool {
			if cmd.Name != "AUTHENTICATE" {
				return false
			}
			if said, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(cmd.Args, "XOAUTH2 ")); strings.Contains(string(said), "Bearer "+c.good+"\x01") {
				w.OK(cmd)
				return true
			}
			w.Send("+ " + base64.StdEncoding.EncodeToString([]byte(`{"status":"`+c.status+`","schemes":"bearer"}`)) + "\r\n")
			if line, err := w.Line(); err != nil || line != "" {
				t.Errorf("the challenge was answered %q, %v", line, err)
			}
			w.Send(cmd.Tag + " NO AUTHENTICATE failed.\r\n")
			return true
		}}
		cfg := config(t, script(t, s), imap.TLS)
		cfg.Password = vault.Secret{}
		cfg.Token = func(_ context.Context, was vault.Secret) (vault.Secret, error) {
			stale = append(stale, was.RevealString())
			return vault.NewSecret(tokens[len(stale)-1]), nil
		}
		src, err := imap.New(cfg).Open(t.Context())
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.status, err)
				continue
			}
			_ = src.Close(t.Context())
		} else if f := fault(t, err); f.Class != mail.Login || f.Code != c.code || strings.Contains(fmt.Sprint(f, f.Err), "CANARY") {
			t.Errorf("%s: %q, %v; want %s", c.status, f.Code, f, c.code)
		}
		if want := []string{"", "first"}[:c.asked]; fmt.Sprint(stale) != fmt.Sprint(want) {
			t.Errorf("%s: asked for tokens with %q, want %q", c.status, stale, want)
		}
	}
}
