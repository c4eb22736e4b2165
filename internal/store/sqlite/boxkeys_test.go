package sqlite

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// TestMailboxKeyIsOfUserAndSalt: without either, what is sealed for a mailbox is
// noise.
func TestMailboxKeyIsOfUserAndSalt(t *testing.T) {
	t.Parallel()
	root := func(b byte) vault.Secret {
		octets := make([]byte, 32)
		octets[0] = b
		return vault.NewSecret(octets)
	}
	user := id.New[id.User]()
	key := vault.NewUserKey(user, root(1))
	place := vault.Place{Table: "mailboxes", Column: "password", Row: "x", User: user}
	sealed := key.BoxKeys(root(2)).Sealer.Seal(place, vault.NewSecret("password"))
	if got, err := key.BoxKeys(root(2)).Sealer.Open(place, sealed); err != nil || got.RevealString() != "password" {
		t.Errorf("opened with the same key: %v", err)
	}
	for name, k := range map[string]*vault.UserKey{
		"another salt": key.BoxKeys(root(3)).Sealer, "another user's key": vault.NewUserKey(user, root(4)).BoxKeys(root(2)).Sealer, "the user's key alone": key,
	} {
		if _, err := k.Open(place, sealed); err == nil {
			t.Errorf("opened with %s", name)
		}
	}
}
