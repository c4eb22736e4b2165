package hostile

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

const (
	waiting = schedule.Waiting
	failing = schedule.Failing
)

// Servers that do not let anybody get as far as a login.
var connections = []row{
	{name: "nobody listens", protocol: "imap", phase: waiting, code: "unreachable", back: soon},
	{number: 42, name: "greets without end", protocol: "pop3", server: inTLS(endless("+OK ", strings.Repeat("a", 1000))), phase: waiting, code: "protocol_limit", back: minutes, stays: true},
	{number: 42, name: "greets without end", protocol: "imap", server: inTLS(endless("* OK ", strings.Repeat("a", 1000))), phase: waiting, code: "protocol_limit", back: minutes, stays: true},
	{number: 42, name: "greets in lines without end", protocol: "imap", server: inTLS(endless("* OK hello\r\n", "* OK more\r\n")), phase: waiting, code: "protocol_limit", back: minutes, stays: true},
	{number: 43, name: "silent after connect", protocol: "pop3", server: raw(mute), phase: waiting, code: "timeout_connect", back: soon, leave: 35 * time.Second},
	{number: 43, name: "silent after connect", protocol: "imap", server: raw(mute), phase: waiting, code: "timeout_connect", back: soon, leave: 35 * time.Second},
	{number: 43, name: "silent after TLS", protocol: "pop3", server: inTLS(mute), phase: waiting, code: "timeout_greeting", back: soon, leave: 35 * time.Second},
	{number: 43, name: "silent after TLS", protocol: "imap", server: inTLS(mute), phase: waiting, code: "timeout_greeting", back: soon, leave: 35 * time.Second},
	{number: 43, name: "silent in clear", protocol: "pop3", security: "starttls", server: raw(mute), phase: waiting, code: "timeout_greeting", back: soon, leave: 35 * time.Second},
	{number: 43, name: "silent in clear", protocol: "imap", security: "starttls", server: raw(mute), phase: waiting, code: "timeout_greeting", back: soon, leave: 35 * time.Second},
	{number: 44, name: "greets by the octet", protocol: "pop3", server: inTLS(drip("+OK hello, I am a server with much to say before it comes to its point")), phase: waiting, code: "too_slow", or: "timeout", back: soon, leave: 35 * time.Second},
	{number: 44, name: "greets by the octet", protocol: "imap", server: inTLS(drip("* OK hello, I am a server with much to say before it comes to its point")), phase: waiting, code: "too_slow", or: "timeout_greeting", back: soon, leave: 35 * time.Second},
	{number: 60, name: "talks no TLS", protocol: "pop3", server: raw(func(c net.Conn) { _, _ = io.WriteString(c, "+OK hello\r\n"); mute(c) }), phase: failing, code: "tls_handshake", back: half},
	{number: 60, name: "has no STLS", protocol: "pop3", security: "starttls", server: popSTLS(pop3d.Faults{NoSTLS: true}), phase: failing, code: "tls_not_offered", back: half},
	{number: 60, name: "refuses STLS", protocol: "pop3", security: "starttls", server: popSTLS(pop3d.Faults{Replies: map[string]string{"STLS": "-ERR not today"}}), phase: failing, code: "tls_refused", back: half},
	{number: 60, name: "says more behind STLS", protocol: "pop3", security: "starttls", server: popSTLS(pop3d.Faults{InjectSTLS: "+OK logged in\r\n"}), phase: failing, code: "tls_injection", back: half},
	{number: 60, name: "has no STARTTLS", protocol: "imap", security: "starttls", server: script(func(s *imapd.Script) { s.TLS = nil }), phase: failing, code: "tls_missing", back: half},
	{number: 60, name: "refuses STARTTLS", protocol: "imap", security: "starttls", server: startTLS(func(w *imapd.Wire, c imapd.Command) { w.Send(c.Tag + " NO not today\r\n") }), phase: failing, code: "tls_refused", back: half},
	{number: 60, name: "says more behind STARTTLS", protocol: "imap", security: "starttls", server: startTLS(func(w *imapd.Wire, c imapd.Command) { w.Upgrade(c, "* OK you are in\r\n") }), phase: failing, code: "tls_injection", back: half},
	{number: 60, name: "lets anybody in, in clear", protocol: "imap", security: "starttls", server: script(func(s *imapd.Script) { s.StartTLS, s.Greeting = true, "* PREAUTH welcome" }), phase: failing, code: "tls_preauth", back: half},
	{number: 60, name: "lets anybody in", protocol: "imap", server: script(func(s *imapd.Script) { s.Greeting = "* PREAUTH welcome" }), phase: failing, code: "tls_preauth", back: half},
	{number: 61, name: "certificate has expired", protocol: "pop3", server: popWith(expired, false, pop3d.Faults{}), phase: failing, code: "tls_certificate", back: half},
	{number: 61, name: "certificate is not valid yet", protocol: "pop3", server: popWith(notYetValid, false, pop3d.Faults{}), phase: failing, code: "tls_certificate", back: half},
	{number: 61, name: "certificate is self-signed", protocol: "pop3", security: "starttls", server: popWith(selfSigned, true, pop3d.Faults{}), phase: failing, code: "tls_certificate", back: half},
	{number: 61, name: "certificate is another's", protocol: "imap", server: script(func(s *imapd.Script) { s.TLS = wrongName() }), phase: failing, code: "tls_certificate", back: half},
}

// Servers that do not let us in.
var logins = []row{
	{number: 58, name: "refuses the password", protocol: "pop3", server: popPass("-ERR [AUTH] no"), phase: waiting, code: "auth_failed", back: minutes, stays: true},
	{number: 58, name: "refuses the password", protocol: "imap", server: imapLogin("NO [AUTHENTICATIONFAILED] no"), phase: waiting, code: "auth_failed", back: minutes, stays: true},
	{number: 58, name: "is unavailable", protocol: "imap", server: imapLogin("NO [UNAVAILABLE] the user database is away"), phase: waiting, code: "source_unavailable", back: soon},
	{number: 58, name: "has a problem", protocol: "pop3", server: popPass("-ERR [SYS/TEMP] try again"), phase: waiting, code: "server_busy", back: soon},
	{number: 58, name: "will not ever", protocol: "pop3", server: popPass("-ERR [SYS/PERM] account is closed"), phase: failing, code: "login_refused", back: day},
	{number: 58, name: "asks for a delay", protocol: "pop3", server: popPass("-ERR [LOGIN-DELAY] not so fast"), phase: waiting, code: "login_delay", back: minute},
	{number: 58, name: "has seen too many logins", protocol: "pop3", server: popPass("-ERR too many logins, try later"), phase: waiting, code: "too_many_logins", back: quarter},
	{number: 58, name: "has seen too many logins", protocol: "imap", server: imapLogin("NO [LIMIT] too many"), phase: waiting, code: "source_limit", back: quarter},
	{number: 58, name: "wants its support asked", protocol: "imap", server: imapLogin("NO [CONTACTADMIN] call us"), phase: failing, code: "contact_admin", back: day},
	{number: 58, name: "says the password has expired", protocol: "imap", server: imapLogin("NO [EXPIRED] choose another"), phase: failing, code: "password_expired", back: day},
	{number: 58, name: "greets with a refusal", protocol: "pop3", server: pop(pop3d.Faults{Greeting: "-ERR out of order"}), phase: waiting, code: "server_refuses", back: soon},
	{number: 58, name: "says good-bye at once", protocol: "imap", server: script(func(s *imapd.Script) { s.Greeting = "* BYE out of order" }), phase: waiting, code: "source_unavailable", back: soon},
	{number: 59, name: "wants an app password", protocol: "pop3", server: popPass("-ERR [AUTH] Application-specific password required"), phase: failing, code: "app_password_required", back: day},
	{number: 59, name: "wants an app password", protocol: "imap", server: imapLogin("NO [ALERT] Application-specific password required"), phase: failing, code: "app_password_required", back: day},
	{number: 59, name: "takes no passwords", protocol: "imap", server: script(func(s *imapd.Script) { s.Caps = "IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2" }), phase: failing, code: "oauth_required", back: day},
	{number: 65, name: "maildrop is locked", protocol: "pop3", server: popPass("-ERR [IN-USE] maildrop is locked"), phase: waiting, code: "mailbox_locked", back: minute, stays: true},
	{number: 65, name: "mailbox is in use", protocol: "imap", server: imapLogin("NO [INUSE] another program"), phase: waiting, code: "in_use", back: minute, stays: true},
}

// Servers whose listings make no sense, or little.
var listings = []row{
	{number: 45, name: "tells of mail and never answers", protocol: "imap", server: at("EXAMINE", trickle("* 1 EXISTS\r\n")), phase: waiting, code: "timeout", back: soon, leave: 3 * time.Minute},
	{number: 45, name: "lists an octet a second", protocol: "pop3", server: pop(pop3d.Faults{Write: slowly("1 uid-")}), phase: waiting, code: "too_slow", back: soon, leave: 3 * time.Minute},
	{number: 46, name: "sends parentheses", protocol: "imap", server: at("EXAMINE", func(w *imapd.Wire, _ imapd.Command) {
		w.Send("* 1 FETCH (BODYSTRUCTURE " + strings.Repeat("(", 8<<20))
	}), phase: waiting, code: "protocol_limit", back: minutes, stays: true},
	{number: 50, name: "UIDL is garbage", protocol: "pop3", server: pop(pop3d.Faults{UIDL: func(int, string) string { return "garbage" }}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 51, name: "unique-ids repeat", protocol: "pop3", server: pop(pop3d.Faults{UIDL: func(n int, _ string) string { return strconv.Itoa(n) + " same" }}), phase: schedule.Idle},
	{number: 51, name: "unique-ids are too long", protocol: "pop3", server: pop(pop3d.Faults{UIDL: func(n int, _ string) string { return strconv.Itoa(n) + " " + strings.Repeat("x", 71) }}), phase: schedule.Idle},
	{number: 51, name: "unique-ids have 8 bits", protocol: "pop3", server: pop(pop3d.Faults{UIDL: func(n int, _ string) string { return fmt.Sprintf("%d \xe9%d", n, n) }}), phase: schedule.Idle},
	{number: 52, name: "message numbers are negative", protocol: "pop3", server: pop(pop3d.Faults{UIDL: func(n int, uidl string) string { return fmt.Sprintf("%d %s", -n, uidl) }}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 52, name: "message numbers are beyond STAT", protocol: "pop3", server: pop(pop3d.Faults{List: func(n int, size int64) string { return fmt.Sprintf("%d %d", n+5, size) }}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 53, name: "STAT disagrees", protocol: "pop3", server: pop(pop3d.Faults{Stat: "7 700"}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 53, name: "LIST leaves one out", protocol: "pop3", server: pop(pop3d.Faults{List: func(n int, size int64) string {
		if n == 1 {
			return ""
		}
		return fmt.Sprintf("%d %d", n, size)
	}}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 53, name: "UIDL leaves one out", protocol: "pop3", server: pop(pop3d.Faults{UIDL: func(n int, uidl string) string {
		if n == 1 {
			return ""
		}
		return fmt.Sprintf("%d %s", n, uidl)
	}}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 53, name: "STAT is negative", protocol: "pop3", server: pop(pop3d.Faults{Stat: "-2 -700"}), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 54, name: "has no UIDL", protocol: "pop3", server: pop(pop3d.Faults{NoUIDL: true}), phase: schedule.Idle},
	{number: 56, name: "UID is 0", protocol: "imap", server: listed("* 1 FETCH (UID 0 RFC822.SIZE 10)\r\n"), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 56, name: "UIDs go down", protocol: "imap", server: listed("* 2 FETCH (UID 2 RFC822.SIZE 10)\r\n* 1 FETCH (UID 1 RFC822.SIZE 10)\r\n"), phase: schedule.Idle},
	{number: 56, name: "UIDs repeat", protocol: "imap", server: listed("* 1 FETCH (UID 9 RFC822.SIZE 10)\r\n* 2 FETCH (UID 9 RFC822.SIZE 10)\r\n"), phase: waiting, code: "bad_listing", back: minutes, stays: true},
	{number: 57, name: "sizes are 0", protocol: "pop3", server: pop(pop3d.Faults{List: func(n int, _ int64) string { return fmt.Sprintf("%d 0", n) }}), phase: schedule.Idle},
	{number: 57, name: "sizes are 5 GB", protocol: "pop3", server: pop(pop3d.Faults{List: func(n int, _ int64) string { return fmt.Sprintf("%d %d", n, 5<<30) }}), phase: schedule.Idle},
	{number: 57, name: "sizes are negative", protocol: "pop3", server: pop(pop3d.Faults{List: func(n int, _ int64) string { return fmt.Sprintf("%d -1", n) }}), phase: schedule.Idle},
	{number: 57, name: "sizes are 5 GB", protocol: "imap", server: script(func(s *imapd.Script) {
		for i := range s.Messages {
			s.Messages[i].Size = 5 << 30
		}
	}), phase: schedule.Idle},
}

// Servers that do not hand out what they list.
var bodies = []row{
	{number: 44, name: "hands out an octet a second", protocol: "pop3", server: pop(pop3d.Faults{Write: slowly("Received: ")}), phase: waiting, code: "too_slow", back: soon, leave: 15 * time.Minute},
	{number: 44, name: "hands out an octet a second", protocol: "imap", server: fetching(func(w *imapd.Wire, s *imapd.Script, i int) bool {
		for _, c := range []byte(s.Answer(i)) {
			w.Send(string([]byte{c}))
			time.Sleep(time.Second)
		}
		return true
	}), phase: waiting, code: "too_slow", back: soon, leave: 15 * time.Minute},
	{number: 47, name: "announces a literal of a terabyte", protocol: "imap", server: fetching(func(w *imapd.Wire, _ *imapd.Script, i int) bool {
		w.Send(fmt.Sprintf("* %d FETCH (UID %d BODY[] {999999999999}\r\n", i+1, i+1))
		return true
	}), phase: waiting, code: "protocol_limit", back: minutes, stays: true},
	{number: 48, name: "literal ends early", protocol: "imap", server: fetching(func(w *imapd.Wire, s *imapd.Script, i int) bool {
		whole := s.Answer(i)
		w.Send(whole[:len(whole)/2])
		w.Close()
		return false
	}), phase: waiting, code: "cut", back: soon},
	{number: 49, name: "body has no final dot", protocol: "pop3", server: pop(pop3d.Faults{CutRetr: 300}), phase: waiting, code: "cut", back: soon},
	{number: 49, name: "cuts at UIDL", protocol: "pop3", server: pop(pop3d.Faults{CutAt: "UIDL"}), phase: waiting, code: "cut", back: soon},
	{number: 62, name: "says good-bye in a body", protocol: "imap", server: fetching(func(w *imapd.Wire, s *imapd.Script, i int) bool {
		w.Send("* BYE closing down\r\n")
		w.Close()
		return false
	}), phase: waiting, code: "cut", back: soon},
	{number: 64, name: "keeps what was deleted", protocol: "pop3", after: bridge.Delete, server: pop(pop3d.Faults{KeepDeleted: true}), phase: schedule.Idle, note: "delete_ignored"},
}

func popPass(answer string) server {
	return pop(pop3d.Faults{Replies: map[string]string{"PASS": answer}})
}

func imapLogin(answer string) server {
	return at("AUTHENTICATE", func(w *imapd.Wire, c imapd.Command) { w.Send(c.Tag + " " + answer + "\r\n") })
}

func startTLS(answer func(*imapd.Wire, imapd.Command)) server {
	return script(func(s *imapd.Script) {
		s.StartTLS = true
		s.On = func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name == "STARTTLS" {
				answer(w, c)
			}
			return c.Name == "STARTTLS"
		}
	})
}

// trickle says something every second, and never comes to an end.
func trickle(text string) func(*imapd.Wire, imapd.Command) {
	return func(w *imapd.Wire, _ imapd.Command) {
		for range 3600 {
			w.Send(text)
			time.Sleep(time.Second)
		}
	}
}

// listed answers the question for all messages.
func listed(lines string) server {
	return script(func(s *imapd.Script) {
		s.On = func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name != "UID FETCH" || strings.Contains(c.Args, "BODY") {
				return false
			}
			w.Send(lines)
			w.OK(c)
			return true
		}
	})
}

// fetching hands out bodies in its own way, until it is told not to go on.
func fetching(one func(w *imapd.Wire, s *imapd.Script, i int) bool) server {
	return script(func(s *imapd.Script) {
		s.On = func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name != "UID FETCH" || !strings.Contains(c.Args, "BODY") {
				return false
			}
			for i := range s.Messages {
				if !one(w, s, i) {
					return true
				}
			}
			w.OK(c)
			return true
		}
	})
}

// slowly writes an octet a second wherever this is in what is written.
func slowly(in string) func([]byte, func([]byte) (int, error)) (int, error) {
	return func(p []byte, write func([]byte) (int, error)) (int, error) {
		if !strings.Contains(string(p), in) {
			return write(p)
		}
		for i := range p {
			if _, err := write(p[i : i+1]); err != nil {
				return i, err
			}
			time.Sleep(time.Second)
		}
		return len(p), nil
	}
}
