package pop3

import (
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// What -ERR to a greeting or login becomes. First the words that name a
// remedy, since some servers put them behind [AUTH]; then the response codes
// (RFC 2449 8.1, RFC 3206); then, only where there is no code, words that
// mean "not now": some hosts report a limit as a refused login.

const (
	lockedPause = time.Minute      // a maildrop lock; the caller doubles it
	limitPause  = 15 * time.Minute // "too many logins", without a figure
)

var remedies = []struct{ words, code, text, help string }{
	{"application-specific password", "app_password_required", "asks for an app password", "create one in the provider's security settings and enter it here"},
	{"app password", "app_password_required", "asks for an app password", "create one in the provider's security settings and enter it here"},
	{"basic authentication", "oauth_required", "no longer takes passwords", "connect this mailbox with the provider's sign-in instead"},
	{"app-specific password", "app_password_required", "asks for an app password", "create one in the provider's security settings and enter it here"},
	{"web login", "web_login_required", "asks to sign in on its web page first", "sign in there once, then try again"},
}

var notNow = []string{"limit", "too many", "exceeded", "later", "locked", "in use"}

// refusal turns -ERR at the door into a Fault.
func (s *Source) refusal(r reply) error {
	words := strings.ToLower(r.text)
	err, said := r.err(), s.quote(r.text)
	for _, m := range remedies {
		if strings.Contains(words, m.words) {
			return &mail.Fault{Class: mail.Login, Code: m.code, Text: s.host + " " + m.text, Said: said, Help: m.help, Err: err}
		}
	}
	now := time.Now()
	switch r.code {
	case "AUTH":
		return s.authFailed(r, err)
	case "IN-USE":
		return &mail.Fault{Class: mail.RateLimited, Scope: "source", Code: "mailbox_locked", Until: now.Add(lockedPause), Err: err,
			Text: "another program has the mailbox open", Help: "it is tried again in a minute"}
	case "LOGIN-DELAY":
		var until time.Time // where nobody says how long, the caller asks less and less often
		if pause := s.caps.loginDelay; pause > 0 {
			until = now.Add(max(pause, lockedPause) * 11 / 10)
		}
		return &mail.Fault{Class: mail.RateLimited, Scope: "source", Code: "login_delay", Until: until, Err: err,
			Text: s.host + " asks for more time between logins", Help: "it is tried again when that has passed"}
	case "SYS/TEMP":
		return &mail.Fault{Class: mail.Transient, Code: "server_busy", Err: err,
			Text: s.host + " has a problem of its own", Help: "it is tried again later"}
	case "SYS/PERM":
		return &mail.Fault{Class: mail.Login, Code: "login_refused", Err: err,
			Text: s.host + " says that this will not work", Said: said, Help: "ask the provider"}
	}
	for _, w := range notNow {
		if strings.Contains(words, w) {
			return &mail.Fault{Class: mail.RateLimited, Scope: "source", Code: "too_many_logins", Until: now.Add(limitPause), Err: err,
				Text: s.host + " does not let us in for now", Said: said, Help: "it is tried again in 15 minutes"}
		}
	}
	// Nothing says that it is the password (RFC 3206 6).
	return &mail.Fault{Class: mail.Login, Code: "auth_unclear", Err: err, Said: said, Text: s.host + " refused the login",
		Help: "the usual causes, in this order: a wrong user name or password, a provider that wants an app password, " +
			"POP3 access that is switched off at the provider, too many logins in a short time"}
}

// turnedAway turns -ERR in place of a greeting into a Fault. Nobody has given
// a user name yet, so it is about the server or our address, and passes.
func (s *Source) turnedAway(r reply) error {
	err := s.refusal(r)
	if mail.ClassOf(err) != mail.Login {
		return err
	}
	return &mail.Fault{Class: mail.Transient, Code: "server_refuses", Err: r.err(),
		Text: s.host + " takes no connections for now", Said: s.quote(r.text), Help: "it is tried again later; if it stays so, ask its operator"}
}

func (s *Source) authFailed(r reply, err error) error {
	return &mail.Fault{Class: mail.Login, Code: "auth_failed", Err: err,
		Text: s.host + " refused the login", Said: s.quote(r.text), Help: "check user name and password; many providers want an app password"}
}

// quote makes a short quotation of the server's words for the user: printable
// ASCII, and none where they repeat password or user name, as they are or as
// they were sent.
func (s *Source) quote(text string) string {
	if mail.Repeats(text, s.hide...) {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 120)]
}

// undelivered is -ERR to one message: the others go on.
func undelivered(ref mail.Ref, r reply) error {
	return &mail.Fault{Class: mail.Undelivered, Code: "not_delivered",
		Text: "the mail server does not hand out " + ref.String(), Help: "it is tried again with the next sync",
		Err: r.err()}
}

// badListing: nothing may be concluded from this listing.
func badListing(host, what string) error {
	return &mail.Fault{Class: mail.Protocol, Code: "bad_listing",
		Text: host + " sent a listing that contradicts itself: " + what, Help: "nothing was changed; if it stays so, ask its operator"}
}

func protocolFault(host, what string) error {
	return &mail.Fault{Class: mail.Protocol, Code: "protocol_error",
		Text: host + " sent " + what, Help: "if it stays so, ask its operator"}
}

// reconnect ends a session that would cost more to keep than to open anew.
func reconnect() error {
	return &mail.Fault{Class: mail.Transient, Code: "reconnect",
		Text: "the connection was given up in the middle of a large message", Help: "the next attempt opens a new one"}
}

func deleteFailed(err error) error {
	return &mail.Fault{Class: mail.Transient, Code: "delete_failed", Err: err,
		Text: "the mail server did not carry out the deletions", Help: "they are tried again with the next sync"}
}
