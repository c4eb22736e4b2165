package oauth

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

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

// Missing gives those of the asked scopes that were not granted.
func (g Grant) Missing(asked []string) []string {
	return slices.DeleteFunc(slices.Clone(asked), g.Has)
}

// AuthCodeURL begins a Flow and gives the address to send the person to.
func (p *Provider) AuthCodeURL(ctx context.Context, a Ask) (string, Flow, error) {
	e, err := p.endpoints(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	verifier := oauth2.GenerateVerifier()
	f := Flow{Ask: a, State: rand.Text(), Nonce: rand.Text(), Verifier: vault.NewSecret(verifier), Expires: time.Now().Add(FlowLife)}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce(f.Nonce)}
	if a.Grants() {
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

// Exchange ends a Flow: state is the callback's, code its authorization code.
// The ID token is verified: signature, issuer, audience, times, nonce, and that
// Google has verified the address. Which scopes were granted is for the caller
// to look at. The web service calls Visits.End, which does this and more.
func (p *Provider) Exchange(ctx context.Context, f Flow, state, code string) (Grant, error) {
	if !equal(state, f.State) {
		return Grant{}, errForeignState()
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return Grant{}, err
	}
	c := e.config
	c.RedirectURL = f.Ask.RedirectURL
	t, err := c.Exchange(p.context(ctx), code, oauth2.VerifierOption(f.Verifier.RevealString()))
	if err != nil {
		fault := startAgain(fromToken(err))
		if fault.Class == mail.Revoked { // a stale code, not a withdrawn grant
			fault.Class, fault.Code, fault.Text, fault.Help = mail.Grant, "grant_code", "Google does not accept the code any more", "start the sign-in again"
		}
		return Grant{}, fault
	}
	id, err := p.verify(ctx, e, t, f.Nonce)
	if err != nil {
		return Grant{}, err
	}
	scopes := scopesOf(t)
	if len(scopes) == 0 { // RFC 6749 5.1: as asked
		scopes = c.Scopes
	}
	return Grant{Identity: id, Refresh: vault.NewSecret(t.RefreshToken), Access: vault.NewSecret(t.AccessToken), Scopes: scopes, Expiry: t.Expiry}, nil
}

// scopesOf gives what was granted, as the token endpoint reports it.
func scopesOf(t *oauth2.Token) []string {
	s, _ := t.Extra("scope").(string)
	return strings.Fields(s)
}
