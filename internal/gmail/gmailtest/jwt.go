package gmailtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"sync"
)

var b64 = base64.RawURLEncoding

// keys makes the signing key when it is first needed: it costs more than all
// the rest of a double.
type keys struct {
	once sync.Once
	key  *rsa.PrivateKey
}

type signer struct {
	key *rsa.PrivateKey
	kid string
}

func (s *Server) signingKey() signer {
	s.keys.once.Do(func() {
		var err error
		if s.keys.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic("gmailtest: " + err.Error())
		}
	})
	sum := sha256.Sum256(s.keys.key.N.Bytes())
	return signer{s.keys.key, hex.EncodeToString(sum[:20])}
}

// sign gives the compact form of a JWT, RS256.
func (k signer) sign(claims map[string]any, typ string) string {
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "kid": k.kid, "typ": typ})
	body, err := json.Marshal(claims)
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	text := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	return text + "." + b64.EncodeToString(sig)
}

// atHash: OpenID Connect Core 3.1.3.6.
func atHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64.EncodeToString(sum[:16])
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	k := s.signingKey()
	w.Header().Set("Cache-Control", "public, max-age=3600")
	write(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": k.kid,
		"n": b64.EncodeToString(k.key.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(k.key.E)).Bytes())}}})
}
