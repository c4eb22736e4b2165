package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// A sealed value is version ‖ key id ‖ nonce ‖ ciphertext ‖ tag. The nonce is
// random: 2^32 values under one key are safe, a user makes a few thousand.
const (
	sealVersion = 1
	headSize    = 1 + len(keyID{})
	wrapLabel   = "smtp-sync/wrap/v1"
)

// newAEAD is the form that works in FIPS mode too: it chooses the nonces.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("vault: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("vault: " + err.Error())
	}
	return aead
}

// seal encrypts plain; the head is authenticated with aad.
func seal(aead cipher.AEAD, id keyID, plain, aad []byte) []byte {
	head := append([]byte{sealVersion}, id[:]...)
	return aead.Seal(head, nil, plain, append(aad, head...))
}

// headOf gives the id of the key that sealed b.
func headOf(b []byte) (id keyID, ok bool) {
	if len(b) < headSize || b[0] != sealVersion {
		return id, false
	}
	return keyID(b[1:headSize]), true
}

// open undoes seal; false means: altered, or not sealed with this key and aad.
func open(aead cipher.AEAD, b, aad []byte) ([]byte, bool) {
	plain, err := aead.Open(nil, nil, b[headSize:], append(aad, b[:headSize]...))
	return plain, err == nil
}

func wrapAAD(name string) []byte { return []byte(wrapLabel + "\x00" + name + "\x00") }

// wrap seals a key record of this name under the newest master key.
func (m *MasterKeys) wrap(name string, key []byte) []byte {
	newest := m.keys[0]
	return seal(newest.aead, newest.id, key, wrapAAD(name))
}

// unwrap opens a key record with whichever master key it names.
func (m *MasterKeys) unwrap(name string, record []byte) ([]byte, error) {
	id, ok := headOf(record)
	if !ok {
		return nil, damaged(name)
	}
	for _, k := range m.keys {
		if k.id != id {
			continue
		}
		if key, ok := open(k.aead, record, wrapAAD(name)); ok && len(key) > 0 && len(key)%keySize == 0 {
			return key, nil
		}
		return nil, damaged(name)
	}
	return nil, masterFault(
		fmt.Sprintf("the key store is locked with master key %s, but the ones given are %s", id, strings.Join(m.IDs(), ", ")),
		"add the right master key to the end of "+masterSetting+" or of the file master.key")
}

func damaged(name string) *mail.Fault {
	return &mail.Fault{
		Class: mail.Setup, Code: "key_damaged",
		Text: "the key record " + name + " is damaged", Help: "restore it from a copy of the key store",
	}
}
