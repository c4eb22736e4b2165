package sqlite

import (
	"errors"
	"os"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
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
