// Package sasl has the two mechanisms by which a mailbox is opened with an
// access token in place of a password. IMAP and POP3 put them on the wire in
// ways of their own; what is said, and what a refusal means, is the same.
//
//	XOAUTH2      Google's and Microsoft's (developers.google.com/gmail/imap/xoauth2-protocol)
//	OAUTHBEARER  the standard (RFC 7628)
//
// Both explain a refusal in a challenge first, a small JSON document, which has
// to be answered before the refusal itself comes. Of that document only its
// status is read, and only one of few known words is taken from it.
package sasl

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// A Mechanism takes an access token.
type Mechanism struct {
	Name string
	// Sorry is what the challenge of a refusal is answered with, in base64.
	Sorry string

	message func(user, host string, port uint16, token string) string
}

// mechanisms in the order they are taken: XOAUTH2 first, which is the one that
// every provider with OAuth speaks, and some announce the other in vain.
var mechanisms = []Mechanism{
	{"XOAUTH2", "", func(user, _ string, _ uint16, token string) string {
		return "user=" + user + "\x01auth=Bearer " + token + "\x01\x01"
	}},
	{"OAUTHBEARER", "AQ==", func(user, host string, port uint16, token string) string { // RFC 7628 3.1; 3.2.3: a single ^A
		name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) // RFC 5801 4
		return "n,a=" + name + ",\x01host=" + host + "\x01port=" + strconv.Itoa(int(port)) + "\x01auth=Bearer " + token + "\x01\x01"
	}},
}

// Bearer gives the mechanism to use with a server that offers some.
func Bearer(offers func(name string) bool) (Mechanism, bool) {
	i := slices.IndexFunc(mechanisms, func(m Mechanism) bool { return offers(m.Name) })
	if i < 0 {
		return Mechanism{}, false
	}
	return mechanisms[i], true
}

// Message gives the one message of ours, not yet in base64.
func (m Mechanism) Message(user, host string, port uint16, token string) string {
	return m.message(user, host, port, token)
}

// statuses are the words of a challenge that say something: those of RFC 6750
// 3.1, and the HTTP codes that XOAUTH2 has for the same.
var statuses = []string{"invalid_request", "invalid_token", "insufficient_scope", "400", "401", "403"}

// Status reads a challenge that came in base64; "" if it says nothing known.
func Status(challenge string) string {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(challenge))
	if err != nil || len(b) > 4<<10 {
		return ""
	}
	var said struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(b, &said) != nil || !slices.Contains(statuses, said.Status) {
		return ""
	}
	return said.Status
}

// The codes of a refused token.
const (
	Refused   = "token_refused"     // an access token may have ended early: another may do
	ScopeLess = "consent_too_small" // no token of this consent will do
)

// Explain turns the Fault of a login with an access token into what it means:
// the server has nothing to say of passwords. Which status the challenge had
// tells the permission that is missing from the token that is stale. A Fault
// that names another remedy stays.
func Explain(f *mail.Fault, protocol, status string) *mail.Fault {
	if f.Class != mail.Login || f.Code != "auth_failed" && f.Code != "auth_unclear" {
		return f
	}
	switch status {
	case "insufficient_scope", "403":
		f.Code, f.Help = ScopeLess, "connect the mailbox with the provider's sign-in again, and allow everything it asks for"
	default:
		f.Code, f.Help = Refused, "the usual causes, in this order: "+protocol+" access that is switched off in the provider's settings, or by an administrator; "+
			"a sign-in with another account than this mailbox's; access that was withdrawn at the provider. Then connect the mailbox again"
	}
	return f
}

// IsStale reports a login that another token may bring about.
func IsStale(err error) bool {
	f, ok := mail.AsFault(err)
	return ok && f.Class == mail.Login && f.Code == Refused
}

// Missing is for a server that takes no tokens.
func Missing(host string) *mail.Fault {
	return &mail.Fault{Class: mail.Setup, Code: "oauth_not_offered", Text: host + " does not take the provider's sign-in (XOAUTH2, OAUTHBEARER)",
		Help: "use a password, or another host of the provider"}
}
