package oauth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/testkit/tokend"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// kept is a mailbox with a consent of home's.
type kept struct {
	*testing.T
	server  *tokend.Server
	clients *oauth.Clients
	shelf   *account.Memory
	keeper  *oauth.Keeper
	user    id.User
	box     id.Mailbox
}

func keeping(t *testing.T, o tokend.Options) *kept {
	t.Helper()
	s, c := home(t, o)
	k := &kept{T: t, server: s, clients: c, shelf: &account.Memory{}}
	k.keeper = oauth.NewKeeper(c, k.shelf)
	u, err := k.shelf.EnsureUser(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	refresh, _ := s.Grant("ann", tokend.ScopeIMAP)
	m, err := k.shelf.EnsureMailbox(t.Context(), u.ID, account.Mailbox{Protocol: "imap", Host: "home.example", Port: 993, Username: "ann",
		Consent: account.Consent{Provider: "home", Refresh: vault.NewSecret(refresh)}})
	if err != nil {
		t.Fatal(err)
	}
	k.user, k.box = u.ID, m.ID
	return k
}

func (k *kept) held() account.Consent {
	k.Helper()
	c, err := k.shelf.Consent(k.Context(), k.user, k.box)
	if err != nil {
		k.Fatal(err)
	}
	return c
}

func (k *kept) token(stale vault.Secret) (vault.Secret, error) {
	k.Helper()
	return k.keeper.Token(k.Context(), k.user, k.box, k.held(), stale)
}

func (k *kept) want(stale vault.Secret, refreshes int) vault.Secret {
	k.Helper()
	got, err := k.token(stale)
	if err != nil {
		k.Fatal(err)
	}
	if !k.server.Good(got.RevealString(), "ann") {
		k.Error("the token opens nothing")
	}
	if n := k.server.Refreshes(); n != refreshes {
		k.Errorf("%d refreshes, want %d", n, refreshes)
	}
	return got
}

func TestATokenIsKeptUntilItEnds(t *testing.T) {
	t.Parallel()
	for _, rotate := range []bool{false, true} {
		k := keeping(t, tokend.Options{Rotate: rotate})
		before := k.held().Refresh
		first := k.want(vault.Secret{}, 1)
		k.want(vault.Secret{}, 1)
		if k.held().Refresh.Equal(before) == rotate {
			t.Errorf("rotating %t: the refresh token is another one: %t", rotate, !rotate)
		}
		k.server.Expire() // before its time
		second := k.want(first, 2)
		if second.Equal(first) {
			t.Error("a stale token was given again")
		}
		k.want(first, 2) // who comes late with the old one finds the new one
		// Near its end it is replaced.
		c := k.held()
		c.Ends = time.Now().Add(time.Minute)
		if _, err := k.shelf.KeepConsent(t.Context(), k.user, k.box, c.Refresh, c); err != nil {
			t.Fatal(err)
		}
		k.want(vault.Secret{}, 3)
	}
}

// A provider that rotates ends the old refresh token with each use: two refreshes
// at once would lose the mailbox.
func TestManyPassesWaitForOneRefresh(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	k := keeping(t, tokend.Options{Rotate: true, Hold: hold})
	held := k.held()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if got, err := k.keeper.Token(t.Context(), k.user, k.box, held, vault.Secret{}); err != nil || !k.server.Good(got.RevealString(), "ann") {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	time.AfterFunc(50*time.Millisecond, func() { close(hold) })
	all.Wait()
	if n := k.server.Refreshes(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// What a refresh brings is kept although nobody waits for it any more.
func TestARefreshOutlivesThoseWhoWait(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	k := keeping(t, tokend.Options{Rotate: true, Hold: hold})
	before := k.held()
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := k.keeper.Token(ctx, k.user, k.box, before, vault.Secret{})
	if f, ok := mail.AsFault(err); !ok || f.Code != "cancelled" {
		t.Fatalf("who left: %v", err)
	}
	close(hold)
	k.keeper.Close(t.Context())
	if k.held().Refresh.Equal(before.Refresh) {
		t.Error("the refresh token that took the place of the old one is lost")
	}
	k.want(vault.Secret{}, 1)
}

// slow is a shelf on which somebody connects again while a refresh is under way.
type slow struct {
	*account.Memory
	meanwhile func()
}

func (s *slow) KeepConsent(ctx context.Context, user id.User, box id.Mailbox, was vault.Secret, next account.Consent) (bool, error) {
	if s.meanwhile != nil {
		s.meanwhile()
		s.meanwhile = nil
	}
	return s.Memory.KeepConsent(ctx, user, box, was, next)
}

func TestAReconnectIsNotUndoneByARefresh(t *testing.T) {
	t.Parallel()
	k := keeping(t, tokend.Options{})
	refresh, access := k.server.Grant("ann", tokend.ScopeIMAP)
	again := account.Consent{Provider: "home", Refresh: vault.NewSecret(refresh), Access: vault.NewSecret(access), Ends: time.Now().Add(time.Hour)}
	shelf := &slow{Memory: k.shelf, meanwhile: func() {
		if _, err := k.shelf.KeepConsent(t.Context(), k.user, k.box, k.held().Refresh, again); err != nil {
			t.Error(err)
		}
	}}
	got, err := oauth.NewKeeper(k.clients, shelf).Token(t.Context(), k.user, k.box, k.held(), vault.Secret{})
	if err != nil || got.RevealString() != access {
		t.Errorf("%v: not the token of the new consent", err)
	}
	if !k.held().Refresh.Equal(again.Refresh) || k.server.Refreshes() != 1 {
		t.Error("the new consent was undone")
	}
}

func TestARefusedRefreshSaysWhatHelps(t *testing.T) {
	t.Parallel()
	for fail, want := range map[string]struct {
		class mail.Class
		code  string
	}{
		"invalid_grant":           {mail.Login, oauth.ConsentGone},
		"interaction_required":    {mail.Login, oauth.ConsentGone}, // Microsoft's, after a new second factor
		"invalid_client":          {mail.Setup, "oauth_client"},
		"temporarily_unavailable": {mail.Transient, "consent_unreachable"},
		"CANARY":                  {mail.Transient, "consent_unreachable"},
	} {
		k := keeping(t, tokend.Options{Fail: fail})
		_, err := k.token(vault.Secret{})
		consentFault(t, err, want.class, want.code)
		k.server.Set(func(o *tokend.Options) { o.Fail = "" })
		k.want(vault.Secret{}, 2) // nothing was destroyed
	}
	k := keeping(t, tokend.Options{})
	k.server.Revoke("ann")
	_, err := k.token(vault.Secret{})
	consentFault(t, err, mail.Login, oauth.ConsentGone)
}

func TestWithoutAConsentThereIsNoToken(t *testing.T) {
	t.Parallel()
	k := keeping(t, tokend.Options{})
	m, err := k.shelf.EnsureMailbox(t.Context(), k.user, account.Mailbox{Protocol: "imap", Host: "b", Port: 993, Consent: account.Consent{Provider: "home"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.keeper.Token(t.Context(), k.user, m.ID, m.Consent, vault.Secret{})
	consentFault(t, err, mail.Login, oauth.ConsentMissing)
	m, err = k.shelf.EnsureMailbox(t.Context(), k.user, account.Mailbox{Protocol: "imap", Host: "c", Port: 993, Consent: account.Consent{Provider: "gone", Refresh: vault.NewSecret("x")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.keeper.Token(t.Context(), k.user, m.ID, m.Consent, vault.Secret{})
	consentFault(t, err, mail.Setup, "oauth_client")
	if _, err := k.shelf.WipeMailbox(t.Context(), k.user, k.box); err != nil {
		t.Fatal(err)
	}
	if _, err := k.keeper.Token(t.Context(), k.user, k.box, account.Consent{}, vault.Secret{}); !errors.Is(err, account.ErrNone) {
		t.Errorf("of a wiped mailbox: %v", err)
	}
}
