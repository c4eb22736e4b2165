// Package oauth speaks OAuth 2.0 and OpenID Connect with Google: it sends a
// person to the consent page, exchanges the code, and keeps one user's access
// token fresh. And it speaks OAuth 2.0 with the providers of mailboxes that are
// opened with tokens: the last part of this text.
//
//	AskIdentity  who are you?                 openid email             -> sub, address
//	AskGrant     may mail be added for you?   gmail.insert, lasting    -> refresh token
//
//	command line: AuthCodeURL ... Exchange           the Flow waits in memory
//	web service:  Visits.Begin ... Visits.End        the Flow waits in a sealed cookie
//	afterwards:   Source (access tokens), Revoke     package risc: news from Google
//
// All addresses come from OpenID discovery of the issuer, once. Codes are bound
// to this client by PKCE S256 (RFC 7636), to the browser by state, to the issuer
// by its name (RFC 9207), the ID token by nonce, and a grant to the person whose
// session asked for it. A state is good once and for ten minutes.
//
// Refresh and access tokens and the client secret are vault.Secret; they leave
// this package in the requests to the issuer only, and no error quotes an answer
// of the token endpoint beyond its error code.
//
// What a failure means is in its mail.Class: Revoked when the grant is gone
// (destroy the tokens), Grant when the person has to consent again, Setup when
// the OAuth client is configured wrongly (keep the tokens), else Transient. The
// codes that Visits.End knows:
//
//	grant_callback       the answer is not to this browser's question, late, or used before
//	grant_code           Google does not take the code
//	grant_denied         the person said no
//	grant_person         another account or session than the one that asked
//	grant_account        the account has no verified address, or its administrator says no
//	grant_offline        no refresh token came, though everything was allowed
//	grant_scope_missing  no refresh token came, and not everything was allowed
//
// # Providers of mailboxes
//
// Clients are this installation's OAuth clients there, read from the operator's
// file over a table of known providers. One visit gives one mailbox its tokens:
//
//	Client.Begin ... Clients.End   PKCE S256, state, a redirect address for each provider
//	afterwards: Keeper             access tokens, from the tokens that a Shelf keeps sealed
//
// Nobody is asked who he is: whether the tokens open the mailbox, its server says.
// The codes of their failures, beside consent_unreachable (Transient):
//
//	consent_callback   the answer is not to this browser's question, late, or used before
//	consent_denied     the person, or his administrator, said no
//	consent_brief      no refresh token came
//	consent_too_small  the mail was not among what was allowed
//	consent_gone       the provider has ended it: its person has to say yes again
//	consent_missing    he has not said yes yet
//	oauth_client       the client is not accepted, or there is none: the operator's to mend
package oauth
