package gmail

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// DefaultAPIURL is the base address of the Gmail API.
const DefaultAPIURL = "https://gmail.googleapis.com"

// Scopes this package needs; either is covered by a wider one as well.
const (
	ScopeInsert = "https://www.googleapis.com/auth/gmail.insert" // Open, Put, Query
	ScopeLabels = "https://www.googleapis.com/auth/gmail.labels" // Label
)

// TokenSource gives access tokens of one user's grant. All its errors are
// *mail.Fault. It may be used by many goroutines at once.
type TokenSource interface {
	// Token gives an access token that lasts for the next request at least.
	// It never gives one equal to stale, which Gmail has refused.
	Token(ctx context.Context, stale vault.Secret) (vault.Secret, error)
	// Granted reports whether the user's grant contains the scope.
	Granted(ctx context.Context, scope string) (bool, error)
}

// Options of a Client. Tokens is required.
type Options struct {
	APIURL string // "" is DefaultAPIURL; http only for a loopback host
	Tokens TokenSource
	// Transport is shared by all Clients of a process; nil makes one of its
	// own with Roots.
	Transport http.RoundTripper
	Roots     *x509.CertPool // extra roots where Transport is nil; nil is the system's
}

// Client speaks to the Gmail API for one user. It may be used by many
// goroutines at once.
type Client struct {
	api       *url.URL
	open      [8]string // import addresses by receivedTime, neverMarkSpam, processForCalendar
	tokens    TokenSource
	transport http.RoundTripper
	labels    labels
}

// New makes a Client. It does not connect.
func New(o Options) (*Client, error) {
	if o.APIURL == "" {
		o.APIURL = DefaultAPIURL
	}
	api, err := url.Parse(strings.TrimSuffix(o.APIURL, "/"))
	if err != nil || !trusted(api) || api.RawQuery != "" || api.Fragment != "" {
		return nil, &mail.Fault{Class: mail.Setup, Code: "gmail_api_url",
			Text: "the Gmail API address is not usable",
			Help: "SMTPSYNC_GMAIL_API_URL must be https://host, or http:// for a loopback host"}
	}
	if o.Tokens == nil {
		panic("gmail: no TokenSource")
	}
	if o.Transport == nil {
		o.Transport = NewTransport(o.Roots)
	}
	c := &Client{api: api, tokens: o.Tokens, transport: o.Transport, labels: labels{turn: make(chan struct{}, 1)}}
	for i := range c.open {
		c.open[i] = openURL(api.String(), i&1 != 0, i&2 != 0, i&4 != 0)
	}
	return c, nil
}

// trusted reports whether a token may be sent to u: https, or http that does
// not leave this machine.
func trusted(u *url.URL) bool {
	if u.Host == "" || u.User != nil || u.Opaque != "" {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return false
}
