package accounttest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var (
	ann = account.Person{Sub: "1001", Email: "ann@gmail.com"}
	bob = account.Person{Sub: "1002", Email: "bob@gmail.com"}

	first = account.SignUp{Rule: "first"}
	open  = account.SignUp{Rule: "open"}
)

func signIn(t *testing.T, s Store, p account.Person, rule account.SignUp) id.User {
	t.Helper()
	u, err := s.SignIn(t.Context(), p, rule)
	ok(t, err)
	return u.ID
}

func wantClosed(t *testing.T, s Store, p account.Person, rule account.SignUp) {
	t.Helper()
	if u, err := s.SignIn(t.Context(), p, rule); !errors.Is(err, account.ErrClosed) {
		t.Errorf("%s with %q = %v, %v; want %v", p.Email, rule.Rule, u.ID, err, account.ErrClosed)
	}
	_, err := s.FindUser(t.Context(), p.Sub)
	wantNone(t, err)
}

func wantPerson(t *testing.T, s Store, u id.User, want account.Person) {
	t.Helper()
	if got, err := s.Person(t.Context(), u); err != nil || got != want {
		t.Errorf("person = %+v, %v; want %+v", got, err, want)
	}
}

var personRules = []rule{
	{"FirstOwnsTheInstallation", "with the rule first, who signs in first is the only user; the one of the command line does not count", func(t *testing.T, s Store, reopen func() Store) {
		local := ensureUser(t, s, "local")
		u := signIn(t, s, ann, first)
		if u == local {
			t.Error("the owner is the user of the command line")
		}
		wantClosed(t, s, bob, first)
		s = reopen()
		wantClosed(t, s, bob, first)
		if signIn(t, s, ann, first) != u {
			t.Error("the owner is another user at the second sign-in")
		}
		if _, err := s.WipeUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		signIn(t, s, bob, first) // an installation without a user is anybody's
		wantClosed(t, s, ann, first)
	}},
	{"OneOfManyIsFirst", "of many who come first at once, one owns the installation", func(t *testing.T, s Store, _ func() Store) {
		var owners, closed atomic.Int32
		start := make(chan struct{})
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				<-start
				switch _, err := s.SignIn(t.Context(), account.Person{Sub: string(rune('a' + n)), Email: "x"}, first); {
				case err == nil:
					owners.Add(1)
				case errors.Is(err, account.ErrClosed):
					closed.Add(1)
				default:
					t.Errorf("sign in = %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if owners.Load() != 1 || closed.Load() != 7 {
			t.Errorf("owners, refused = %d, %d, want 1, 7", owners.Load(), closed.Load())
		}
	}},
	{"OnlyListedSignUp", "with a list, it says who becomes a user; who is one stays one", func(t *testing.T, s Store, _ func() Store) {
		list := account.SignUp{Rule: "list", Emails: []string{"x@gmail.com", " Ann@Gmail.com"}}
		u := signIn(t, s, ann, list)
		wantClosed(t, s, bob, list)
		wantClosed(t, s, account.Person{Sub: "1"}, account.SignUp{Rule: "list", Emails: []string{""}})
		if signIn(t, s, ann, account.SignUp{Rule: "list"}) != u {
			t.Error("who is taken off the list is another user")
		}
	}},
	{"PersonIsFoundBySubject", "a person is known by what Google calls them, whatever their address is now", func(t *testing.T, s Store, reopen func() Store) {
		_, err := s.FindUser(t.Context(), ann.Sub)
		wantNone(t, err)
		u := signIn(t, s, ann, open)
		wantPerson(t, s, u, ann) // before any grant
		if signIn(t, s, account.Person{Sub: "1003", Email: ann.Email}, open) == u {
			t.Error("another person with the same address is the same user")
		}
		married := account.Person{Sub: ann.Sub, Email: "ann.other@gmail.com"}
		if signIn(t, s, married, open) != u {
			t.Error("another address made another user")
		}
		s = reopen()
		wantPerson(t, s, u, married)
		if got, err := s.FindUser(t.Context(), ann.Sub); err != nil || got.ID != u {
			t.Errorf("user = %v, %v, want %v", got.ID, err, u)
		}
		_, err = s.Person(t.Context(), id.New[id.User]())
		wantNone(t, err)
	}},
	{"ProfileIsItsUsers", "what a user chose comes back, and is nobody else's", func(t *testing.T, s Store, reopen func() Store) {
		u, v := signIn(t, s, ann, open), signIn(t, s, bob, open)
		before, err := s.Profile(t.Context(), u)
		ok(t, err)
		if before.Locale != "" || before.TimeZone != "" || before.Notices != nil || time.Since(before.Created) > time.Minute {
			t.Errorf("profile = %+v, want one of now and no choice", before)
		}
		want := account.Profile{Locale: "de-AT", TimeZone: "Europe/Vienna", Notices: []byte(`{"failing":true}`)}
		ok(t, s.SetProfile(t.Context(), u, want))
		s = reopen()
		got, err := s.Profile(t.Context(), u)
		ok(t, err)
		if !got.Created.Equal(before.Created) || got.Locale != want.Locale || got.TimeZone != want.TimeZone || string(got.Notices) != string(want.Notices) {
			t.Errorf("profile = %+v, want %+v", got, want)
		}
		if other, err := s.Profile(t.Context(), v); err != nil || other.Locale != "" {
			t.Errorf("somebody else's profile = %+v, %v", other, err)
		}
		for _, bad := range []string{"", "null", "[]", "1", `{"a":`} {
			if _, is := mail.AsFault(s.SetProfile(t.Context(), u, account.Profile{Notices: []byte(bad)})); !is {
				t.Errorf("notices %q were kept", bad)
			}
		}
		_, err = s.Profile(t.Context(), id.New[id.User]())
		wantNone(t, err)
		wantNone(t, s.SetProfile(t.Context(), id.New[id.User](), want))
	}},
	{"AccessOutlivesTheGrant", "it is known that a grant has ended, and nothing else of it: not the token, not whose it was", func(t *testing.T, s Store, reopen func() Store) {
		u := signIn(t, s, ann, open)
		want := func(status account.Status, scopes int) {
			t.Helper()
			a, err := s.Access(t.Context(), u)
			ok(t, err)
			if a.Status != status || len(a.Scopes) != scopes || a.GrantedAt.IsZero() != (scopes == 0) {
				t.Errorf("access = %+v, want %s with %d scopes", a, status, scopes)
			}
		}
		want(account.NoGrant, 0)
		ok(t, s.DropGrant(t.Context(), u))
		want(account.NoGrant, 0)
		signIn(t, s, ann, open)
		ok(t, s.PutGrant(t.Context(), u, account.Grant{Status: account.Incomplete, Scopes: []string{"openid"}, GrantedAt: time.Now()}))
		want(account.Incomplete, 1)
		_, err := s.Grant(t.Context(), u)
		wantNone(t, err)
		g := account.Grant{RefreshToken: vault.NewSecret("1//token"), Scopes: []string{"openid", "insert"}, GrantedAt: time.Now()}
		ok(t, s.PutGrant(t.Context(), u, g))
		want(account.Active, 2)
		wantPerson(t, s, u, ann) // a grant without one leaves it
		ok(t, s.DropGrant(t.Context(), u))
		for range 2 {
			want(account.Revoked, 0)
			_, err = s.Person(t.Context(), u)
			wantNone(t, err)
			_, err = s.Grant(t.Context(), u)
			wantNone(t, err)
			s = reopen()
		}
		if signIn(t, s, ann, account.SignUp{Rule: "list"}) != u {
			t.Error("who comes again after a revocation is another user")
		}
		wantPerson(t, s, u, ann)
		ok(t, s.PutGrant(t.Context(), u, g))
		want(account.Active, 2)
		_, err = s.Access(t.Context(), id.New[id.User]())
		wantNone(t, err)
	}},
}
