// Package accounttest is the conformance suite of a store of accounts.
package accounttest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Store is a store of accounts.
type Store interface {
	EnsureUser(ctx context.Context, subject string) (account.User, error)
	SignIn(ctx context.Context, p account.Person, rule account.SignUp) (account.User, error)
	FindUser(ctx context.Context, subject string) (account.User, error)
	Person(ctx context.Context, user id.User) (account.Person, error)
	Profile(ctx context.Context, user id.User) (account.Profile, error)
	SetProfile(ctx context.Context, user id.User, p account.Profile) error
	EnsureMailbox(ctx context.Context, user id.User, m account.Mailbox) (account.Mailbox, error)
	UpdateMailbox(ctx context.Context, user id.User, m account.Mailbox) error
	Mailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, error)
	Mailboxes(ctx context.Context, user id.User) ([]account.Mailbox, error)
	Consent(ctx context.Context, user id.User, box id.Mailbox) (account.Consent, error)
	KeepConsent(ctx context.Context, user id.User, box id.Mailbox, was vault.Secret, next account.Consent) (kept bool, err error)
	PutGrant(ctx context.Context, user id.User, g account.Grant) error
	Grant(ctx context.Context, user id.User) (account.Grant, error)
	Access(ctx context.Context, user id.User) (account.Access, error)
	DropGrant(ctx context.Context, user id.User) error
	DropRefused(ctx context.Context, user id.User, token vault.Secret) error
	WipeGrant(ctx context.Context, user id.User) (account.Receipt, error)
	WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Receipt, error)
	WipeUser(ctx context.Context, user id.User) (account.Receipt, error)
	Receipt(ctx context.Context, receipt string) (account.Receipt, error)
	Errands(ctx context.Context) ([]account.Errand, error)
	ErrandDone(ctx context.Context, receipt, what string) error
	ErrandFailed(ctx context.Context, receipt, what string) error
}

type rule struct {
	name, rule string
	test       func(t *testing.T, s Store, reopen func() Store)
}

// Run proves a store. fresh gives an empty one and a way to restart on what is durable.
func Run(t *testing.T, fresh func(t *testing.T) (s Store, reopen func() Store)) {
	rules := []rule{
		{"UserIsFoundAgain", "one subject is one user, also when two ask at once and after a restart", userFound},
		{"MailboxIsOneMaildrop", "the same maildrop is one mailbox, whatever standard port leads to it", oneMaildrop},
		{"MailboxIsKeptAsItWasMade", "finding a mailbox changes nothing about it", kept},
		{"MailboxRoundTrips", "every field of a mailbox comes back, also after a restart", roundTrips},
		{"MailboxIsChanged", "every setting of a mailbox can be changed; a password that is not given stays", changed},
		{"MailboxStaysItsMaildrop", "a mailbox is never changed into another maildrop, whose mail its ledger does not know", staysMaildrop},
		{"MailboxNeedsNoPassword", "a one-shot pass is given its password each time; nothing is kept of it", noPassword},
		{"ConsentRoundTrips", "what a provider gave comes back as it was given, also after a restart", consents},
		{"ConsentOrPassword", "a mailbox has a password or a consent; the one takes the place of the other, and what is not given stays", either},
		{"ConsentIsReplacedOnce", "a refresh that comes late does not undo what its user did meanwhile", replacedOnce},
		{"GrantRoundTrips", "a grant comes back as it was given; a new one replaces it", grant},
		{"DroppedGrantIsGone", "after a revocation there is no grant", dropped},
		{"UsersAreApart", "nobody finds, changes or wipes what is somebody else's", apart},
		{"WipedMailboxIsGone", "a wiped mailbox is as if it had never been; made anew it is another", wipedMailbox},
		{"WipedUserIsGone", "a wiped user is as if he had never been; come again he is another", wipedUser},
	}
	for _, c := range slices.Concat(rules, personRules, receiptRules) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			})
			s, reopen := fresh(t)
			c.test(t, s, reopen)
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}

func wantNone(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, account.ErrNone) {
		t.Errorf("error = %v, want %v", err, account.ErrNone)
	}
}

func ensureUser(t *testing.T, s Store, subject string) id.User {
	t.Helper()
	u, err := s.EnsureUser(t.Context(), subject)
	ok(t, err)
	return u.ID
}

func ensure(t *testing.T, s Store, u id.User, m account.Mailbox) account.Mailbox {
	t.Helper()
	got, err := s.EnsureMailbox(t.Context(), u, m)
	ok(t, err)
	return got
}

func mailboxes(t *testing.T, s Store, u id.User) []account.Mailbox {
	t.Helper()
	boxes, err := s.Mailboxes(t.Context(), u)
	ok(t, err)
	return boxes
}

func imap() account.Mailbox {
	return account.Mailbox{
		Name: "Work", Protocol: "imap", Host: "imap.example.org", Port: 993, Security: "tls", Username: "ann@example.org",
		Password: vault.NewSecret("hunter2"), Folders: []account.Folder{{Name: "INBOX"}, {Name: "Entwürfe", Label: "Old"}},
		Label: "Work", Archive: true, AfterImport: "seen",
		History: "since", Since: time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC), NewestFirst: true, PollEvery: 3 * time.Minute, Authserv: []string{"mx.example.net", "mx.example.org"},
	}
}

func wantSame(t *testing.T, got, want account.Mailbox) {
	t.Helper()
	if !got.Password.Equal(want.Password) {
		t.Error("the password is not the one that was kept")
	}
	wantConsent(t, got.Consent, want.Consent)
	got.Password, want.Password, got.Consent, want.Consent = vault.Secret{}, vault.Secret{}, account.Consent{}, account.Consent{}
	if want.ID == (id.Mailbox{}) {
		want.ID, want.Created = got.ID, got.Created
	}
	if !got.Since.Equal(want.Since) || !got.Created.Equal(want.Created) {
		t.Errorf("since, created = %v, %v, want %v, %v", got.Since, got.Created, want.Since, want.Created)
	}
	got.Since, got.Created, want.Since, want.Created = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mailbox = %+v, want %+v", got, want)
	}
}

func userFound(t *testing.T, s Store, reopen func() Store) {
	var wg sync.WaitGroup
	ids := make([]id.User, 8)
	for i := range ids {
		wg.Go(func() {
			u, err := s.EnsureUser(t.Context(), "ann")
			if err != nil {
				t.Errorf("ensure = %v", err)
			}
			ids[i] = u.ID
		})
	}
	wg.Wait()
	for _, u := range ids {
		if u != ids[0] || u == (id.User{}) {
			t.Fatalf("users = %v, want one", ids)
		}
	}
	if ensureUser(t, s, "bob") == ids[0] {
		t.Error("another subject is the same user")
	}
	if got := ensureUser(t, reopen(), "ann"); got != ids[0] {
		t.Errorf("user after a restart = %v, want %v", got, ids[0])
	}
}

func wantGrant(t *testing.T, s Store, u id.User, want account.Grant) {
	t.Helper()
	got, err := s.Grant(t.Context(), u)
	ok(t, err)
	if !got.RefreshToken.Equal(want.RefreshToken) || !got.GrantedAt.Equal(want.GrantedAt) {
		t.Error("token or time are not those of the grant")
	}
	if !reflect.DeepEqual(got.Scopes, want.Scopes) || got.Email != want.Email || got.Sub != want.Sub {
		t.Errorf("grant = %+v, want %+v", got, want)
	}
}

func grant(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	_, err := s.Grant(t.Context(), u)
	wantNone(t, err)
	g := account.Grant{RefreshToken: vault.NewSecret("1//token"), Scopes: []string{"openid", "email", "gmail.insert"},
		Email: "ann@gmail.com", Sub: "1234567890", GrantedAt: time.Now()}
	ok(t, s.PutGrant(t.Context(), u, g))
	wantGrant(t, s, u, g)
	g.RefreshToken, g.Scopes = vault.NewSecret("1//newer"), []string{"gmail.insert"}
	ok(t, s.PutGrant(t.Context(), u, g))
	wantGrant(t, reopen(), u, g)
}

func dropped(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	box := ensure(t, s, u, imap())
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("1//token")}))
	ok(t, s.DropGrant(t.Context(), u))
	ok(t, s.DropGrant(t.Context(), u))
	_, err := s.Grant(t.Context(), u)
	wantNone(t, err)
	s = reopen()
	_, err = s.Grant(t.Context(), u)
	wantNone(t, err)
	// News of the end of an old grant comes after the new one: it stays.
	g := account.Grant{RefreshToken: vault.NewSecret("1//newer"), Scopes: []string{}, Email: "ann@gmail.com", Sub: "1234567890", GrantedAt: time.Now()}
	ok(t, s.PutGrant(t.Context(), u, g))
	ok(t, s.DropRefused(t.Context(), u, vault.NewSecret("1//token")))
	wantGrant(t, s, u, g)
	ok(t, s.DropRefused(t.Context(), u, g.RefreshToken))
	ok(t, s.DropRefused(t.Context(), u, g.RefreshToken))
	_, err = s.Grant(t.Context(), u)
	wantNone(t, err)
	wantSame(t, mailboxes(t, s, u)[0], box)
}

func apart(t *testing.T, s Store, _ func() Store) {
	ann, bob, nobody := ensureUser(t, s, "ann"), ensureUser(t, s, "bob"), id.New[id.User]()
	box := ensure(t, s, ann, imap())
	ok(t, s.PutGrant(t.Context(), ann, account.Grant{RefreshToken: vault.NewSecret("1//token")}))
	if got := mailboxes(t, s, bob); len(got) != 0 {
		t.Errorf("somebody else's mailboxes = %d, want none", len(got))
	}
	_, err := s.Grant(t.Context(), bob)
	wantNone(t, err)
	_, err = s.WipeMailbox(t.Context(), bob, box.ID)
	wantNone(t, err)
	_, err = s.Mailbox(t.Context(), bob, box.ID)
	wantNone(t, err)
	wantNone(t, s.UpdateMailbox(t.Context(), bob, box))
	if got := ensure(t, s, bob, imap()).ID; got == box.ID {
		t.Error("two users share a mailbox")
	}
	_, err = s.Mailboxes(t.Context(), nobody)
	wantNone(t, err)
	_, err = s.EnsureMailbox(t.Context(), nobody, imap())
	wantNone(t, err)
	_, err = s.Mailbox(t.Context(), nobody, box.ID)
	wantNone(t, err)
	wantNone(t, s.UpdateMailbox(t.Context(), nobody, box))
	_, err = s.WipeUser(t.Context(), nobody)
	wantNone(t, err)
	_, err = s.WipeUser(t.Context(), bob)
	ok(t, err)
	wantSame(t, mailboxes(t, s, ann)[0], box)
}

func wipedUser(t *testing.T, s Store, reopen func() Store) {
	u := ensureUser(t, s, "ann")
	ensure(t, s, u, imap())
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("1//token")}))
	w, err := s.WipeUser(t.Context(), u)
	ok(t, err)
	if w.Rows["users"] != 1 || w.Rows["mailboxes"] != 1 || !w.KeyDestroyed || w.At.IsZero() {
		t.Errorf("receipt = %+v, want one user, one mailbox and a destroyed key", w)
	}
	for range 2 {
		_, err = s.Mailboxes(t.Context(), u)
		wantNone(t, err)
		_, err = s.Grant(t.Context(), u)
		wantNone(t, err)
		_, err = s.WipeUser(t.Context(), u)
		wantNone(t, err)
		s = reopen()
	}
	again := ensureUser(t, s, "ann")
	if again == u {
		t.Error("the user came back")
	}
	if got := mailboxes(t, s, again); len(got) != 0 {
		t.Errorf("mailboxes of who came again = %d, want none", len(got))
	}
}
