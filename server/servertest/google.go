package servertest

import (
	"context"
	"crypto/rand"
	"net/url"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Google is a sign-in page with rules as oauth.Visits has them: a state comes
// back once, with the cookie that it went with, and a grant to whom it was
// asked for.
type Google struct {
	mu     sync.Mutex
	visits map[string]visit // by cookie
	used   map[string]bool
	// Comes is who comes back next, and with which scopes.
	Comes oauth.Grant
}

type visit struct {
	ask   oauth.Ask
	state string
}

// Begin implements server.Google.
func (g *Google) Begin(_ context.Context, a oauth.Ask) (address, cookie string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.visits == nil {
		g.visits, g.used = map[string]visit{}, map[string]bool{}
	}
	cookie = rand.Text()
	v := visit{a, rand.Text()}
	g.visits[cookie] = v
	return "https://accounts.google.example/auth?" + url.Values{"state": {v.state}, "redirect_uri": {a.RedirectURL}, "login_hint": {a.LoginHint}}.Encode(), cookie, nil
}

// End implements server.Google.
func (g *Google) End(_ context.Context, cookie string, query url.Values, person string) (oauth.Ask, oauth.Grant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, known := g.visits[cookie]
	if !known || v.state != query.Get("state") || g.used[v.state] {
		return oauth.Ask{}, oauth.Grant{}, refusal("grant_callback", "the callback does not belong to this sign-in")
	}
	g.used[v.state] = true
	if query.Get("error") != "" {
		return v.ask, oauth.Grant{}, oauth.CallbackFault(query.Get("error"))
	}
	if v.ask.Grants() && (person == "" || person != v.ask.Person) {
		return v.ask, oauth.Grant{}, refusal("grant_person", "the request to Google was begun in another session")
	}
	got := g.Comes
	if v.ask.Grants() && len(got.Missing(v.ask.Scopes)) > 0 {
		got.Refresh = vault.Secret{}
		return v.ask, got, refusal("grant_scope_missing", "Google was not allowed to add mail")
	}
	return v.ask, got, nil
}

func refusal(code, text string) error {
	return &mail.Fault{Class: mail.Grant, Code: code, Text: text, Help: "start the sign-in again"}
}

// AuthOrigin implements server.Google.
func (g *Google) AuthOrigin(context.Context) (string, error) {
	return "https://accounts.google.example", nil
}
