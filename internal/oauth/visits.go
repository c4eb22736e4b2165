package oauth

import (
	"context"
	"crypto/subtle"
	"net/url"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Visits are the trips of browsers to Google and back, for the web service. A
// browser carries its Flow in a sealed cookie; nothing else is kept but which
// states were used. It may be used by many goroutines at once.
//
//	address, cookie, err := visits.Begin(ctx, oauth.AskIdentity(redirect, "/mailboxes"))
//	… 303 to address, Set-Cookie: HttpOnly, Secure, SameSite=Lax, Max-Age FlowLife …
//	ask, grant, err := visits.End(ctx, cookie, query, "")
//
// SameSite=Strict would hold the cookie back when Google sends the browser
// here. Whatever End says, the cookie is deleted.
type Visits struct {
	provider *Provider
	sealer   sealer
	person   func(sub string) string
	used     once
}

// Visits makes them. Key has at least 32 octets and is the same on all nodes.
// Person gives the form in which sessions know a sub (a keyed hash, where the
// sub itself is not kept); nil is the sub itself.
func (p *Provider) Visits(key vault.Secret, person func(sub string) string) *Visits {
	if person == nil {
		person = func(sub string) string { return sub }
	}
	return &Visits{provider: p, sealer: newSealer(key), person: person}
}

// Begin gives the address to send the browser to, and the cookie to give it.
func (v *Visits) Begin(ctx context.Context, a Ask) (address, cookie string, err error) {
	address, flow, err := v.provider.AuthCodeURL(ctx, a)
	if err != nil {
		return "", "", err
	}
	return address, v.sealer.seal(flow), nil
}

// End takes what came back: the cookie, the callback's query, and whose session
// the browser has now ("" for none). The Ask is what this visit was for, as far
// as that is known; it is there beside an error too, so that the page can say
// where to go on. A grant that comes without an error has a refresh token; what
// was not allowed is for Grant.Missing to say.
//
// A grant by another account than the session's is refused and forgotten, not
// revoked: that account may be another person's here, and revoking one token
// ends all of them.
func (v *Visits) End(ctx context.Context, cookie string, query url.Values, session string) (Ask, Grant, error) {
	flow, err := v.sealer.openLive(cookie)
	if err != nil {
		return Ask{}, Grant{}, err
	}
	back, err := readCallback(query)
	if err != nil {
		return Ask{}, Grant{}, err
	}
	if !equal(back.state, flow.State) {
		return Ask{}, Grant{}, errForeignState()
	}
	if !v.used.take(flow.State) {
		return flow.Ask, Grant{}, badCallback("this answer of Google was used already")
	}
	g, err := v.end(ctx, flow, back, session)
	return flow.Ask, g, err
}

func (v *Visits) end(ctx context.Context, flow Flow, back callback, session string) (Grant, error) {
	grants := flow.Ask.Grants()
	if err := v.provider.namesItself(ctx, back); err != nil {
		return Grant{}, err
	}
	if err := CallbackFault(back.fault); err != nil {
		return Grant{}, err
	}
	if grants && !equal(session, flow.Ask.Person) {
		return Grant{}, &mail.Fault{Class: mail.Grant, Code: "grant_person", Text: "the request to Google was begun in another session", Help: "sign in and connect again"}
	}
	if back.code == "" {
		return Grant{}, badCallback("Google's answer has no code")
	}
	g, err := v.provider.Exchange(ctx, flow, back.state, back.code)
	if err != nil || !grants {
		return g, err
	}
	if !equal(v.person(g.Sub), flow.Ask.Person) {
		return Grant{}, &mail.Fault{Class: mail.Grant, Code: "grant_person", Text: "access was given by another Google account than the one that is signed in",
			Help: "choose the account you are signed in with, or sign out and start with the other one"}
	}
	return g, lasting(g, flow.Ask)
}

// lasting looks for the refresh token.
func lasting(g Grant, a Ask) error {
	if !g.Refresh.Empty() {
		return nil
	}
	if missing := g.Missing(a.Scopes); len(missing) > 0 {
		return missingScope(missing[0])
	}
	return &mail.Fault{Class: mail.Grant, Code: "grant_offline", Text: "Google gave no lasting permission",
		Help: "remove smtp-sync under myaccount.google.com/permissions and connect again"}
}

// equal compares in constant time; nothing is equal to "".
func equal(a, b string) bool {
	return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
