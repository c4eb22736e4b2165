package oauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// visit is one trip of a browser to a provider's page and back.
type visit struct {
	Provider, Protocol, Redirect string
	State, Verifier              string
	Ends                         int64
}

// Begin gives the address of a provider's page where a person allows access to
// his mailbox by one protocol, with the account of that login preselected; and
// the visit, which its caller keeps sealed for the session that asked, and
// gives to End. It lives for FlowLife.
func (c *Client) Begin(redirect, protocol, login string) (address string, kept vault.Secret) {
	v := visit{Provider: c.ID, Protocol: protocol, Redirect: redirect, State: rand.Text(), Verifier: oauth2.GenerateVerifier(), Ends: time.Now().Add(FlowLife).Unix()}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(v.Verifier)}
	for k := range c.extra {
		options = append(options, oauth2.SetAuthURLParam(k, c.extra.Get(k)))
	}
	if login != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", login))
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("oauth: " + err.Error()) // strings and a number
	}
	config := c.config
	config.RedirectURL, config.Scopes = redirect, c.scopes[protocol]
	return config.AuthCodeURL(v.State, options...), vault.NewSecret(b)
}

// End takes what came back to the redirect address of a provider: the visit
// that Begin gave, and the callback's query. An answer is good once. That each
// provider has a redirect address of its own keeps the code of one from being
// carried to another (RFC 9700 2.1).
func (c *Clients) End(ctx context.Context, id string, kept vault.Secret, query url.Values) (account.Consent, error) {
	var v visit
	one := c.Get(id)
	if one == nil || json.Unmarshal(kept.Reveal(), &v) != nil || v.Provider != id {
		return account.Consent{}, badAnswer("this browser did not begin the sign-in, or it lasted more than ten minutes")
	}
	back, err := readCallback(query)
	switch {
	case err != nil:
		return account.Consent{}, badAnswer("the answer has the same parameter twice")
	case !equal(back.state, v.State):
		return account.Consent{}, badAnswer("the answer does not belong to this sign-in")
	case time.Now().Unix() >= v.Ends:
		return account.Consent{}, badAnswer("the sign-in took longer than ten minutes")
	case !c.used.take(v.State):
		return account.Consent{}, badAnswer("this answer was used already")
	case back.fault != "":
		return account.Consent{}, one.refusedConsent(back.fault)
	case back.code == "":
		return account.Consent{}, badAnswer("the answer has no code")
	}
	return one.exchange(ctx, v, back.code)
}

func (c *Client) exchange(ctx context.Context, v visit, code string) (account.Consent, error) {
	config := c.config
	config.RedirectURL = v.Redirect
	t, err := config.Exchange(c.context(ctx), code, oauth2.VerifierOption(v.Verifier))
	if err != nil {
		f := c.fromToken(err)
		if f.Code == ConsentGone { // a stale code, not a withdrawn consent
			f = badAnswer(c.Name + " does not take the code any more")
		}
		return account.Consent{}, startAgain(f)
	}
	got, err := c.consent(t)
	switch {
	case err != nil:
		return account.Consent{}, startAgain(c.unreachable(err))
	case got.Refresh.Empty():
		return account.Consent{}, &mail.Fault{Class: mail.Setup, Code: "consent_brief", Text: c.Name + " gave no lasting permission",
			Help: "remove smtp-sync among the apps in your account there and connect again; if it stays so, the operator's OAuth client may not ask for one (offline access)"}
	case !c.opens(scopesOf(t), v.Protocol):
		return account.Consent{}, &mail.Fault{Class: mail.Grant, Code: "consent_too_small", Text: c.Name + " was not allowed to hand out mail",
			Help: "connect again and leave every box ticked"}
	}
	return got, nil
}

// aside are scopes that open no mail.
var aside = []string{"offline_access", "openid", "email", "profile"}

// opens reports whether what was granted is about mail. Who reports nothing has
// granted what was asked (RFC 6749 5.1), and who writes a scope in another way
// is told by the case of its letters at most.
func (c *Client) opens(granted []string, protocol string) bool {
	return len(granted) == 0 || slices.ContainsFunc(c.scopes[protocol], func(want string) bool {
		return !slices.Contains(aside, want) && slices.ContainsFunc(granted, func(s string) bool { return strings.EqualFold(s, want) })
	})
}

// consent reads an answer of the token endpoint.
func (c *Client) consent(t *oauth2.Token) (account.Consent, error) {
	if t.AccessToken == "" || strings.ContainsFunc(t.AccessToken, func(r rune) bool { return r < ' ' || r > '~' }) {
		return account.Consent{}, errors.New("the answer has no usable access token")
	}
	ends := t.Expiry
	if ends.IsZero() {
		ends = time.Now().Add(time.Hour)
	}
	return account.Consent{Provider: c.ID, Refresh: vault.NewSecret(t.RefreshToken), Access: vault.NewSecret(t.AccessToken), Ends: ends}, nil
}

// renew is one refresh (RFC 6749 6). A provider that gives another refresh
// token means it: the old one may be of no use from now on.
func (c *Client) renew(ctx context.Context, refresh vault.Secret) (account.Consent, error) {
	t, err := c.config.TokenSource(c.context(ctx), &oauth2.Token{RefreshToken: refresh.RevealString()}).Token()
	if err != nil {
		return account.Consent{}, c.fromToken(err)
	}
	got, err := c.consent(t)
	if err != nil {
		return account.Consent{}, c.unreachable(err)
	}
	return got, nil
}

func (c *Client) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, c.http)
}
