package sqlite

import "testing"

// TestAMailboxAtRestKeepsNoKeys: ten thousand wait for push, for hours.
func TestAMailboxAtRestKeepsNoKeys(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	user := newUser(t, s, "ann")
	box := newMailbox(t, s, user, "box")
	kept := func() (n int) {
		ok(t, s.inUser(t.Context(), user, func(u *userDB) error {
			n = len(u.boxes.keys)
			return nil
		}))
		return n
	}
	for range 2 { // and the next pass has them again
		_, err := s.Keys(t.Context(), user, box)
		ok(t, err)
		if n := kept(); n != 1 {
			t.Fatalf("keys of %d mailboxes are kept", n)
		}
		ok(t, s.Rest(t.Context(), user, box))
		if n := kept(); n != 0 {
			t.Errorf("keys of %d mailboxes are kept at rest", n)
		}
	}
}
