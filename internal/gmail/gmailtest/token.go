package gmailtest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// token exchanges a code, or refreshes.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request", "Malformed form")
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if id != s.o.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.o.ClientSecret)) != 1 {
		oauthError(w, http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		s.exchange(w, r)
	case "refresh_token":
		s.mu.Lock()
		defer s.mu.Unlock()
		g := s.oauth.refresh[r.PostForm.Get("refresh_token")]
		if g == nil {
			oauthError(w, http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
			return
		}
		write(w, http.StatusOK, s.tokens(*g))
	default:
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type")
	}
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	key := s.signingKey() // made before the lock is taken: it takes a while
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PostForm.Get("code")
	c := s.oauth.codes[name]
	delete(s.oauth.codes, name) // good once
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case c == nil || time.Since(c.born) > 10*time.Minute:
		oauthError(w, http.StatusBadRequest, "invalid_grant", "Malformed auth code.")
		return
	case c.redirect != r.PostForm.Get("redirect_uri"):
		oauthError(w, http.StatusBadRequest, "redirect_uri_mismatch", "Bad Request")
		return
	case c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		oauthError(w, http.StatusBadRequest, "invalid_grant", "Invalid code verifier.")
		return
	}
	answer := s.tokens(c.grant)
	if c.offline {
		answer["refresh_token"] = s.newRefresh(c.grant)
	}
	if strings.Contains(answer["scope"].(string), "openid") {
		now := time.Now()
		claims := map[string]any{"iss": s.base(r), "azp": s.o.ClientID, "aud": s.o.ClientID, "sub": c.user.sub,
			"email": c.user.email, "email_verified": true, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
			"at_hash": atHash(answer["access_token"].(string))}
		if c.nonce != "" {
			claims["nonce"] = c.nonce
		}
		header := map[string]any{}
		if s.tamper != nil {
			s.tamper(header, claims)
			amend(claims, nil)
		}
		answer["id_token"] = key.sign(claims, "JWT", header)
	}
	write(w, http.StatusOK, answer)
}

// TamperIDToken lets f change header and claims of every ID token from now on,
// for what a client must refuse; a claim made nil is taken away. See sign for
// what another "alg" does. TamperIDToken(nil) ends it.
func (s *Server) TamperIDToken(f func(header, claims map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tamper = f
}

func (s *Server) tokens(g grant) map[string]any {
	return map[string]any{"access_token": s.newAccess(g, time.Now().Add(s.o.TokenLife)), "expires_in": int(s.o.TokenLife.Seconds()),
		"scope": strings.Join(g.scopes, " "), "token_type": "Bearer"}
}

// revokeToken ends the whole grant that a token belongs to.
func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token := r.FormValue("token")
	s.mu.Lock()
	defer s.mu.Unlock()
	var u *user
	if a := s.oauth.access[token]; a != nil {
		u = a.user
	} else if g := s.oauth.refresh[token]; g != nil {
		u = g.user
	}
	if u == nil {
		oauthError(w, http.StatusBadRequest, "invalid_token", "Token expired or revoked")
		return
	}
	s.revoke(u)
	write(w, http.StatusOK, map[string]any{})
}

func oauthError(w http.ResponseWriter, code int, name, description string) {
	write(w, code, map[string]string{"error": name, "error_description": description})
}

// SignIDToken signs claims as an ID token is signed, whatever they say.
func (s *Server) SignIDToken(claims map[string]any) string {
	return s.signingKey().sign(claims, "JWT", nil)
}
