package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// moment is a data directory as a crash would leave it.
type moment struct{ after, dir string }

// moments wipes something of a user with markers, and gives the directory after
// each of its steps and transactions, from the durable intent on.
func moments(t *testing.T, wipe func(*Store, id.User, id.Mailbox) (account.Receipt, error)) (u id.User, box id.Mailbox, r account.Receipt, all []moment) {
	t.Helper()
	dir, begun := t.TempDir(), false
	s := openStore(t, dir, Options{Exclusive: true, Observe: func(time.Duration, int) {
		if begun {
			all = append(all, moment{"a transaction", copyOf(t, dir)})
		}
	}})
	u, _, box = fillWithMarkers(t, s)
	s.step = func(step string) error {
		begun = true
		all = append(all, moment{step, copyOf(t, dir)})
		return nil
	}
	r, err := wipe(s, u, box)
	ok(t, err)
	s.step, begun = nil, false
	ok(t, s.Close())
	return u, box, r, all
}

// wantFinished opens the store after a crash and wants the receipt of the wipe
// as it would have been.
func wantFinished(t *testing.T, m moment, want account.Receipt) *Store {
	t.Helper()
	s := openStore(t, m.dir, Options{Exclusive: true})
	got, err := s.Receipt(t.Context(), want.ID)
	if err != nil || got.Of != want.Of || got.KeyDestroyed != want.KeyDestroyed || !maps.Equal(got.Rows, want.Rows) || !maps.Equal(got.Outside, want.Outside) {
		t.Errorf("after %s: receipt = %+v, %v, want %+v", m.after, got, err, want)
	}
	ok(t, s.system.read(t.Context(), func(ctx context.Context) error {
		if left, err := s.q.WipesBegun(ctx); err != nil || len(left) != 0 {
			t.Errorf("after %s: wipes left = %d, %v", m.after, len(left), err)
		}
		return nil
	}))
	if want.Of != account.OfMailbox {
		errands, err := s.Errands(t.Context())
		told := map[string]string{account.GoogleRevoke: "MARK-token"}
		if want.Of == account.OfAccount {
			told[account.StripeCancel] = "MARK-customer"
		}
		if err != nil || len(errands) != len(told) {
			t.Errorf("after %s: errands = %d, %v, want %d", m.after, len(errands), err, len(told))
		}
		for _, e := range errands {
			if e.Receipt != want.ID || e.Secret.RevealString() != told[e.What] {
				t.Errorf("after %s: %s is not told as it should", m.after, e.What)
			}
		}
	}
	return s
}

func wantSteps(t *testing.T, all []moment, want ...string) {
	t.Helper()
	had := map[string]bool{}
	for _, m := range all {
		had[m.after] = true
	}
	for _, step := range want {
		if !had[step] {
			t.Errorf("no crash after %s", step)
		}
	}
}

func TestAWipeOfAUserIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	u, _, r, all := moments(t, func(s *Store, u id.User, _ id.Mailbox) (account.Receipt, error) { return s.WipeUser(t.Context(), u) })
	wantSteps(t, all, stepBegun, stepErrand, stepKey, stepRows, "a transaction")
	for _, m := range all {
		s := wantFinished(t, m, r)
		if _, err := os.Stat(s.userFile(u)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %s: the file is there: %v", m.after, err)
		}
		if _, err := os.Stat(filepath.Join(m.dir, "keys", "users", u.String())); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %s: the key is there: %v", m.after, err)
		}
		wantOutOfSystem(t, s, u[:])
		if again := newUser(t, s, "MARK-subject"); again == u {
			t.Errorf("after %s: the user came back", m.after)
		}
	}
}

func TestAWipeOfAMailboxIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	u, box, r, all := moments(t, func(s *Store, u id.User, box id.Mailbox) (account.Receipt, error) {
		return s.WipeMailbox(t.Context(), u, box)
	})
	wantSteps(t, all, stepBegun, stepKey, stepRows, stepTurn, stepRewritten, "a transaction")
	for _, m := range all {
		s := wantFinished(t, m, r)
		if boxes, err := s.Mailboxes(t.Context(), u); err != nil || len(boxes) != 0 {
			t.Errorf("after %s: mailboxes = %d, %v", m.after, len(boxes), err)
		}
		if _, err := s.Keys(t.Context(), u, box); err == nil {
			t.Errorf("after %s: the salt is there", m.after)
		}
	}
}

func TestAWipeOfAGrantIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	u, _, r, all := moments(t, func(s *Store, u id.User, _ id.Mailbox) (account.Receipt, error) { return s.WipeGrant(t.Context(), u) })
	wantSteps(t, all, stepBegun, stepErrand, stepRows, "a transaction")
	for _, m := range all {
		s := wantFinished(t, m, r)
		if a, err := s.Access(t.Context(), u); err != nil || a.Status != account.Revoked {
			t.Errorf("after %s: grant = %+v, %v", m.after, a, err)
		}
		if _, err := s.Person(t.Context(), u); !errors.Is(err, account.ErrNone) {
			t.Errorf("after %s: person: %v", m.after, err)
		}
	}
}

// TestWhoConnectsAgainKeepsTheNewGrant: a wipe that failed half-way does not
// come back for it at the next start.
func TestWhoConnectsAgainKeepsTheNewGrant(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, _, _ := fillWithMarkers(t, s)
	s.step = func(step string) error { return errors.New("stopped after " + step) }
	if _, err := s.WipeGrant(t.Context(), u); err == nil {
		t.Fatal("the wipe was not stopped")
	}
	s.step = nil
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: secret("newer"), Sub: "MARK-subject"}))
	ok(t, s.Close())
	s = openStore(t, dir, Options{Exclusive: true})
	if g, err := s.Grant(t.Context(), u); err != nil || g.RefreshToken.RevealString() != "newer" {
		t.Errorf("grant = %v, want the new one", err)
	}
}
