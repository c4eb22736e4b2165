package vault_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var userA, userB = id.User{0: 1, 15: 10}, id.User{0: 1, 15: 11}

// root1 is a user's key for tests: 32 octets that count up.
func root1() vault.Secret {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i)
	}
	return vault.NewSecret(b)
}

func TestASealedValueOpensOnlyAtItsPlaceUnderItsKey(t *testing.T) {
	t.Parallel()
	k := vault.NewUserKey(userA, root1())
	at := vault.Place{Table: "mailboxes", Column: "password", Row: "7f", User: userA}
	sealed := k.Seal(at, vault.NewSecret(canary))
	if got, err := k.Open(at, sealed); err != nil || got.RevealString() != canary {
		t.Fatalf("Open = %q, %v; want what was sealed", got.Reveal(), err)
	}
	if bytes.Contains(sealed, []byte(canary)) || bytes.Equal(sealed, k.Seal(at, vault.NewSecret(canary))) {
		t.Error("a sealed value shows its secret, or is the same each time")
	}
	for name, elsewhere := range map[string]vault.Place{
		"table":  {Table: "grants", Column: "password", Row: "7f", User: userA},
		"column": {Table: "mailboxes", Column: "username", Row: "7f", User: userA},
		"row":    {Table: "mailboxes", Column: "password", Row: "80", User: userA},
		"user":   {Table: "mailboxes", Column: "password", Row: "7f", User: userB},
		// The parts do not run into each other.
		"border":     {Table: "mailboxesp", Column: "assword", Row: "7f", User: userA},
		"row border": {Table: "mailboxes", Column: "password7", Row: "f", User: userA},
	} {
		if _, err := k.Open(elsewhere, sealed); err == nil {
			t.Errorf("moved to another %s the value still opens", name)
		} else {
			wantFault(t, err, "sealed_value", elsewhere.Table, elsewhere.Column)
		}
	}
	other := vault.NewUserKey(userA, vault.NewSecret(bytes.Repeat([]byte{7}, 32)))
	if _, err := other.Open(at, sealed); err == nil {
		t.Error("another key opens the value")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open(at, bad); err == nil {
			t.Errorf("the value opens with octet %d of %d altered", i, len(sealed))
		}
		if _, err := k.Open(at, sealed[:i]); err == nil {
			t.Errorf("the first %d octets of the value open", i)
		}
	}
	if got, err := k.Open(at, k.Seal(at, vault.Secret{})); err != nil || !got.Empty() {
		t.Errorf("an empty secret comes back as %q, %v", got.Reveal(), err)
	}
}

// What is stored by one release must open in every later one. If this fails a
// label or a format was changed: give it a new version instead.
func TestDerivationsNeverChange(t *testing.T) {
	t.Parallel()
	k := vault.NewUserKey(userA, root1())
	page := k.PageKey().Reveal()
	if got, want := hex.EncodeToString(page), goldenPage; got != want {
		t.Errorf("page key = %s, want %s", got, want)
	}
	if len(page) != 64 || bytes.Equal(page[:32], page[32:]) {
		t.Error("the page key is not two keys of 32 octets, as AES-256-XTS wants")
	}
	sealed, _ := hex.DecodeString(goldenSealed)
	at := vault.Place{Table: "mailboxes", Column: "password", Row: "7f", User: userA}
	if got, err := k.Open(at, sealed); err != nil || got.RevealString() != canary {
		t.Errorf("a value sealed by an earlier release = %q, %v", got.Reveal(), err)
	}
}

func FuzzOpen(f *testing.F) {
	k := vault.NewUserKey(userA, root1())
	at := vault.Place{Table: "t", Column: "c", User: userA}
	f.Add([]byte(nil))
	f.Add([]byte{1, 2, 3, 4, 5})
	f.Add(k.Seal(at, vault.NewSecret("x"))[:20])
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if got, err := k.Open(at, sealed); err == nil {
			t.Fatalf("octets that nobody sealed open as %q", got.Reveal())
		}
	})
}
