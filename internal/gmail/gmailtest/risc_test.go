package gmailtest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// The receiver of this test checks what facts 8 says a receiver must check.
func TestSecurityEventIsSignedAndDelivered(t *testing.T) {
	t.Parallel()
	s := newSite(t, gmailtest.Options{})
	_, _, body := s.do(t, "GET", "/.well-known/risc-configuration", nil)
	var conf struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(body), &conf); err != nil || conf.Issuer != s.url+"/" {
		t.Fatalf("configuration = %s", body)
	}
	_, _, body = s.do(t, "GET", conf.JWKS, nil)
	var set struct {
		Keys []struct{ Kid, N, E, Alg string }
	}
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("keys = %s", body)
	}
	var got string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = string(b)
		if r.Header.Get("Content-Type") == "application/secevent+jwt" {
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	defer receiver.Close()
	code, err := s.SendEvent(t.Context(), http.DefaultClient, receiver.URL, gmailtest.Event{Type: "risc/event-type/account-disabled",
		Email: user, Issuer: conf.Issuer, JTI: "j1", Extra: map[string]any{"reason": "hijacking"}})
	if err != nil || code != http.StatusAccepted {
		t.Fatalf("delivery: %d %v", code, err)
	}
	part := strings.Split(got, ".")
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k := set.Keys[0]
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(raw(k.N)), E: int(new(big.Int).SetBytes(raw(k.E)).Int64())}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw(part[2])); err != nil || !strings.Contains(string(raw(part[0])), k.Kid) {
		t.Errorf("signature: %v", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw(part[1]), &claims); err != nil || claims["exp"] != nil || claims["jti"] != "j1" || claims["aud"] != gmailtest.DefaultClientID {
		t.Errorf("claims = %v", claims)
	}
	if text := string(raw(part[1])); !strings.Contains(text, s.Sub(user)) || !strings.Contains(text, "hijacking") || strings.Contains(text, user) {
		t.Errorf("event = %s", text)
	}
}
