package risc

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Kind is what has happened.
type Kind string

// The events that Google sends. Other is one that we do not know: it is taken
// and nothing is done about it, as RFC 8417 2.2 wants it.
const (
	SessionsRevoked          Kind = "sessions-revoked"
	TokensRevoked            Kind = "tokens-revoked"
	TokenRevoked             Kind = "token-revoked"
	AccountDisabled          Kind = "account-disabled"
	AccountEnabled           Kind = "account-enabled"
	AccountPurged            Kind = "account-purged"
	CredentialChangeRequired Kind = "account-credential-change-required"
	Verification             Kind = "verification"
	Other                    Kind = "other"
)

const prefix = "https://schemas.openid.net/secevent/"

var kinds = map[string]Kind{
	prefix + "risc/event-type/sessions-revoked":                   SessionsRevoked,
	prefix + "oauth/event-type/tokens-revoked":                    TokensRevoked,
	prefix + "oauth/event-type/token-revoked":                     TokenRevoked,
	prefix + "risc/event-type/account-disabled":                   AccountDisabled,
	prefix + "risc/event-type/account-enabled":                    AccountEnabled,
	prefix + "risc/event-type/account-purged":                     AccountPurged,
	prefix + "risc/event-type/account-credential-change-required": CredentialChangeRequired,
	prefix + "risc/event-type/verification":                       Verification,
}

// Event is one thing that happened to one account.
type Event struct {
	Kind   Kind
	Sub    string       // Google's name for the account; "" for TokenRevoked, Verification and Other
	Token  vault.Secret // for TokenRevoked: the Mark of the refresh token
	Reason string       // for AccountDisabled: "hijacking", "bulk-account" or ""
	JTI    string       // of the delivery
	At     time.Time    // when Google says it happened
}

// clocks is how far our clock and Google's may be apart.
const clocks = 5 * time.Minute

// Before reports whether a grant was given after the event, so that the event
// is about an earlier one: deliveries may be days late.
func (e Event) Before(granted time.Time) bool { return granted.After(e.At.Add(clocks)) }

// detail is an event as it is written.
type detail struct {
	Subject struct {
		Type      string `json:"subject_type"`
		Issuer    string `json:"iss"`
		Sub       string `json:"sub"`
		TokenType string `json:"token_type"`
		Algorithm string `json:"token_identifier_alg"`
		Token     string `json:"token"`
	} `json:"subject"`
	Reason string `json:"reason"`
}

// read makes an Event of one entry of "events".
func read(issuer, name string, raw json.RawMessage) (Event, error) {
	e := Event{Kind: kinds[name]}
	switch e.Kind {
	case "":
		return Event{Kind: Other}, nil
	case Verification:
		return e, nil
	}
	var d detail
	if err := json.Unmarshal(raw, &d); err != nil {
		return Event{}, refused(invalidRequest, "the event is not readable")
	}
	switch d.Reason {
	case "hijacking", "bulk-account":
		e.Reason = d.Reason
	}
	s := d.Subject
	if e.Kind == TokenRevoked {
		if s.Type != "oauth_token" || s.TokenType != "refresh_token" {
			return Event{}, refused(invalidRequest, "the event names no refresh token")
		}
		var ok bool
		if e.Token, ok = markOf(s.Algorithm, s.Token); !ok {
			return Event{}, refused(invalidRequest, "the event names its token in an unknown way")
		}
		return e, nil
	}
	// A sub means something together with its issuer only. Google's own examples
	// write the issuer with and without the slash, and the type in three ways.
	switch s.Type {
	case "iss-sub", "iss_sub", "id_token_claims":
	default:
		return Event{}, refused(invalidRequest, "the event's subject is of an unknown type")
	}
	if strings.TrimSuffix(s.Issuer, "/") != strings.TrimSuffix(issuer, "/") || s.Sub == "" || len(s.Sub) > 255 {
		return Event{}, refused(invalidRequest, "the event's subject is not an account of the issuer")
	}
	e.Sub = s.Sub
	return e, nil
}

// refused is a delivery that will never be right.
func refused(code, text string) *mail.Fault {
	return &mail.Fault{Class: mail.Protocol, Code: code, Text: text}
}
