package gmailtest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"sync"
)

var b64 = base64.RawURLEncoding

// firstSigner is made when it is needed, and once for all doubles of a process:
// it costs more than all the rest of a double.
var firstSigner = sync.OnceValue(newSigner)

// keys are the signing keys, newest last.
type keys struct {
	mu  sync.Mutex
	all []signer
}

type signer struct {
	key *rsa.PrivateKey
	kid string
}

func newSigner() signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	sum := sha256.Sum256(key.N.Bytes())
	return signer{key, hex.EncodeToString(sum[:20])}
}

// published gives all keys; at least one.
func (s *Server) published() []signer {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	if len(s.keys.all) == 0 {
		s.keys.all = []signer{firstSigner()}
	}
	return s.keys.all
}

func (s *Server) signingKey() signer {
	all := s.published()
	return all[len(all)-1]
}

// RotateKey signs with a new key from now on. The old ones stay published, as
// Google keeps them for a while, unless they are to be forgotten.
func (s *Server) RotateKey(forget bool) {
	fresh := newSigner()
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	if forget {
		s.keys.all = nil
	}
	s.keys.all = append(s.keys.all[:len(s.keys.all):len(s.keys.all)], fresh)
}

// amend puts changes over m; a nil value takes the entry away.
func amend(m, changes map[string]any) {
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
}

// sign gives the compact form of a JWT. The header is Google's, unless changes
// to it are given: with another "alg" it becomes a forgery that a receiver must
// refuse ("none", "HS256" under the public key, "PS256").
func (k signer) sign(claims map[string]any, typ string, header map[string]any) string {
	head := map[string]any{"alg": "RS256", "kid": k.kid, "typ": typ}
	amend(head, header)
	h, err := json.Marshal(head)
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	text := b64.EncodeToString(h) + "." + b64.EncodeToString(body)
	return text + "." + b64.EncodeToString(k.signature(head["alg"], []byte(text)))
}

func (k signer) signature(alg any, text []byte) (sig []byte) {
	sum := sha256.Sum256(text)
	var err error
	switch alg {
	case "none":
	case "HS256": // whoever verifies with the key's octets takes it for good
		public, _ := x509.MarshalPKIXPublicKey(&k.key.PublicKey)
		mac := hmac.New(sha256.New, public)
		mac.Write(text)
		sig = mac.Sum(nil)
	case "PS256":
		sig, err = rsa.SignPSS(rand.Reader, k.key, crypto.SHA256, sum[:], nil)
	default:
		sig, err = rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	}
	if err != nil {
		panic("gmailtest: " + err.Error())
	}
	return sig
}

// atHash: OpenID Connect Core 3.1.3.6.
func atHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64.EncodeToString(sum[:16])
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	var set []any
	for _, k := range s.published() {
		set = append(set, map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": k.kid,
			"n": b64.EncodeToString(k.key.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(k.key.E)).Bytes())})
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	write(w, http.StatusOK, map[string]any{"keys": set})
}
