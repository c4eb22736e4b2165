package postgres

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/session"
)

var errStopped = errors.New("stopped by the test")

// stopped wipes something in an installation of its own and stops after a step; what
// another process then finds is given.
func stopped(t *testing.T, after string, wipe func(*Store, *filled) error) (*installation, *Store, *filled) {
	t.Helper()
	i := newInstallation(t)
	s := i.open(t, Options{})
	f := fill(t, s, "MARK")
	s.step = func(step string) error {
		if step == after {
			return errStopped
		}
		return nil
	}
	if err := wipe(s, f); !errors.Is(err, errStopped) {
		t.Fatalf("the wipe ended with %v, want it stopped after %s", err, after)
	}
	return i, i.open(t, Options{}), f
}

// wantFinished wants every wipe done, with one receipt of its rows.
func wantFinished(t *testing.T, i *installation, s *Store, of string, keyDestroyed bool, tables ...string) {
	t.Helper()
	ok(t, s.FinishWipes(t.Context()))
	all := i.rowsOf(t, id.User{})
	if n := len(all["wipes"]); n != 0 {
		t.Errorf("%d wipes are not finished", n)
	}
	if n := len(all["receipts"]); n != 1 {
		t.Fatalf("there are %d receipts, want 1", n)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(all["receipts"][0], "("), ",")
	r, err := s.Receipt(t.Context(), name)
	if err != nil || r.Of != of || r.KeyDestroyed != keyDestroyed {
		t.Errorf("receipt = %+v, %v", r, err)
	}
	for _, table := range tables {
		if r.Rows[table] == 0 {
			t.Errorf("the receipt has no rows of %s: %v", table, r.Rows)
		}
	}
}

func TestAWipeOfAUserIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	for _, after := range []string{stepBegun, stepErrand, stepKey, stepRows} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			i, s, f := stopped(t, after, func(s *Store, f *filled) error { _, err := s.WipeUser(t.Context(), f.user); return err })
			if _, err := s.FindSession(t.Context(), secret(f.secrets[0])); !errors.Is(err, session.ErrNone) {
				t.Errorf("somebody is signed in to a wipe: %v", err)
			}
			wantFinished(t, i, s, account.OfAccount, true, "mailboxes", "schedule", "entries", "claims", "words", "audit", "grants", "person", "profile",
				"requests", "modules", "rules", "rule_mailboxes", "sessions", "tokens", "grant_marks", "signals", "quota_user_day", "wheel", "users")
			if left := i.rowsOf(t, f.user); len(left) != 0 {
				t.Errorf("rows are left in %v", slices.Sorted(maps.Keys(left)))
			}
			if left := i.rowsOf(t, id.User{}); len(left["signals"]) != 0 {
				t.Errorf("news about him are left")
			}
			wantNoKeys(t, i, f.user.String())
			errands, err := s.Errands(t.Context())
			if err != nil || len(errands) != 1 || errands[0].Secret.RevealString() != f.mark+"-refresh" {
				t.Errorf("errands = %d, %v; Google is to be told", len(errands), err)
			}
			if again, err := s.EnsureUser(t.Context(), f.mark+"-sub"); err != nil || again.ID == f.user {
				t.Errorf("who comes again is the same, %v", err)
			}
		})
	}
}

// wantNoKeys wants no record of what names it in the key store.
func wantNoKeys(t *testing.T, i *installation, of string) {
	t.Helper()
	for name, err := range i.shelf.List(t.Context()) {
		ok(t, err)
		if strings.Contains(name, of) {
			t.Errorf("the key %s is left", name)
		}
	}
}

func TestAWipeOfAMailboxIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	for _, after := range []string{stepBegun, stepKey, stepRows} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			i, s, f := stopped(t, after, func(s *Store, f *filled) error { _, err := s.WipeMailbox(t.Context(), f.user, f.box); return err })
			if after != stepBegun {
				if boxes, err := s.Mailboxes(t.Context(), f.user); err != nil || len(boxes) != 0 {
					t.Errorf("mailboxes = %d, %v, where the salt is gone", len(boxes), err)
				}
			}
			wantFinished(t, i, s, account.OfMailbox, true, "mailboxes", "schedule", "entries", "claims", "words", "audit", "rule_mailboxes", "wheel")
			for table, rows := range i.rowsOf(t, f.user) {
				if slices.Contains([]string{"mailboxes", "schedule", "entries", "totals", "claims", "words", "audit", "rule_mailboxes", "wheel"}, table) {
					t.Errorf("%d rows are left in %s", len(rows), table)
				}
			}
			wantNoKeys(t, i, f.box.String())
		})
	}
}

func TestAWipeOfAGrantIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	for _, after := range []string{stepBegun, stepErrand, stepRows} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			i, s, f := stopped(t, after, func(s *Store, f *filled) error { _, err := s.WipeGrant(t.Context(), f.user); return err })
			wantFinished(t, i, s, account.OfGrant, false, "grants", "person", "claims")
			if a, err := s.Access(t.Context(), f.user); err != nil || a.Status != account.Revoked {
				t.Errorf("grant = %+v, %v", a, err)
			}
			errands, err := s.Errands(t.Context())
			if err != nil || len(errands) != 1 || errands[0].Secret.RevealString() != f.mark+"-refresh" {
				t.Errorf("errands = %d, %v; Google is to be told", len(errands), err)
			}
		})
	}
}

// TestWhoConnectsAgainKeepsTheNewGrant: a wipe that failed half-way does not come
// back for it.
func TestWhoConnectsAgainKeepsTheNewGrant(t *testing.T) {
	t.Parallel()
	_, s, f := stopped(t, stepErrand, func(s *Store, f *filled) error { _, err := s.WipeGrant(t.Context(), f.user); return err })
	ok(t, s.PutGrant(t.Context(), f.user, account.Grant{RefreshToken: secret("newer"), Sub: f.mark + "-sub"}))
	ok(t, s.FinishWipes(t.Context()))
	if g, err := s.Grant(t.Context(), f.user); err != nil || g.RefreshToken.RevealString() != "newer" {
		t.Errorf("grant = %v, want the new one", err)
	}
	if errands, err := s.Errands(t.Context()); err != nil || len(errands) != 0 {
		t.Errorf("errands = %d, %v: they would end the new grant", len(errands), err)
	}
}

// TestARevocationFencesAndDoubts: who held the user writes nothing any more, and
// what was on its way is doubtful, with its line.
func TestARevocationFencesAndDoubts(t *testing.T) {
	t.Parallel()
	s := newInstallation(t).open(t, Options{})
	f := fill(t, s, "MARK")
	l := takeLedger(t, s, f.user, f.box)
	ok(t, s.DropRefused(t.Context(), f.user, secret("another token")))
	if claims, err := l.Claims(t.Context()); err != nil || len(claims) != 1 {
		t.Fatalf("claims = %d, %v; a token that is not kept was refused", len(claims), err)
	}
	ok(t, s.DropGrant(t.Context(), f.user))
	if claims, err := l.Claims(t.Context()); err != nil || len(claims) != 0 {
		t.Errorf("claims = %d, %v", len(claims), err)
	}
	if err := l.Record(t.Context(), freshKey(), inGmail); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("the owner of before writes: %v", err)
	}
	lines := (&world{s: s, user: f.user}).Audit(t, f.box)
	last := lines[len(lines)-1]
	if last.Reason != grantRevoked || last.Domain != f.mark+"-domain.example.org" || last.Size != 7 {
		t.Errorf("line = %+v", last)
	}
}
