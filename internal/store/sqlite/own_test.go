package sqlite

import (
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

func TestWhoHoldsTheDirectoryOwnsWithoutAWrite(t *testing.T) {
	t.Parallel()
	var writes int
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "box")
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		writes = int(changes(t, u.database))
		return nil
	}))
	var ledgers []*Ledger
	for range 3 {
		o, err := s.Own(t.Context(), u)
		ok(t, err)
		l, err := o.Ledger(t.Context(), box)
		ok(t, err)
		_, err = l.Claims(t.Context())
		ok(t, err)
		ledgers = append(ledgers, l)
	}
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		if n := int(changes(t, u.database)) - writes; n != 0 {
			t.Errorf("writes = %d, want none", n)
		}
		return nil
	}))
	for _, l := range ledgers { // they are one owner
		ok(t, record(t, l, newKey()))
	}
	takeLedger(t, s, u, box)
	if err := record(t, ledgers[0], newKey()); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("after a take-over: %v, want %v", err, ledger.ErrFenced)
	}
}

func TestWhoDoesNotHoldTheDirectoryCannotOwn(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	if _, err := s.Own(t.Context(), newUser(t, s, "somebody")); err == nil {
		t.Error("owned beside a process that may be at work")
	}
}
