package gmailtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

const (
	eventPrefix = "https://schemas.openid.net/secevent/"
	riscEvent   = "risc/event-type/"
	oauthEvent  = "oauth/event-type/"
)

// Event is a security event of Cross-Account Protection.
type Event struct {
	Type   string         `json:"type"`             // after eventPrefix; or its last word alone, such as "tokens-revoked"
	Email  string         `json:"email,omitempty"`  // whose account it is about
	Extra  map[string]any `json:"extra,omitempty"`  // reason, state, or another subject
	JTI    string         `json:"jti,omitempty"`    // "" makes a new one; the same again is a redelivery
	Issuer string         `json:"issuer,omitempty"` // base address of the double, with the trailing slash that Google's has

	// For token-revoked: the refresh token, named by the hash of its hash, or
	// by its first 16 characters.
	Token  string `json:"token,omitempty"`
	Prefix bool   `json:"prefix,omitempty"`

	// Changes that make a forgery of it; null takes an entry away.
	Header map[string]any `json:"header,omitempty"`
	Claims map[string]any `json:"claims,omitempty"`
}

func (s *Server) riscRoutes() {
	s.mux.HandleFunc("GET /.well-known/risc-configuration", func(w http.ResponseWriter, r *http.Request) {
		b := s.base(r)
		write(w, http.StatusOK, map[string]any{"issuer": b + "/", "jwks_uri": b + "/oauth2/v3/certs",
			"delivery_methods_supported": []string{eventPrefix + "risc/delivery-method/push"}})
	})
}

// name completes the short names of events.
func (e Event) name() string {
	switch {
	case strings.Contains(e.Type, "/"):
		return eventPrefix + e.Type
	case e.Type == "tokens-revoked", e.Type == "token-revoked":
		return eventPrefix + oauthEvent + e.Type
	}
	return eventPrefix + riscEvent + e.Type
}

// subject says who or what an event is about; nil if it says nothing.
func (s *Server) subject(e Event) map[string]string {
	switch {
	case e.Token != "" && e.Prefix:
		return map[string]string{"subject_type": "oauth_token", "token_type": "refresh_token",
			"token_identifier_alg": "prefix", "token": e.Token[:min(16, len(e.Token))]}
	case e.Token != "":
		once := sha512.Sum512([]byte(e.Token))
		twice := sha512.Sum512(once[:])
		return map[string]string{"subject_type": "oauth_token", "token_type": "refresh_token",
			"token_identifier_alg": "hash_base64_sha512_sha512", "token": base64.StdEncoding.EncodeToString(twice[:])}
	case e.Email != "":
		return map[string]string{"subject_type": "iss-sub", "iss": e.Issuer, "sub": s.Sub(e.Email)}
	}
	return nil
}

// SignEvent gives a security event token (RFC 8417) as Google signs it: without
// exp.
func (s *Server) SignEvent(e Event) string {
	if e.JTI == "" {
		e.JTI = rand.Text()
	}
	event := map[string]any{}
	if subject := s.subject(e); subject != nil {
		event["subject"] = subject
	}
	maps.Copy(event, e.Extra)
	claims := map[string]any{"iss": e.Issuer, "aud": s.o.ClientID, "iat": time.Now().Unix(), "jti": e.JTI,
		"events": map[string]any{e.name(): event}}
	amend(claims, e.Claims)
	return s.signingKey().sign(claims, "secevent+jwt", e.Header)
}

// SendEvent signs an event, posts it to a receiver and gives the status of the
// answer: 202 is taken.
func (s *Server) SendEvent(ctx context.Context, c *http.Client, receiver string, e Event) (int, error) {
	status, _, err := deliver(ctx, c, receiver, s.SignEvent(e))
	return status, err
}

func deliver(ctx context.Context, c *http.Client, receiver, token string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, receiver, strings.NewReader(token))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(bytes.TrimSpace(b)), nil
}
