package oauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// A Client is this installation's client at one provider whose mailboxes are
// opened with tokens. It may be used by many goroutines at once.
type Client struct {
	ID   string // "microsoft"; part of the redirect address
	Name string // for people

	hosts  []string            // of its mail servers, and what is below them
	scopes map[string][]string // by protocol, "imap" and "pop3"
	extra  url.Values          // for its page, beside what the protocol wants
	config oauth2.Config
	http   *http.Client
}

// Serves reports whether the provider's tokens open mailboxes at this host.
func (c *Client) Serves(host string) bool {
	return slices.ContainsFunc(c.hosts, func(h string) bool { return host == h || strings.HasSuffix(host, "."+h) })
}

// Offers reports whether there are tokens for this protocol.
func (c *Client) Offers(protocol string) bool { return len(c.scopes[protocol]) > 0 }

// Clients are those of an installation. The zero Clients has none.
type Clients struct {
	all  []*Client
	used once
}

// For gives the client for a mail server, nil if there is none.
func (c *Clients) For(host, protocol string) *Client {
	host = strings.ToLower(host)
	for _, one := range c.all {
		if one.Serves(host) && one.Offers(protocol) {
			return one
		}
	}
	return nil
}

// Get gives the client of that id, nil if there is none.
func (c *Clients) Get(id string) *Client {
	for _, one := range c.all {
		if one.ID == id {
			return one
		}
	}
	return nil
}

// All gives every client.
func (c *Clients) All() []*Client { return c.all }

// Origins gives the origins of the providers' pages, for form-action.
func (c *Clients) Origins() (out []string) {
	for _, one := range c.all {
		u, err := url.Parse(one.config.Endpoint.AuthURL)
		if err != nil {
			continue // it was read before
		}
		if o := u.Scheme + "://" + u.Host; !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// entry is one provider, as the table below and the operator's file have it.
type entry struct {
	ID            string              `json:"id"`
	Name          string              `json:"name"`
	Hosts         []string            `json:"hosts"`
	Authorization string              `json:"authorization"`
	Token         string              `json:"token"`
	Scopes        map[string][]string `json:"scopes"`
	Parameters    map[string]string   `json:"parameters"` // for the page

	Tenant           string `json:"tenant"` // Microsoft's; in place of "common"
	ClientID         string `json:"client_id"`
	ClientSecret     string `json:"client_secret"`
	ClientSecretFile string `json:"client_secret_file"`
}

// known are providers of which only the client has to be configured. Addresses
// and scopes are those of the Thunderbird ISP database; Microsoft's scopes are
// those that personal accounts take as well (thunderbird/autoconfig #45).
var known = []entry{
	{ID: "microsoft", Name: "Microsoft", Hosts: []string{"office365.com", "outlook.com"},
		Authorization: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", Token: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
		Scopes: map[string][]string{
			"imap": {"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
			"pop3": {"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"}}},
	{ID: "google", Name: "Google", Hosts: []string{"imap.gmail.com", "pop.gmail.com", "imap.googlemail.com", "pop.googlemail.com"},
		Authorization: "https://accounts.google.com/o/oauth2/v2/auth", Token: "https://oauth2.googleapis.com/token",
		Scopes:     both(scopeFull),
		Parameters: map[string]string{"access_type": "offline", "prompt": "consent"}}, // else there is no refresh token
	{ID: "yahoo", Name: "Yahoo", Hosts: []string{"mail.yahoo.com"},
		Authorization: "https://api.login.yahoo.com/oauth2/request_auth", Token: "https://api.login.yahoo.com/oauth2/get_token", Scopes: both("mail-w")},
	{ID: "aol", Name: "AOL", Hosts: []string{"imap.aol.com", "pop.aol.com"},
		Authorization: "https://api.login.aol.com/oauth2/request_auth", Token: "https://api.login.aol.com/oauth2/get_token", Scopes: both("mail-w")},
	{ID: "comcast", Name: "Xfinity", Hosts: []string{"imap.comcast.net", "mail.comcast.net"},
		Authorization: "https://oauth.xfinity.com/oauth/authorize", Token: "https://oauth.xfinity.com/oauth/token", Scopes: both("https://email.comcast.net/")},
	{ID: "mail.ru", Name: "Mail.ru", Hosts: []string{"imap.mail.ru", "pop.mail.ru"},
		Authorization: "https://o2.mail.ru/login", Token: "https://o2.mail.ru/token", Scopes: both("mail.imap")},
	{ID: "yandex", Name: "Yandex", Hosts: []string{"yandex.com", "yandex.ru", "ya.ru"},
		Authorization: "https://oauth.yandex.com/authorize", Token: "https://oauth.yandex.com/token", Scopes: both("mail:imap_full")},
}

func both(scopes ...string) map[string][]string {
	return map[string][]string{"imap": scopes, "pop3": scopes}
}

// client makes a Client of a complete entry.
func (e entry) client(secret vault.Secret, tr http.RoundTripper) *Client {
	c := &Client{ID: e.ID, Name: e.Name, scopes: e.Scopes, extra: url.Values{}, http: &http.Client{
		Transport: bounded{tr}, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // secrets travel in these requests
	}}
	for _, h := range e.Hosts {
		c.hosts = append(c.hosts, strings.ToLower(h))
	}
	for k, v := range e.Parameters {
		c.extra.Set(k, v)
	}
	c.config = oauth2.Config{ClientID: e.ClientID, ClientSecret: secret.RevealString(),
		Endpoint: oauth2.Endpoint{AuthURL: e.Authorization, TokenURL: e.Token, AuthStyle: oauth2.AuthStyleInParams}}
	return c
}
