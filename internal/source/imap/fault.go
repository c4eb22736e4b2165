package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/sasl"
)

// A refusal is a NO, BAD or BYE of the server, from our preamble or go-imap's.
type refusal struct {
	status string // "NO", "BAD", "BYE"
	code   string // RFC 5530 response code, or ""
	text   string
}

// Error is for the operator's log. A hostile server may repeat the password or
// a message in any word of its answer: only words that we know are let through.
func (r *refusal) Error() string {
	status, code := "something else", ""
	if slices.Contains([]string{"NO", "BAD", "BYE", "PREAUTH"}, r.status) {
		status = r.status
	}
	if slices.Contains(knownCodes, r.code) {
		code = " [" + r.code + "]"
	}
	return "server said " + status + code
}

// knownCodes are the response codes of RFC 5530 and RFC 9051 7.1.
var knownCodes = []string{"ALERT", "ALREADYEXISTS", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "BADCHARSET", "CANNOT",
	"CLIENTBUG", "CLOSED", "CONTACTADMIN", "CORRUPTION", "EXPIRED", "EXPUNGEISSUED", "HASCHILDREN", "INUSE", "LIMIT",
	"NONEXISTENT", "NOPERM", "OVERQUOTA", "PARSE", "PRIVACYREQUIRED", "READ-ONLY", "SERVERBUG", "TRYCREATE",
	"UNAVAILABLE", "UNKNOWN-CTE"}

// slowDown is how long a server that names a limit is left alone. Providers
// count in windows of 5 to 15 minutes.
const slowDown = 15 * time.Minute

var (
	limitWords = []string{"too many", "rate limit", "limit exceeded", "exceeded the login limit", "login limit",
		"connection limit", "maximum number of connections", "try again later", "throttl"}
	oauthWords = []string{"basic authentication is disabled", "basic authentication is not supported", "basicauthblocked"}
	appWords   = []string{"application-specific password", "app password", "app-specific password", "less secure app"}
	webWords   = []string{"web login", "log in via your web browser"}
)

func contains(text string, words []string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// common maps what means the same at the login and later (RFC 5530 3,
// and the words that providers use instead of codes); nil: nothing known.
func (r *refusal) common(host string) *mail.Fault {
	switch {
	case r.code == "LIMIT" || contains(r.text, limitWords):
		return &mail.Fault{Class: mail.RateLimited, Code: "source_limit", Scope: "source", Until: time.Now().Add(slowDown), Err: r,
			Text: fmt.Sprintf("%s asks for fewer connections or requests", host), Help: "it is tried again later; close other mail programs if it stays so"}
	case r.code == "PRIVACYREQUIRED":
		return &mail.Fault{Class: mail.Setup, Code: "tls_required", Err: r,
			Text: fmt.Sprintf("%s wants TLS", host), Help: `set the security of the mailbox to "tls" or "starttls"`}
	case r.code == "INUSE":
		return &mail.Fault{Class: mail.Transient, Code: "in_use", Err: r,
			Text: fmt.Sprintf("the mailbox at %s is in use by another program", host), Help: "it is tried again"}
	case r.code == "UNAVAILABLE", r.code == "SERVERBUG", r.code == "CORRUPTION", r.status == "BYE":
		return &mail.Fault{Class: mail.Transient, Code: "source_unavailable", Err: r,
			Text: fmt.Sprintf("%s is not available at the moment", host), Help: "it is tried again"}
	}
	return nil
}

// login maps a refused login. cfg knows what must not be repeated, status is
// what a challenge said of an access token.
func (r *refusal) login(cfg Config, status string) *mail.Fault {
	if f := r.common(cfg.Host); f != nil {
		return f
	}
	f := &mail.Fault{Class: mail.Login, Err: r,
		Text: fmt.Sprintf("%s refused the login", cfg.Host), Said: r.quote(cfg)}
	switch {
	case contains(r.text, oauthWords):
		f.Code, f.Help = "oauth_required", "this provider takes no password: connect the mailbox with the provider's own sign-in"
	case contains(r.text, appWords):
		f.Code, f.Help = "app_password_required", "create an app password in the provider's account settings and enter it here"
	case contains(r.text, webWords):
		f.Code, f.Help = "web_login_required", "sign in once on the provider's web page, then try again; some want an app password"
	case r.code == "AUTHORIZATIONFAILED", r.code == "NOPERM":
		f.Code, f.Help = "not_authorized", "switch IMAP access on in the provider's settings, or ask the provider"
	case r.code == "EXPIRED":
		f.Code, f.Help = "password_expired", "set a new password at the provider and enter it here"
	case r.code == "CONTACTADMIN":
		f.Code, f.Help = "contact_admin", "the provider wants you to contact its support"
	case r.code == "AUTHENTICATIONFAILED":
		f.Code, f.Help = "auth_failed", "check user name and password; many providers want an app password"
	default: // words without a code: as likely a limit as a wrong password
		f.Code, f.Help = "auth_unclear", unclear
	}
	if cfg.Token != nil {
		return sasl.Explain(f, "IMAP", status)
	}
	return f
}

// unclear is the help where a server refuses and does not say why.
const unclear = "the usual causes, in this order: a wrong user name or password, a provider that wants an app password, " +
	"IMAP access that is switched off at the provider, too many logins in a short time"

// quote gives the server's words for the user, or "": printable ASCII, short,
// and nothing that repeats the credentials, as they are or as they were sent,
// or an address.
func (r *refusal) quote(cfg Config) string {
	text := strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e || c == '"' {
			return -1
		}
		return c
	}, r.text)
	text = strings.TrimSpace(text[:min(len(text), 120)])
	if strings.Contains(text, "@") || mail.Repeats(r.text, cfg.Username, cfg.Password.RevealString()) {
		return ""
	}
	return text
}

// later maps a refusal of a command after the login.
func (r *refusal) later(host, doing string) *mail.Fault {
	if f := r.common(host); f != nil {
		return f
	}
	switch r.code {
	case "NOPERM", "AUTHORIZATIONFAILED", "CONTACTADMIN", "EXPIRED", "CANNOT", "READ-ONLY":
		return &mail.Fault{Class: mail.Setup, Code: "not_permitted", Err: r,
			Text: fmt.Sprintf("%s does not permit us to %s", host, doing), Help: "check the rights of this account at the provider"}
	}
	return &mail.Fault{Class: mail.Protocol, Code: "refused_command", Err: r,
		Text: fmt.Sprintf("%s refused to %s", host, doing), Help: "it is tried again; report it if it stays so"}
}

// lost maps the end of a connection: err is what its Read gave.
func lost(host string, err error) *mail.Fault {
	if f, ok := mail.AsFault(err); ok {
		return f
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &mail.Fault{Class: mail.Transient, Code: "cut", Err: err,
		Text: fmt.Sprintf("the connection to %s was cut", host), Help: "it is tried again"}
}

func cancelled(ctx context.Context) *mail.Fault {
	return &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: context.Cause(ctx)}
}

func tooSlow(host, doing, code string) *mail.Fault {
	return &mail.Fault{Class: mail.Transient, Code: code,
		Text: fmt.Sprintf("%s took too long to %s", host, doing), Help: "it is tried again"}
}

func protocolLimit(host, what string) *mail.Fault {
	return &mail.Fault{Class: mail.Protocol, Code: "protocol_limit",
		Text: fmt.Sprintf("%s sent %s", host, what), Help: "check that host and port belong to an IMAP server"}
}

func badResponse(host string, err error) *mail.Fault {
	return &mail.Fault{Class: mail.Protocol, Code: "bad_response", Err: err,
		Text: fmt.Sprintf("%s sent something that is not IMAP", host), Help: "it is tried again; use POP3 for this mailbox if it stays so"}
}

func badListing(what string) *mail.Fault {
	return &mail.Fault{Class: mail.Protocol, Code: "bad_listing",
		Text: what, Help: "nothing is imported from a listing that makes no sense; it is tried again"}
}
