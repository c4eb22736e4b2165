package sqlite

import (
	"errors"
	"os"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func TestWipedMailboxLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, l, box := fillWithMarkers(t, s)
	_, err := s.Keys(t.Context(), u, box)
	ok(t, err)
	w, err := s.WipeMailbox(t.Context(), u, box)
	ok(t, err)
	if i, err := os.Stat(s.userFile(u) + "-wal"); err != nil || i.Size() != 0 {
		t.Errorf("the WAL is not empty: %v", err)
	}
	for _, table := range []string{"mailboxes", "schedule", "wheel", "entries", "claims", "audit", "totals"} {
		if w.Rows[table] != 1 {
			t.Errorf("receipt: %d rows of %s, want 1", w.Rows[table], table)
		}
	}
	wantOutOfSystem(t, s, box[:])
	for name, err := range map[string]error{"claim": l.Claim(t.Context(), newClaim("x")), "record": record(t, l, newKey())} {
		if !errors.Is(err, ledger.ErrFenced) {
			t.Errorf("%s in a wiped mailbox: %v, want %v", name, err, ledger.ErrFenced)
		}
	}
	if _, err := s.Keys(t.Context(), u, box); err == nil {
		t.Error("the salt of a wiped mailbox is still there")
	}
	// Even under the pages' encryption nothing is left.
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		for _, q := range []string{"entries", "claims", "audit"} {
			st, _, err := u.conn.Prepare("SELECT count(*) FROM " + q)
			if err != nil {
				return err
			}
			if st.Step(); st.ColumnInt(0) != 0 {
				t.Errorf("%s has %d rows, want none", q, st.ColumnInt(0))
			}
			st.Close()
		}
		return nil
	}))
}

// TestWipedMailboxIsGoneFromEveryCopy: a copy of the store made before, with the
// key store of now, in which the user's key still is.
func TestWipedMailboxIsGoneFromEveryCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{Exclusive: true})
	u, _, box := fillWithMarkers(t, s)
	other, err := s.EnsureMailbox(t.Context(), u, account.Mailbox{Protocol: "pop3", Host: "other", Port: 995, Password: vault.NewSecret("other's")})
	ok(t, err)
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error { return u.scrub(t.Context()) }))
	copied, err := os.ReadFile(s.userFile(u))
	ok(t, err)
	_, err = s.WipeMailbox(t.Context(), u, box)
	ok(t, err)
	ok(t, s.Close())
	ok(t, os.WriteFile(s.userFile(u), copied, 0o600))

	s = openStore(t, dir, Options{Exclusive: true})
	boxes, err := s.Mailboxes(t.Context(), u)
	ok(t, err)
	if len(boxes) != 2 || !boxes[0].Password.Empty() || boxes[1].ID != other.ID || boxes[1].Password.RevealString() != "other's" {
		t.Errorf("want the wiped mailbox back without its password, and the other one as it was")
	}
	if claims, err := takeLedger(t, s, u, box).Claims(t.Context()); err == nil {
		t.Errorf("%d upload sessions of the wiped mailbox opened", len(claims))
	}
	if _, err := s.Keys(t.Context(), u, box); err == nil {
		t.Error("the ledger of the wiped mailbox can be asked again")
	}
}
