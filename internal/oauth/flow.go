package oauth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// FlowLife is how long a person may take at the consent page.
const FlowLife = 10 * time.Minute

// Flow is one visit to the consent page; it lives in memory or in a sealed
// cookie until the person comes back.
type Flow struct {
	Ask      Ask
	State    string // compare with the callback's, then call Exchange
	Nonce    string
	Verifier vault.Secret // PKCE
	Expires  time.Time
}

// flowLabel makes a key for sealing flows and nothing else. It never changes.
const flowLabel = "smtp-sync/oauth/flow/v1"

// flowRecord is a Flow as it is sealed.
type flowRecord struct {
	Ask      Ask
	State    string
	Nonce    string
	Verifier string
	Expires  int64
}

// sealer encrypts flows with AES-256-GCM.
type sealer struct{ aead cipher.AEAD }

func newSealer(key vault.Secret) sealer {
	if len(key.Reveal()) < 32 {
		panic("oauth: the key that seals flows has at least 32 octets")
	}
	k, err := hkdf.Key(sha256.New, key.Reveal(), nil, flowLabel, 32)
	if err != nil {
		panic("oauth: " + err.Error()) // only for lengths that AES has not
	}
	defer clear(k)
	block, err := aes.NewCipher(k)
	if err != nil {
		panic("oauth: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("oauth: " + err.Error())
	}
	return sealer{aead}
}

// seal gives a Flow as the value of a cookie.
func (s sealer) seal(f Flow) string {
	plain, err := json.Marshal(flowRecord{f.Ask, f.State, f.Nonce, f.Verifier.RevealString(), f.Expires.Unix()})
	if err != nil {
		panic("oauth: " + err.Error()) // strings and a number
	}
	defer clear(plain)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, nil))
}

// open undoes seal; false means: altered, or sealed under another key.
func (s sealer) open(cookie string) (Flow, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(sealed) < s.aead.Overhead() {
		return Flow{}, false
	}
	plain, err := s.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return Flow{}, false
	}
	defer clear(plain)
	var r flowRecord
	if json.Unmarshal(plain, &r) != nil {
		return Flow{}, false
	}
	return Flow{Ask: r.Ask, State: r.State, Nonce: r.Nonce, Verifier: vault.NewSecret(r.Verifier), Expires: time.Unix(r.Expires, 0)}, true
}
