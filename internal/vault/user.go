package vault

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Labels of the keys derived from a user's key. They never change.
const (
	userIDLabel      = "smtp-sync/user-key-id/v1\x00"
	sealLabel        = "smtp-sync/seal/v1"
	pageLabel        = "smtp-sync/page/v1"
	fingerprintLabel = "smtp-sync/fingerprint/v1"
)

// UserKey is one user's key, unwrapped, with what is derived from it. It may be
// used by many goroutines at once. Whoever holds one after the user was
// destroyed drops it.
type UserKey struct {
	user        id.User
	id          keyID
	aead        cipher.AEAD
	page        Secret
	formerPage  Secret // empty: there is none
	fingerprint Secret
}

// NewUserKey makes a user's key from 32 random octets; a Store does so.
func NewUserKey(user id.User, root Secret) *UserKey {
	if len(root.Reveal()) != keySize {
		panic("vault: a user key is 32 octets")
	}
	sealing := derive(root, sealLabel, keySize)
	return &UserKey{
		user: user, id: newKeyID(userIDLabel, root.Reveal()),
		aead:        newAEAD(sealing.Reveal()),
		page:        derive(root, pageLabel, 64),
		fingerprint: derive(root, fingerprintLabel, keySize),
	}
}

// User tells whose key it is.
func (k *UserKey) User() id.User { return k.user }

// PageKey gives the 64 octets that encrypt the pages of the user's database
// (AES-256-XTS takes two keys of 32).
func (k *UserKey) PageKey() Secret { return k.page }

// FormerPageKey gives the page key of before, while the database is being
// written anew under PageKey; empty otherwise. See Store.TurnPage.
func (k *UserKey) FormerPageKey() Secret { return k.formerPage }

// Place is where a sealed value belongs; it opens nowhere else. Row names the
// row within the table by whatever is stable: an id, or a key's octets.
type Place struct {
	Table  string
	Column string
	Row    string
	User   id.User
}

func (p Place) aad() []byte {
	b := []byte(sealLabel)
	for _, part := range []string{p.Table, p.Column, p.Row, string(p.User[:])} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// Seal encrypts s for this place. The same secret gives a different value each time.
func (k *UserKey) Seal(at Place, s Secret) []byte {
	return seal(k.aead, k.id, s.Reveal(), at.aad())
}

// Open gives back what was sealed for this place, or a Fault that names the
// place: the value was altered, moved, or sealed under another user's key.
func (k *UserKey) Open(at Place, sealed []byte) (Secret, error) {
	if sealer, ok := headOf(sealed); ok && sealer == k.id {
		if plain, ok := open(k.aead, sealed, at.aad()); ok {
			s := NewSecret(plain)
			clear(plain)
			return s, nil
		}
	}
	return Secret{}, &mail.Fault{
		Class: mail.Setup, Code: "sealed_value",
		Text: fmt.Sprintf("the stored %s.%s of user %s cannot be decrypted", at.Table, at.Column, at.User),
		Help: "it was altered or belongs elsewhere: enter it anew, or restore database and key store from the same moment",
	}
}

// derive makes a key for one purpose.
func derive(root Secret, label string, n int) Secret {
	return deriveSalted(root, Secret{}, label, n)
}

func deriveSalted(root, salt Secret, label string, n int) Secret {
	k, err := hkdf.Key(sha256.New, root.Reveal(), salt.Reveal(), label, n)
	if err != nil {
		panic("vault: " + err.Error()) // only for lengths that no label has
	}
	defer clear(k)
	return NewSecret(k)
}

// random makes the 32 octets of a new key or salt.
func random() Secret {
	b := make([]byte, keySize)
	_, _ = rand.Read(b) // never fails
	defer clear(b)
	return NewSecret(b)
}
