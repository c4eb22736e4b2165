package accounttest

import (
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func consent(refresh string) account.Consent {
	return account.Consent{Provider: "microsoft", Refresh: vault.NewSecret(refresh), Access: vault.NewSecret("access of " + refresh), Ends: time.Date(2026, 11, 24, 17, 0, 0, 0, time.UTC)}
}

func withConsent(refresh string) account.Mailbox {
	m := imap()
	m.Password, m.Consent = vault.Secret{}, consent(refresh)
	return m
}

func wantConsent(t *testing.T, got, want account.Consent) {
	t.Helper()
	if got.Provider != want.Provider || !got.Refresh.Equal(want.Refresh) || !got.Access.Equal(want.Access) || !got.Ends.Equal(want.Ends) {
		t.Errorf("consent = %+v, not the one that was kept (%+v)", got, want)
	}
}

func consents(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	wantSame(t, ensure(t, s, u, withConsent("first")), withConsent("first"))
	asked := account.Mailbox{Protocol: "imap", Host: "b", Port: 993, Consent: account.Consent{Provider: "google"}} // not given yet
	ensure(t, s, u, asked)
	password := ensure(t, s, u, account.Mailbox{Protocol: "pop3", Host: "a", Port: 995, Password: vault.NewSecret("x")})
	s = reopen()
	boxes := mailboxes(t, s, u)
	wantSame(t, boxes[0], withConsent("first"))
	wantConsent(t, boxes[1].Consent, asked.Consent)
	got, err := s.Consent(t.Context(), u, boxes[0].ID)
	ok(t, err)
	wantConsent(t, got, consent("first"))
	_, err = s.Consent(t.Context(), u, password.ID)
	wantNone(t, err)
	_, err = s.Consent(t.Context(), ensureUser(t, s, "eve"), boxes[0].ID)
	wantNone(t, err)
	_, err = s.WipeMailbox(t.Context(), u, boxes[0].ID)
	ok(t, err)
	_, err = s.Consent(t.Context(), u, boxes[0].ID)
	wantNone(t, err)
	_, err = s.KeepConsent(t.Context(), u, boxes[0].ID, vault.NewSecret("first"), consent("late"))
	wantNone(t, err)
}

func either(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	want := ensure(t, s, u, imap())
	set := func(password string, c account.Consent) {
		t.Helper()
		given := want
		given.Name, given.Password, given.Consent = password+c.Provider, vault.NewSecret(password), c
		ok(t, s.UpdateMailbox(t.Context(), u, given))
		want.Name = given.Name
		if password != "" {
			want.Password, want.Consent = given.Password, account.Consent{}
		} else if c.Provider != "" {
			want.Password, want.Consent = vault.Secret{}, c
		}
		s = reopen()
		got, err := s.Mailbox(t.Context(), u, want.ID)
		ok(t, err)
		wantSame(t, got, want)
	}
	set("", consent("first"))
	set("", account.Consent{}) // stays
	set("", consent("second"))
	set("correct horse", account.Consent{})
	set("", account.Consent{}) // stays
	_, err := s.Consent(t.Context(), u, want.ID)
	wantNone(t, err)
}

func replacedOnce(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	box := ensure(t, s, u, withConsent("first"))
	var all sync.WaitGroup
	won := make(chan bool, 8)
	for range cap(won) {
		all.Go(func() {
			kept, err := s.KeepConsent(t.Context(), u, box.ID, vault.NewSecret("first"), consent("second"))
			won <- kept
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(won)
	n := 0
	for kept := range won {
		if kept {
			n++
		}
	}
	if n != 1 {
		t.Errorf("of %d refreshes of one token %d were kept, want 1", cap(won), n)
	}
	late, err := s.KeepConsent(t.Context(), u, box.ID, vault.NewSecret("first"), consent("third"))
	ok(t, err)
	got, err := reopen().Consent(t.Context(), u, box.ID)
	ok(t, err)
	if late {
		t.Error("a late refresh was kept")
	}
	wantConsent(t, got, consent("second"))
}
