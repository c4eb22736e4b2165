package server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// sealer closes what a form carries from one step to the next, so that it needs
// to be kept nowhere and means nothing to whoever reads the page: AES-256-GCM
// under a key of its own, for a short time, and for the parts it was closed for
// (the session, the mail server, what it is). A page from the cache of a
// browser, or a session that has ended, opens nothing.
type sealer struct{ aead cipher.AEAD }

const labelSeal = "smtp-sync/server/seal/v1" // it never changes

// sealLife is how long a form may lie on a desk.
const sealLife = 30 * time.Minute

func newSealer(master vault.Secret) sealer {
	k, err := hkdf.Key(sha256.New, master.Reveal(), nil, labelSeal, 32)
	if err != nil {
		panic("server: " + err.Error()) // only for lengths that SHA-256 has not
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		panic("server: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("server: " + err.Error())
	}
	return sealer{aead}
}

// parts writes each with its length: no two lists give the same octets.
func parts(all []string) (out []byte) {
	for _, p := range all {
		out = binary.BigEndian.AppendUint64(out, uint64(len(p)))
		out = append(out, p...)
	}
	return out
}

// seal closes what, for who knows the parts.
func (s sealer) seal(what []byte, of ...string) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(sealLife).Unix()))
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, append(plain, what...), parts(of)))
}

// open opens what was sealed for the same parts and not too long ago.
func (s sealer) open(sealed string, of ...string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || sealed == "" {
		return nil, false
	}
	plain, err := s.aead.Open(nil, nil, b, parts(of))
	if err != nil || len(plain) < 8 || time.Now().Unix() > int64(binary.BigEndian.Uint64(plain)) {
		return nil, false
	}
	return plain[8:], true
}
