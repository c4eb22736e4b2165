package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// DefaultIssuer is Google.
const DefaultIssuer = "https://accounts.google.com"

// Scopes as they are asked for and reported.
const (
	ScopeInsert = "https://www.googleapis.com/auth/gmail.insert"
	ScopeLabels = "https://www.googleapis.com/auth/gmail.labels"
	scopeModify = "https://www.googleapis.com/auth/gmail.modify"
	scopeFull   = "https://mail.google.com/"
)

// Covers reports whether the granted scopes allow what scope allows. A grant of
// unknown extent (none reported) is believed; Google will say otherwise.
func Covers(granted []string, scope string) bool {
	return len(granted) == 0 || slices.Contains(granted, scope) ||
		slices.Contains(granted, scopeModify) || slices.Contains(granted, scopeFull)
}

// Options of a Provider.
type Options struct {
	Issuer       string // "" is DefaultIssuer; http only for a loopback host
	ClientID     string // "": whatever is asked of the provider fails, and says so
	ClientSecret vault.Secret
	Transport    http.RoundTripper // nil is http.DefaultTransport
}

// Provider is the identity provider with our client in it. It may be used by
// many goroutines at once.
type Provider struct {
	o      Options
	client *http.Client
	turn   chan struct{} // held during discovery
	found  *endpoints    // written with turn held, once
}

// endpoints is what discovery says.
type endpoints struct {
	oidc   *oidc.Provider
	config oauth2.Config
	revoke string
	named  bool // callbacks name the issuer (RFC 9207 3)
}

// New makes a Provider. It does not connect.
func New(o Options) (*Provider, error) {
	if o.Issuer == "" {
		o.Issuer = DefaultIssuer
	}
	if !safe(o.Issuer) {
		return nil, &mail.Fault{Class: mail.Setup, Code: "google_issuer", Text: "the issuer's address is not usable",
			Help: "SMTPSYNC_GOOGLE_ISSUER must be https://host, or http:// for a loopback host"}
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	return &Provider{o: o, turn: make(chan struct{}, 1), client: &http.Client{
		Transport:     bounded{o.Transport},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // secrets travel in these requests
	}}, nil
}

// safe: https, or http that does not leave this machine.
func safe(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// endpoints discovers, or gives what was discovered. A failure is not kept.
func (p *Provider) endpoints(ctx context.Context) (*endpoints, error) {
	if p.o.ClientID == "" {
		return nil, &mail.Fault{Class: mail.Setup, Code: "google_client", Text: "this installation has no Google OAuth client",
			Help: "its operator sets SMTPSYNC_GOOGLE_CLIENT_ID and SMTPSYNC_GOOGLE_CLIENT_SECRET"}
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, unreachable(context.Cause(ctx))
	}
	if p.found != nil {
		return p.found, nil
	}
	op, err := oidc.NewProvider(p.context(ctx), p.o.Issuer)
	if err != nil {
		if _, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
			return nil, &mail.Fault{Class: mail.Setup, Code: "google_issuer", Text: "the issuer calls itself by another name",
				Help: "check SMTPSYNC_GOOGLE_ISSUER", Err: err}
		}
		return nil, unreachable(err)
	}
	var more struct {
		Revoke string `json:"revocation_endpoint"`
		Named  bool   `json:"authorization_response_iss_parameter_supported"`
	}
	_ = op.Claims(&more)
	e := op.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInParams // else x/oauth2 tries the other way first
	for _, address := range []string{e.AuthURL, e.TokenURL, more.Revoke} {
		if !safe(address) {
			return nil, errUnsafe()
		}
	}
	p.found = &endpoints{oidc: op, revoke: more.Revoke, named: more.Named,
		config: oauth2.Config{ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret.RevealString(), Endpoint: e}}
	return p.found, nil
}

// AuthOrigin gives the origin of the consent page, for a page's form-action.
func (p *Provider) AuthOrigin(ctx context.Context) (string, error) {
	e, err := p.endpoints(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(e.config.Endpoint.AuthURL)
	if err != nil {
		return "", unreachable(err)
	}
	return u.Scheme + "://" + u.Host, nil
}

// Issuer gives the issuer's address, and ClientID our name there.
func (p *Provider) Issuer() string   { return p.o.Issuer }
func (p *Provider) ClientID() string { return p.o.ClientID }

// Document reads a small JSON document that the issuer publishes into v.
func (p *Provider) Document(ctx context.Context, address string, v any) error {
	if !safe(address) {
		return errUnsafe()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return unreachable(err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return unreachable(errors.New("a document of the issuer was answered " + resp.Status))
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return unreachable(err)
	}
	return nil
}

// context makes both libraries use our client.
func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// bounded keeps an endpoint from feeding us for ever.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, 1<<20), resp.Body}
	}
	return resp, err
}
