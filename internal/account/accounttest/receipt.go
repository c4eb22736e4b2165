package accounttest

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func grantTo(t *testing.T, s Store, p account.Person, token string) id.User {
	t.Helper()
	u := signIn(t, s, p, open)
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret(token), Email: p.Email, Sub: p.Sub, GrantedAt: time.Now()}))
	return u
}

func wantOutside(t *testing.T, s Store, receipt, want string) {
	t.Helper()
	r, err := s.Receipt(t.Context(), receipt)
	ok(t, err)
	if got := r.Outside[account.GoogleRevoke]; got != want {
		t.Errorf("telling Google = %q, want %q", got, want)
	}
}

func wantErrands(t *testing.T, s Store, tokens ...string) []account.Errand {
	t.Helper()
	all, err := s.Errands(t.Context())
	ok(t, err)
	got := map[string]bool{}
	for _, e := range all {
		got[e.Secret.RevealString()] = e.What == account.GoogleRevoke
	}
	for _, token := range tokens {
		if !got[token] {
			t.Errorf("Google is not to be told to end %s", token)
		}
	}
	if len(all) != len(tokens) {
		t.Errorf("errands = %d, want %d", len(all), len(tokens))
	}
	return all
}

var receiptRules = []rule{
	{"ReceiptIsKept", "what a wipe destroyed can be read again by whoever has the receipt's id, and by nobody else", func(t *testing.T, s Store, reopen func() Store) {
		u := grantTo(t, s, ann, "1//token")
		box := ensure(t, s, u, imap())
		var made []account.Receipt
		for _, wipe := range []func() (account.Receipt, error){
			func() (account.Receipt, error) { return s.WipeMailbox(t.Context(), u, box.ID) },
			func() (account.Receipt, error) { return s.WipeGrant(t.Context(), u) },
			func() (account.Receipt, error) { return s.WipeUser(t.Context(), u) },
		} {
			r, err := wipe()
			ok(t, err)
			made = append(made, r)
		}
		s = reopen()
		for i, of := range []string{account.OfMailbox, account.OfGrant, account.OfAccount} {
			r, err := s.Receipt(t.Context(), made[i].ID)
			ok(t, err)
			if len(r.ID) < 22 || r.Of != of || r.KeyDestroyed != (of != account.OfGrant) || !r.At.Equal(made[i].At) || time.Since(r.At) > time.Minute {
				t.Errorf("receipt = %+v, want %+v", r, made[i])
			}
			for table, n := range made[i].Rows {
				if r.Rows[table] != n {
					t.Errorf("rows of %s = %d, want %d", table, r.Rows[table], n)
				}
			}
		}
		if made[0].Rows["mailboxes"] != 1 || made[1].Rows["grants"] != 1 || made[1].Rows["person"] != 1 || made[2].Rows["users"] != 1 {
			t.Errorf("rows = %v, %v, %v", made[0].Rows, made[1].Rows, made[2].Rows)
		}
		for _, wrong := range []string{"", "x", account.NewReceiptID(), u.String()} {
			_, err := s.Receipt(t.Context(), wrong)
			wantNone(t, err)
		}
	}},
	{"GoogleIsTold", "that Google is to end the grant outlives grant, user and restarts, until it is done; then the token is forgotten", func(t *testing.T, s Store, reopen func() Store) {
		u, v := grantTo(t, s, ann, "1//a"), grantTo(t, s, bob, "1//b")
		wantErrands(t, s)
		ra, err := s.WipeGrant(t.Context(), u)
		ok(t, err)
		rb, err := s.WipeUser(t.Context(), v)
		ok(t, err)
		s = reopen()
		wantErrands(t, s, "1//a", "1//b")
		wantOutside(t, s, ra.ID, account.Pending)
		wantOutside(t, s, rb.ID, account.Pending)
		ok(t, s.ErrandDone(t.Context(), rb.ID, account.GoogleRevoke))
		wantNone(t, s.ErrandDone(t.Context(), rb.ID, account.GoogleRevoke))
		wantNone(t, s.ErrandDone(t.Context(), "x", account.GoogleRevoke))
		s = reopen()
		wantErrands(t, s, "1//a")
		wantOutside(t, s, ra.ID, account.Pending)
		wantOutside(t, s, rb.ID, account.Done)
		_, err = s.WipeGrant(t.Context(), id.New[id.User]())
		wantNone(t, err)
	}},
	{"GivenUpIsSaid", "what could not be told is not tried for ever: the receipt says so, and the token is forgotten", func(t *testing.T, s Store, reopen func() Store) {
		r, err := s.WipeGrant(t.Context(), grantTo(t, s, ann, "1//a"))
		ok(t, err)
		if all := wantErrands(t, s, "1//a"); time.Since(all[0].Since) > time.Minute || all[0].Since.Before(r.At.Add(-time.Minute)) {
			t.Errorf("since %v, want the time of the wipe, %v", all[0].Since, r.At)
		}
		ok(t, s.ErrandFailed(t.Context(), r.ID, account.GoogleRevoke))
		wantNone(t, s.ErrandFailed(t.Context(), r.ID, account.GoogleRevoke))
		wantNone(t, s.ErrandDone(t.Context(), r.ID, account.GoogleRevoke))
		s = reopen()
		wantErrands(t, s)
		wantOutside(t, s, r.ID, account.Failed)
	}},
	{"WhatIsOverIsNotTold", "where there is no token there is nothing to tell: not after Google itself has ended the grant", func(t *testing.T, s Store, _ func() Store) {
		u := grantTo(t, s, ann, "1//a")
		ok(t, s.DropGrant(t.Context(), u))
		r, err := s.WipeGrant(t.Context(), u)
		ok(t, err)
		wantOutside(t, s, r.ID, "")
		r, err = s.WipeUser(t.Context(), u)
		ok(t, err)
		wantOutside(t, s, r.ID, "")
		wantErrands(t, s)
	}},
	{"ReconnectingMakesItMoot", "to end the old grant at Google would end the new one: who has connected again, even as another user, keeps it", func(t *testing.T, s Store, _ func() Store) {
		u, v := grantTo(t, s, ann, "1//a"), grantTo(t, s, bob, "1//b")
		ra, err := s.WipeGrant(t.Context(), u)
		ok(t, err)
		rb, err := s.WipeUser(t.Context(), v)
		ok(t, err)
		grantTo(t, s, ann, "1//a2")
		wantErrands(t, s, "1//b")
		wantOutside(t, s, ra.ID, account.Moot)
		grantTo(t, s, bob, "1//b2")
		wantErrands(t, s)
		wantOutside(t, s, rb.ID, account.Moot)
	}},
}
