package probe

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestGoodMailboxPassesEveryStepInTheOrderOfTheWire(t *testing.T) {
	t.Parallel()
	good := ca.Server("127.0.0.1")
	size := int64(len(testkit.Message(1)) + len(testkit.Message(2)))
	imap := func(implicit bool) account.Mailbox {
		srv := imapd.New(imapd.Options{TLS: ca.ServerConfig("127.0.0.1")})
		t.Cleanup(func() { _ = srv.Close() })
		ann := srv.AddUser("ann@example.com", password)
		ann.Deliver("INBOX", testkit.Message(1))
		ann.Deliver("INBOX", testkit.Message(2))
		ann.AddFolder("Archiv/Büro")
		listen, security := srv.Listen, "starttls"
		if implicit {
			listen, security = srv.ListenTLS, "tls"
		}
		addr, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		return at(t, "imap", security, addr)
	}
	for _, c := range []struct {
		name    string
		box     account.Mailbox
		steps   string
		folders int
	}{
		{"POP3S", maildrop(t, "tls", good, pop3d.Faults{}), "dns connect tls greeting capability login list", 0},
		{"POP3+STLS", maildrop(t, "starttls", good, pop3d.Faults{}), "dns connect greeting capability tls login list", 0},
		{"IMAPS", imap(true), "dns connect tls greeting capability login list", 2},
		{"IMAP+STARTTLS", imap(false), "dns connect greeting tls capability login list", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := test(t, c.box)
			if !got.OK || strings.Join(names(got.Steps), " ") != c.steps || !last(t, got).OK {
				t.Fatalf("got %+v", got)
			}
			if got.Messages == nil || *got.Messages != 2 || got.Bytes == nil || *got.Bytes != size || len(got.Folders) != c.folders {
				out, _ := json.Marshal(got)
				t.Errorf("got %s, want 2 messages, %d octets", out, size)
			}
			i := slices.IndexFunc(got.Steps, func(s Step) bool { return s.Name == "tls" })
			s := got.Steps[i]
			if s.TLS == nil || s.TLS.Version != "TLS 1.3" || s.TLS.Name != "127.0.0.1" || s.TLS.ExpiresDays < 1000 ||
				!slices.Equal(s.TLS.Chain, []string{"smtp-sync test server", "smtp-sync test authority"}) || s.Detail == "" {
				t.Errorf("tls: %+v %+v", s, s.TLS)
			}
		})
	}
}

func TestDovecotPassesOnEveryWay(t *testing.T) {
	t.Parallel()
	srv := dovecot.Start(t)
	if err := srv.AddUser("ann", password); err != nil {
		t.Fatal(err)
	}
	for folder, seeds := range map[string][]uint64{"": {1, 2, 3}, "Work/2024": {4}} {
		for _, seed := range seeds {
			if err := srv.Deliver("ann", folder, testkit.Message(seed)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, way := range srv.Ways() {
		security := "tls"
		if way.StartTLS {
			security = "starttls"
		}
		box := account.Mailbox{Protocol: way.Protocol, Host: srv.Host, Port: way.Port, Security: security, Username: "ann", Password: vault.NewSecret(password)}
		p := prober(loopback, uint16(way.Port))
		p.dial = dialerFor(srv.CA, way.Port)
		got, err := p.Test(t.Context(), id.New[id.User](), box, nil)
		if err != nil || !got.OK || *got.Messages != 3 || got.Bytes == nil || *got.Bytes < 1000 {
			out, _ := json.Marshal(got)
			t.Errorf("%s: %s, %v", way.Name, out, err)
			continue
		}
		work := slices.IndexFunc(got.Folders, func(f Folder) bool { return f.Name == "Work/2024" })
		if way.Protocol == "imap" && (got.Folders[0].Name != "INBOX" || work < 0 || *got.Folders[work].Messages != 1 || *got.Folders[work].Bytes < 300) {
			t.Errorf("%s: folders %+v", way.Name, got.Folders)
		}
		box.Password = vault.NewSecret("wrong")
		if got, err := p.Test(t.Context(), id.New[id.User](), box, nil); err != nil || got.OK || last(t, got).Code != "auth_failed" {
			t.Errorf("%s, wrong password: %+v, %v", way.Name, got, err)
		}
	}
}

// answer lets a script answer one command with these lines; "TAG" is the tag.
func answer(name, lines string) func(w *imapd.Wire, c imapd.Command) bool {
	return func(w *imapd.Wire, c imapd.Command) bool {
		if c.Name != name {
			return false
		}
		w.Send(strings.ReplaceAll(lines, "TAG", c.Tag))
		if lines == "" {
			w.Close()
		}
		return true
	}
}

func TestEachStepFailsWithItsCode(t *testing.T) {
	t.Parallel()
	good := ca.Server("127.0.0.1")
	reply := func(command, line string) pop3d.Faults {
		return pop3d.Faults{Replies: map[string]string{command: line}}
	}
	named := func(host string, box account.Mailbox) account.Mailbox { box.Host = host; return box }
	closedPort := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}()
	for name, c := range map[string]struct {
		box        account.Mailbox
		step, code string
	}{
		"no such name":      {named("nosuch.example", at(t, "imap", "tls", closedPort)), "dns", unreachable},
		"forbidden address": {named("[::1]", at(t, "imap", "tls", closedPort)), "dns", unreachable},
		"metadata address":  {named("169.254.169.254", at(t, "imap", "tls", closedPort)), "dns", unreachable},
		"closed port":       {at(t, "imap", "tls", closedPort), "connect", unreachable},

		"expired":              {maildrop(t, "tls", ca.Expired("127.0.0.1"), pop3d.Faults{}), "tls", noTLS},
		"self-signed":          {maildrop(t, "tls", ca.SelfSigned("127.0.0.1"), pop3d.Faults{}), "tls", noTLS},
		"wrong name, STLS":     {maildrop(t, "starttls", ca.WrongName(), pop3d.Faults{}), "tls", noTLS},
		"expired, IMAP":        {script(t, &imapd.Script{TLS: &tls.Config{Certificates: []tls.Certificate{ca.Expired("127.0.0.1")}}}), "tls", noTLS},
		"clear text on TLS":    {at(t, "imap", "tls", says(t, false, "* OK hello\r\n")), "tls", noTLS},
		"silence on TLS":       {at(t, "imap", "tls", silent(t)), "tls", timeout},
		"STLS not offered":     {maildrop(t, "starttls", good, pop3d.Faults{NoSTLS: true}), "tls", noTLS},
		"STLS injection":       {maildrop(t, "starttls", good, pop3d.Faults{InjectSTLS: "+OK\r\n"}), "tls", noTLS},
		"STARTTLS not offered": {at(t, "imap", "starttls", says(t, false, "* OK [CAPABILITY IMAP4rev1] hi\r\n")), "tls", noTLS},
		"STARTTLS refused":     {script(t, &imapd.Script{StartTLS: true, On: answer("STARTTLS", "TAG NO\r\n")}), "tls", noTLS},

		"web server, IMAP":   {at(t, "imap", "tls", says(t, true, "HTTP/1.1 400 Bad Request\r\n\r\n")), "greeting", notMailServer},
		"SMTP, POP3":         {at(t, "pop3", "tls", says(t, true, "220 mx ESMTP\r\n")), "greeting", notMailServer},
		"SSH, STARTTLS":      {at(t, "imap", "starttls", says(t, false, "SSH-2.0-OpenSSH_9.6\r\n")), "greeting", notMailServer},
		"hangs up":           {at(t, "imap", "tls", says(t, true, "")), "greeting", notMailServer},
		"hangs up, POP3":     {at(t, "pop3", "tls", says(t, true, "")), "greeting", notMailServer},
		"lets anybody in":    {script(t, &imapd.Script{Greeting: "* PREAUTH hello"}), "greeting", notMailServer},
		"endless line":       {at(t, "imap", "tls", says(t, true, strings.Repeat("a", 64<<10))), "greeting", notMailServer},
		"no connections now": {script(t, &imapd.Script{Greeting: "* BYE too many"}), "greeting", unreachable},
		"none now, POP3":     {maildrop(t, "tls", good, pop3d.Faults{Greeting: "-ERR [SYS/TEMP] later"}), "greeting", unreachable},

		"CAPABILITY refused": {script(t, &imapd.Script{On: answer("CAPABILITY", "TAG NO never\r\n")}), "capability", notMailServer},
		"CAPA cut":           {maildrop(t, "tls", good, pop3d.Faults{CutAt: "CAPA"}), "capability", notMailServer},

		"wrong password":       {maildrop(t, "tls", good, reply("PASS", "-ERR [AUTH] no")), "login", "auth_failed"},
		"wrong password, IMAP": {script(t, &imapd.Script{On: answer("AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] no\r\n")}), "login", "auth_failed"},
		"app password":         {maildrop(t, "tls", good, reply("PASS", "-ERR application-specific password required")), "login", "app_password_required"},
		"app password, IMAP":   {script(t, &imapd.Script{On: answer("AUTHENTICATE", "TAG NO [ALERT] Application-specific password required\r\n")}), "login", "app_password_required"},
		"locked":               {maildrop(t, "tls", good, reply("PASS", "-ERR [IN-USE] busy")), "login", "mailbox_locked"},
		"takes no passwords":   {script(t, &imapd.Script{Caps: "IMAP4rev1 LOGINDISABLED"}), "login", "oauth_required"},
		"cut in the login":     {maildrop(t, "tls", good, pop3d.Faults{CutAt: "PASS"}), "login", "cut"},

		"no such INBOX":       {script(t, &imapd.Script{On: answer("STATUS", "TAG NO [NONEXISTENT] none\r\n")}), "list", "folder_missing"},
		"STAT makes no sense": {maildrop(t, "tls", good, pop3d.Faults{Stat: "many"}), "list", "bad_listing"},
		"cut in the list":     {maildrop(t, "tls", good, pop3d.Faults{CutAt: "STAT"}), "list", "cut"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test(t, c.box)
			s := last(t, got)
			if got.OK || s.OK || s.Name != c.step || s.Code != c.code || s.Detail == "" || s.Help == "" {
				t.Errorf("got %+v (%v), want %s to fail with %s", s, s.Err, c.step, c.code)
			}
			if got.Messages != nil || got.Bytes != nil || len(got.Folders) > 0 {
				t.Errorf("a failed test has figures: %+v", got)
			}
		})
	}
}

func TestWordsOfAnUnprovenServerAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, box := range map[string]account.Mailbox{
		"IMAP":  at(t, "imap", "starttls", says(t, false, "SSH-2.0-canary\r\n")),
		"BYE":   script(t, &imapd.Script{Greeting: "* BYE canary"}),
		"POP3":  at(t, "pop3", "starttls", says(t, false, "SSH-2.0-canary\r\n")),
		"-ERR":  maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{Greeting: "-ERR canary"}),
		"BYE 2": script(t, &imapd.Script{On: answer("CAPABILITY", "* BYE canary\r\nTAG NO canary\r\n")}),
	} {
		got := test(t, box)
		out, err := json.Marshal(got)
		if err != nil || got.OK || strings.Contains(string(out), "canary") {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

func TestPasswordIsEchoedNowhere(t *testing.T) {
	t.Parallel()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00ann@example.com\x00" + password))
	var texts []string
	for _, said := range []string{password, strings.ToUpper(password), plain, base64.StdEncoding.EncodeToString([]byte(password)), "user ann@example.com"} {
		box := script(t, &imapd.Script{On: answer("AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] bad "+said+"\r\n")})
		other := maildrop(t, "tls", ca.Server("127.0.0.1"), pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [SYS/PERM] bad " + said}})
		for _, box := range []account.Mailbox{box, other} {
			got := test(t, box)
			out, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if s := last(t, got); s.Name != "login" || s.Help == "" {
				t.Errorf("got %s", out)
			}
			texts = append(texts, string(out), fmt.Sprintf("%+v %#v", got, box))
			for _, s := range got.Steps {
				for err := s.Err; err != nil; err = errors.Unwrap(err) {
					texts = append(texts, err.Error())
				}
			}
		}
	}
	for _, text := range texts {
		for _, secret := range []string{password, plain[:20], base64.RawStdEncoding.EncodeToString([]byte(password))[:20]} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("the password is in %s", text)
			}
		}
	}
}

func TestHelpIsTheProvidersOwn(t *testing.T) {
	t.Parallel()
	box := account.Mailbox{Protocol: "imap", Host: "imap.mail.yahoo.com", Port: 993}
	for _, c := range []struct {
		f    *mail.Fault
		want string
	}{
		{&mail.Fault{Class: mail.Login, Code: "auth_failed", Text: "no", Help: "check"}, "Yahoo"},
		{&mail.Fault{Class: mail.RateLimited, Code: "source_limit", Text: "no", Help: "wait"}, "wait"},
	} {
		if got := afterwards(box, c.f); !strings.Contains(got.Help, c.want) {
			t.Errorf("%s: %q, want %q in it", c.f.Code, got.Help, c.want)
		}
	}
}

func TestFailureBeforeTheLoginHasOneOfFourCodes(t *testing.T) {
	t.Parallel()
	four := []string{unreachable, timeout, noTLS, notMailServer}
	for _, class := range []mail.Class{mail.Transient, mail.RateLimited, mail.Login, mail.Setup, mail.Protocol} {
		for _, code := range []string{"dns", "address_forbidden", "unreachable", "timeout_connect", "timeout_greeting", "timeout", "too_slow", "cut",
			"tls_certificate", "tls_handshake", "tls_preauth", "protocol_limit", "protocol_error", "not_pop3", "server_refuses", "source_limit", "host_busy", "something new"} {
			s := before(account.Mailbox{Host: "h.example", Port: 993, Protocol: "imap"}, &mail.Fault{Class: class, Code: code, Text: "x", Help: "y"})
			if !slices.Contains(four, s.Code) || s.Detail == "" || s.Help == "" {
				t.Errorf("%v %s: %+v", class, code, s)
			}
		}
	}
}

func TestForbiddenAndMissingNamesLookTheSameAndTakeAsLong(t *testing.T) {
	t.Parallel()
	const floor = 200 * time.Millisecond
	var seen []string
	for _, host := range []string{"localhost", "nosuch.example", "127.0.0.1"} {
		p := prober(nil, 993)
		p.floor = floor
		start := time.Now()
		var told time.Duration
		got, err := p.Test(t.Context(), id.New[id.User](), account.Mailbox{Protocol: "imap", Host: host, Port: 993, Security: "tls",
			Username: "ann", Password: vault.NewSecret(password)}, func(Step) { told = time.Since(start) })
		if err != nil || len(got.Steps) != 1 {
			t.Fatalf("%s: %+v, %v", host, got, err)
		}
		if ms := time.Duration(got.Steps[0].MS+1) * time.Millisecond; told < floor || time.Since(start) < floor || ms < floor {
			t.Errorf("%s: told after %v, says %v, ended after %v; want at least %v", host, told, ms, time.Since(start), floor)
		}
		s := got.Steps[0]
		s.MS, s.Err = 0, nil
		seen = append(seen, strings.ReplaceAll(fmt.Sprintf("%+v", s), host, "HOST"))
	}
	if seen[0] != seen[1] || seen[1] != seen[2] {
		t.Errorf("they differ: %q", seen)
	}
}

func TestFloorIsKeptForEveryFailureBeforeTheLogin(t *testing.T) {
	t.Parallel()
	for name, box := range map[string]account.Mailbox{
		"tls":      maildrop(t, "tls", ca.Expired("127.0.0.1"), pop3d.Faults{}),
		"greeting": at(t, "imap", "tls", says(t, true, "")),
	} {
		p := prober(loopback, uint16(box.Port))
		p.floor = 500 * time.Millisecond
		start := time.Now()
		if _, err := p.Test(t.Context(), id.New[id.User](), box, nil); err != nil || time.Since(start) < p.floor {
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
	}
}

func TestBadInputIsAnErrorAndGoesNowhere(t *testing.T) {
	t.Parallel()
	good := account.Mailbox{Protocol: "pop3", Host: "127.0.0.1", Port: 995, Security: "tls", Username: "ann", Password: vault.NewSecret(password)}
	for code, change := range map[string]func(*account.Mailbox){
		"protocol_invalid":  func(m *account.Mailbox) { m.Protocol = "smtp" },
		"port_invalid":      func(m *account.Mailbox) { m.Port = 65536 + 995 },
		"port_forbidden":    func(m *account.Mailbox) { m.Port = 22 },
		"security_invalid":  func(m *account.Mailbox) { m.Security = "none" },
		"username_required": func(m *account.Mailbox) { m.Username = "" },
		"password_required": func(m *account.Mailbox) { m.Password = vault.Secret{} },
		"host_invalid":      func(m *account.Mailbox) { m.Host = "https://127.0.0.1/" },
		"control_character": func(m *account.Mailbox) { m.Password = vault.NewSecret("a\r\nDELE 1") },
		"folder_invalid": func(m *account.Mailbox) {
			m.Protocol, m.Folders = "imap", []account.Folder{{Name: "a\r\nb"}}
		},
	} {
		box := good
		change(&box)
		p := prober(loopback, 995)
		got, err := p.Test(t.Context(), id.New[id.User](), box, func(s Step) { t.Errorf("%s: told %+v", code, s) })
		if f, _ := mail.AsFault(err); f == nil || f.Code != code || len(got.Steps) > 0 {
			t.Errorf("%s: %+v, %v", code, got, err)
		}
		if len(p.limiter.failed) > 0 || len(p.limiter.counts) > 0 {
			t.Errorf("%s was counted as a failed login", code)
		}
	}
}
