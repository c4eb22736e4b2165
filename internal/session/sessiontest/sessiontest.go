// Package sessiontest is the conformance suite of what keeps sessions, tokens,
// used things and requests. It runs under fake time.
package sessiontest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Store is what keeps them.
type Store interface {
	BeginSession(ctx context.Context, user id.User, client string, replaces vault.Secret) (session.Session, vault.Secret, error)
	FindSession(ctx context.Context, cookie vault.Secret) (session.Session, error)
	Sessions(ctx context.Context, user id.User) ([]session.Session, error)
	EndSession(ctx context.Context, user id.User, which session.ID) error
	EndOtherSessions(ctx context.Context, user id.User, keep session.ID) (int, error)

	IssueToken(ctx context.Context, user id.User, n session.NewToken) (session.Token, vault.Secret, error)
	FindToken(ctx context.Context, text vault.Secret) (session.Token, error)
	Tokens(ctx context.Context, user id.User) ([]session.Token, error)
	RevokeToken(ctx context.Context, user id.User, token session.TokenID) error

	UseOnce(ctx context.Context, kind session.Kind, value string, until time.Time) (bool, error)

	StartRequest(ctx context.Context, user id.User, key string, what []byte) (a session.Answer, done bool, err error)
	FinishRequest(ctx context.Context, user id.User, key string, a session.Answer) error
	AbandonRequest(ctx context.Context, user id.User, key string) error

	DropExpired(ctx context.Context) error
}

// World is a store and what is around it.
type World interface {
	Store(t *testing.T) Store
	User(t *testing.T) id.User
	// Wipe wipes a user.
	Wipe(t *testing.T, u id.User)
	// Reopen restarts on what is durable.
	Reopen(t *testing.T)
	// Count tells how many sessions, tokens and used things are kept.
	Count(t *testing.T) int
}

type rule struct {
	name, rule string
	test       func(t *testing.T, w World)
}

// Run proves a store. fresh is called under fake time.
func Run(t *testing.T, fresh func(t *testing.T) World) {
	for _, rules := range [][]rule{sessionRules, tokenRules, onceRules} {
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("the rule: %s", r.rule)
					}
				})
				synctest.Test(t, func(t *testing.T) { r.test(t, fresh(t)) })
			})
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error = %v, want %v", what, err, want)
	}
}

func wantFault(t *testing.T, what string, err error, code string) {
	t.Helper()
	if f, is := mail.AsFault(err); !is || f.Code != code {
		t.Errorf("%s: error = %v, want the fault %s", what, err, code)
	}
}

func begin(t *testing.T, w World, u id.User) (session.Session, vault.Secret) {
	t.Helper()
	s, cookie, err := w.Store(t).BeginSession(t.Context(), u, "Firefox on Linux", vault.Secret{})
	ok(t, err)
	return s, cookie
}

// signedIn reports whether a cookie is somebody's.
func signedIn(t *testing.T, w World, cookie vault.Secret) bool {
	t.Helper()
	_, err := w.Store(t).FindSession(t.Context(), cookie)
	if err != nil && !errors.Is(err, session.ErrNone) {
		t.Fatalf("find = %v", err)
	}
	return err == nil
}

func sessions(t *testing.T, w World, u id.User) []session.Session {
	t.Helper()
	all, err := w.Store(t).Sessions(t.Context(), u)
	ok(t, err)
	return all
}

func issue(t *testing.T, w World, u id.User, n session.NewToken) (session.Token, vault.Secret) {
	t.Helper()
	token, text, err := w.Store(t).IssueToken(t.Context(), u, n)
	ok(t, err)
	return token, text
}

func works(t *testing.T, w World, text vault.Secret) bool {
	t.Helper()
	_, err := w.Store(t).FindToken(t.Context(), text)
	if err != nil && !errors.Is(err, session.ErrNone) {
		t.Fatalf("find = %v", err)
	}
	return err == nil
}
