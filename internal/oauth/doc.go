// Package oauth speaks OAuth 2.0 and OpenID Connect with Google: it sends a
// person to the consent page, exchanges the code, and keeps one user's access
// token fresh.
//
// All addresses come from OpenID discovery of the issuer, once. Codes are bound
// to this client by PKCE S256 (RFC 7636), to the browser by state, and the ID
// token by nonce.
//
// Refresh and access tokens and the client secret are vault.Secret; they leave
// this package in the requests to the issuer only, and no error quotes an answer
// of the token endpoint beyond its error code.
//
// What a failure means is in its mail.Class: Revoked when the grant is gone
// (destroy the tokens), Grant when the person has to consent again, Setup when
// the OAuth client is configured wrongly (keep the tokens), else Transient.
package oauth
