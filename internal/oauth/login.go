package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Ask is what a person is sent to the consent page for.
type Ask struct {
	RedirectURL string
	Scopes      []string // beside openid and email; none is sign-in only
	LoginHint   string   // address to preselect
}

// Flow is one visit to the consent page; it lives in memory or in a sealed
// cookie until the person comes back.
type Flow struct {
	Ask      Ask
	State    string // compare with the callback's, then call Exchange
	Nonce    string
	Verifier vault.Secret // PKCE
}

// Identity is who signed in. Key people by Sub: an address may change.
type Identity struct {
	Sub   string
	Email string
}

// Grant is what came back. Refresh is empty after a sign-in without scopes.
type Grant struct {
	Identity
	Refresh vault.Secret
	Access  vault.Secret
	Scopes  []string // as granted: a person may untick any
	Expiry  time.Time
}

// Has reports whether scope was granted.
func (g Grant) Has(scope string) bool { return Covers(g.Scopes, scope) }

// AuthCodeURL begins a Flow and gives the address to send the person to.
func (p *Provider) AuthCodeURL(ctx context.Context, a Ask) (string, Flow, error) {
	e, err := p.endpoints(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	verifier := oauth2.GenerateVerifier()
	f := Flow{Ask: a, State: rand.Text(), Nonce: rand.Text(), Verifier: vault.NewSecret(verifier)}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce(f.Nonce)}
	if len(a.Scopes) > 0 {
		// Without prompt=consent a repeated authorization gives no refresh token.
		options = append(options, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent"),
			oauth2.SetAuthURLParam("include_granted_scopes", "true"))
	}
	if a.LoginHint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", a.LoginHint))
	}
	c := e.config
	c.RedirectURL = a.RedirectURL
	c.Scopes = append([]string{oidc.ScopeOpenID, "email"}, a.Scopes...)
	return c.AuthCodeURL(f.State, options...), f, nil
}

// CallbackFault translates the error parameter of a callback; nil if it is "".
func CallbackFault(code string) error {
	switch code {
	case "":
		return nil
	case "access_denied":
		return &mail.Fault{Class: mail.Grant, Code: "grant_denied", Text: "Google's consent page was answered with no", Help: "start again and allow it"}
	}
	return fromToken(&oauth2.RetrieveError{ErrorCode: word(code)})
}

// Exchange ends a Flow: state is the callback's, code its authorization code.
// The ID token is verified: signature, issuer, audience, expiry, nonce, and that
// Google has verified the address. Which scopes were granted is for the caller
// to look at.
func (p *Provider) Exchange(ctx context.Context, f Flow, state, code string) (Grant, error) {
	if f.State == "" || subtle.ConstantTimeCompare([]byte(state), []byte(f.State)) != 1 {
		return Grant{}, badCallback("the callback does not belong to this sign-in")
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return Grant{}, err
	}
	c := e.config
	c.RedirectURL = f.Ask.RedirectURL
	t, err := c.Exchange(p.context(ctx), code, oauth2.VerifierOption(f.Verifier.RevealString()))
	if err != nil {
		fault := fromToken(err)
		if fault.Class == mail.Revoked { // a stale code, not a withdrawn grant
			fault.Class, fault.Code, fault.Text, fault.Help = mail.Grant, "grant_code", "Google does not accept the code any more", "start the sign-in again"
		}
		return Grant{}, fault
	}
	id, err := p.verify(ctx, e, t, f.Nonce)
	if err != nil {
		return Grant{}, err
	}
	return Grant{Identity: id, Refresh: vault.NewSecret(t.RefreshToken), Access: vault.NewSecret(t.AccessToken), Scopes: scopesOf(t), Expiry: t.Expiry}, nil
}

func (p *Provider) verify(ctx context.Context, e *endpoints, t *oauth2.Token, nonce string) (Identity, error) {
	raw, _ := t.Extra("id_token").(string)
	token, err := e.oidc.Verifier(&oidc.Config{ClientID: p.o.ClientID, SupportedSigningAlgs: []string{oidc.RS256}}).Verify(p.context(ctx), raw)
	if err != nil {
		f := badCallback("Google's ID token is not valid")
		f.Err = err
		return Identity{}, f
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := token.Claims(&claims); err != nil || token.Subject == "" ||
		nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return Identity{}, badCallback("Google's ID token is not for this sign-in")
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(t.AccessToken) != nil {
		return Identity{}, badCallback("Google's ID token is for another access token")
	}
	if claims.Email == "" || !claims.Verified {
		return Identity{}, &mail.Fault{Class: mail.Grant, Code: "grant_account", Text: "the Google account has no verified address", Help: "verify it with Google first"}
	}
	return Identity{Sub: token.Subject, Email: claims.Email}, nil
}

func badCallback(text string) *mail.Fault {
	return &mail.Fault{Class: mail.Grant, Code: "grant_callback", Text: text, Help: "start the sign-in again"}
}

// scopesOf gives what was granted, as the token endpoint reports it.
func scopesOf(t *oauth2.Token) []string {
	s, _ := t.Extra("scope").(string)
	return strings.Fields(s)
}
