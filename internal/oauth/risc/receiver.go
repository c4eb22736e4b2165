package risc

import (
	"bytes"
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
)

// MaxAge is how old an event may be, Remember how long an Inbox remembers a
// jti at the least.
const (
	MaxAge   = 7 * 24 * time.Hour
	Remember = MaxAge + time.Hour
	maxBody  = 64 << 10
	maxJTI   = 255
)

// Error codes of RFC 8935 2.4.
const (
	invalidRequest  = "invalid_request"
	invalidKey      = "invalid_key"
	invalidIssuer   = "invalid_issuer"
	invalidAudience = "invalid_audience"
)

// Inbox takes what was delivered and verified.
type Inbox interface {
	// Take remembers the jti and what its events ask for, in one step: what it
	// has taken will be done, and what it has not taken may come again. A jti
	// that it knows changes nothing and is not first. It does not do the work: the
	// sender waits. An error means that the delivery must come again.
	Take(ctx context.Context, jti string, events []Event) (first bool, err error)
}

// Receiver verifies deliveries. It may be used by many goroutines at once.
type Receiver struct {
	audience []string
	keys     *keys
	inbox    Inbox
}

// New makes a Receiver of the events of p's issuer for p's client, and for
// others of our clients. It does not connect.
func New(p *oauth.Provider, inbox Inbox, others ...string) *Receiver {
	return &Receiver{audience: append([]string{p.ClientID()}, others...), keys: newKeys(p), inbox: inbox}
}

// Answer is what to answer a delivery with (RFC 8935 2.3, 2.4).
type Answer struct {
	Status int
	Body   []byte // application/json, or nil
	Err    error  // for the operator's log; nil for 202
	Again  bool   // taken before: 202, nothing done
}

// Receive takes a delivery: its Content-Type and its body, of which no more than
// 64 KiB need be read.
func (r *Receiver) Receive(ctx context.Context, contentType string, body []byte) Answer {
	events, err := r.Verify(ctx, contentType, body)
	if err != nil {
		return answer(err)
	}
	first, err := r.inbox.Take(ctx, events[0].JTI, events)
	if err != nil {
		return answer(err)
	}
	return Answer{Status: http.StatusAccepted, Again: !first}
}

// answer: what is wrong with a delivery is its sender's to know, what is wrong
// here is not.
func answer(err error) Answer {
	f, ok := mail.AsFault(err)
	if !ok || f.Class != mail.Protocol {
		return Answer{Status: http.StatusServiceUnavailable, Err: err}
	}
	b, err2 := json.Marshal(map[string]string{"err": f.Code, "description": f.Text})
	if err2 != nil {
		panic("risc: " + err2.Error()) // two strings
	}
	return Answer{Status: http.StatusBadRequest, Body: b, Err: err}
}

// Verify gives the events of a delivery, at least one, whether or not it came
// before. A Fault of class Protocol has an error code of RFC 8935; any other
// error means that the delivery could not be judged.
func (r *Receiver) Verify(ctx context.Context, contentType string, body []byte) ([]Event, error) {
	if m, _, err := mime.ParseMediaType(contentType); err != nil || m != "application/secevent+jwt" && m != "application/jwt" {
		return nil, refused(invalidRequest, "the content type is not application/secevent+jwt")
	}
	if len(body) > maxBody {
		return nil, refused(invalidRequest, "the token is larger than 64 KiB")
	}
	issuer, payload, err := r.opened(ctx, string(bytes.TrimSpace(body)))
	if err != nil {
		return nil, err
	}
	return r.events(issuer, payload)
}

// opened checks the signature and gives what was signed.
func (r *Receiver) opened(ctx context.Context, token string) (issuer string, payload []byte, err error) {
	// RS256 alone: a key is never tried with an algorithm that the token chose
	// (RFC 8725 3.1).
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return "", nil, refused(invalidRequest, "this is not a token signed with RS256")
	}
	head := jws.Signatures[0].Protected
	typ, _ := head.ExtraHeaders[jose.HeaderType].(string)
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "secevent+jwt":
	default:
		return "", nil, refused(invalidRequest, "this is another kind of token")
	}
	issuer, found, err := r.keys.find(ctx, head.KeyID)
	if err != nil {
		return "", nil, err
	}
	for _, key := range found {
		if payload, err := jws.Verify(key); err == nil {
			return issuer, payload, nil
		}
	}
	return "", nil, refused(invalidKey, "the token is not signed with a key of the issuer")
}

// claims of a security event token (RFC 8417 2.2).
type claims struct {
	Issuer   string                     `json:"iss"`
	Audience audience                   `json:"aud"`
	IssuedAt *float64                   `json:"iat"`
	JTI      string                     `json:"jti"`
	Events   map[string]json.RawMessage `json:"events"`
}

// audience is one name or a list of them (RFC 7519 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

func (r *Receiver) events(issuer string, payload []byte) ([]Event, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, refused(invalidRequest, "the token's claims are not readable")
	}
	switch {
	case c.Issuer != issuer:
		return nil, refused(invalidIssuer, "the token is from another issuer")
	case !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(r.audience, a) }):
		return nil, refused(invalidAudience, "the token is for another client")
	case c.IssuedAt == nil:
		return nil, refused(invalidRequest, "the token does not say when it was made")
	case c.JTI == "" || len(c.JTI) > maxJTI:
		return nil, refused(invalidRequest, "the token has no usable jti")
	case len(c.Events) == 0:
		return nil, refused(invalidRequest, "the token has no events")
	}
	at := time.UnixMilli(int64(*c.IssuedAt * 1000))
	if age := time.Since(at); age > MaxAge || age < -clocks {
		return nil, refused(invalidRequest, "the token is too old, or from the future")
	}
	var list []Event
	for name, raw := range c.Events {
		e, err := read(issuer, name, raw)
		if err != nil {
			return nil, err
		}
		e.JTI, e.At = c.JTI, at
		list = append(list, e)
	}
	return list, nil
}

func errIssuer() *mail.Fault {
	return &mail.Fault{Class: mail.Setup, Code: "google_issuer", Text: "the issuer of security events calls itself by another name", Help: "check SMTPSYNC_GOOGLE_ISSUER"}
}
