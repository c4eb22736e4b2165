package probe

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// The four codes of failures before the login.
const (
	unreachable   = "unreachable"
	timeout       = "timeout"
	noTLS         = "tls"
	notMailServer = "not_a_mail_server"
)

// before gives a failure before the login as anybody may see it.
func before(box account.Mailbox, f *mail.Fault) Step {
	s := Step{Err: f}
	switch {
	case f.Code == "dns", f.Code == "address_forbidden":
		s.Name, s.Code, s.Detail = "dns", unreachable, box.Host+" has no address on the public Internet"
		s.Help = "check the spelling of the mail host; a server in your own network has to be allowed by the operator (SMTPSYNC_SOURCE_ALLOW_CIDRS)"
	case f.Code == "host_busy": // it is we who wait
		s.Code, s.Detail, s.Help = unreachable, f.Text, "try again in a minute"
	case slices.Contains([]string{"timeout_connect", "timeout_greeting", "timeout", "too_slow"}, f.Code):
		s.Code, s.Detail = timeout, fmt.Sprintf("%s did not answer in time on port %d", box.Host, box.Port)
		s.Help = "check host, port and security: 993 and 995 are for TLS, 143 and 110 for STARTTLS"
	case strings.HasPrefix(f.Code, "tls_") && f.Code != "tls_preauth":
		s.Code, s.Detail, s.Help = noTLS, f.Text, f.Help // made of the verification alone, not of the server's words
	case f.Class == mail.Protocol, slices.Contains([]string{"not_pop3", "tls_preauth", "cut"}, f.Code):
		s.Code, s.Detail = notMailServer, fmt.Sprintf("%s does not speak %s on port %d", box.Host, speech(box), box.Port)
		s.Help = "check host, port and protocol with your provider"
	case f.Code == "unreachable":
		s.Code, s.Detail, s.Help = unreachable, f.Text, "check host and port with your provider"
	default:
		s.Code, s.Detail, s.Help = unreachable, box.Host+" takes no connections for now", "try again later"
	}
	return s
}

func speech(box account.Mailbox) string {
	if box.Protocol == "pop3" {
		return "POP3"
	}
	return "IMAP"
}

// afterwards gives a failure of the login or behind it, to the one whose
// mailbox it is.
func afterwards(box account.Mailbox, f *mail.Fault) Step {
	s := Step{Code: f.Code, Detail: f.Detail(), Help: f.Help, Err: f}
	if repeats(s.Detail, box) { // the help is always ours
		s.Detail = box.Host + " refused, and its answer is not for showing"
	}
	if f.Err != nil && repeats(f.Err.Error(), box) {
		s.Err = &mail.Fault{Class: f.Class, Code: f.Code, Text: s.Detail, Help: s.Help}
	}
	if f.Class == mail.Login && box.Consent.Provider == "" { // what a provider wants for a password
		if advice := discover.For(box.Host, box.Protocol); advice.Text != "" {
			s.Help = advice.Text
		}
	}
	return s
}

// repeats reports whether a server has sent the password back to us, as it is or
// as it went over the wire.
func repeats(text string, box account.Mailbox) bool {
	password := box.Password.RevealString()
	if box.Consent.Provider != "" {
		password = box.Consent.Access.RevealString()
	}
	if password == "" {
		return false
	}
	text = strings.ToLower(text)
	for _, form := range []string{
		password, url.QueryEscape(password),
		base64.RawStdEncoding.EncodeToString([]byte(password)),
		base64.RawStdEncoding.EncodeToString([]byte("\x00" + box.Username + "\x00" + password)),
	} {
		if strings.Contains(text, strings.ToLower(form)) {
			return true
		}
	}
	return false
}
