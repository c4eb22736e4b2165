package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Identity is who signed in. Key people by Sub: an address may change.
type Identity struct {
	Sub   string
	Email string
}

// skew is how far our clock and Google's may be apart.
const skew = 2 * time.Minute

// verify checks the ID token of a token answer (OpenID Connect Core 3.1.3.7).
func (p *Provider) verify(ctx context.Context, e *endpoints, t *oauth2.Token, nonce string) (Identity, error) {
	raw, _ := t.Extra("id_token").(string)
	// Signature, issuer and audience; the library's look at the times allows no
	// skew.
	token, err := e.oidc.Verifier(&oidc.Config{ClientID: p.o.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, SkipExpiryCheck: true}).
		Verify(p.context(ctx), raw)
	if err == nil {
		err = timely(token)
	}
	if err != nil {
		f := badCallback("Google's ID token is not valid")
		f.Err = err
		return Identity{}, f
	}
	var claims struct {
		Email      string `json:"email"`
		Verified   bool   `json:"email_verified"`
		Authorized string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil || token.Subject == "" || !equal(token.Nonce, nonce) {
		return Identity{}, badCallback("Google's ID token is not for this sign-in")
	}
	// With several audiences the token must say which of them it was made for.
	if claims.Authorized != p.o.ClientID && (claims.Authorized != "" || len(token.Audience) > 1) {
		return Identity{}, badCallback("Google's ID token is for another client")
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(t.AccessToken) != nil {
		return Identity{}, badCallback("Google's ID token is for another access token")
	}
	if claims.Email == "" || !claims.Verified {
		return Identity{}, &mail.Fault{Class: mail.Grant, Code: "grant_account", Text: "the Google account has no verified address", Help: "verify it with Google first"}
	}
	return Identity{Sub: token.Subject, Email: claims.Email}, nil
}

func timely(t *oidc.IDToken) error {
	switch now := time.Now(); {
	case !now.Before(t.Expiry.Add(skew)):
		return errors.New("the token has expired, or this machine's clock is wrong")
	case t.IssuedAt.IsZero(), t.IssuedAt.After(now.Add(skew)):
		return errors.New("the token is from the future, or this machine's clock is wrong")
	}
	return nil
}
