package gmailtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Consent is how the next people at the consent page decide. The zero value
// grants everything to the account of login_hint, or to the only account.
type Consent struct {
	Email  string   `json:"email,omitempty"`
	Deny   bool     `json:"deny,omitempty"`
	Untick []string `json:"untick,omitempty"` // scopes that are asked and not granted
}

// SetConsent changes how consent is given from now on.
func (s *Server) SetConsent(c Consent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consent = c
}

// code is an authorization code, good once and for ten minutes.
type code struct {
	grant
	redirect, challenge, nonce string
	offline                    bool
	born                       time.Time
}

func (s *Server) oauthRoutes() {
	s.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		b := s.base(r)
		write(w, http.StatusOK, map[string]any{
			"issuer": b, "authorization_endpoint": b + "/o/oauth2/v2/auth", "token_endpoint": b + "/token",
			"revocation_endpoint": b + "/revoke", "jwks_uri": b + "/oauth2/v3/certs",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
			"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
			"scopes_supported":                      []string{"openid", "email", "profile"},
		})
	})
	s.mux.HandleFunc("GET /oauth2/v3/certs", s.jwks)
	s.mux.HandleFunc("GET /o/oauth2/v2/auth", s.counted(Authorize, s.authorize))
	s.mux.HandleFunc("POST /token", s.counted(Token, s.token))
	s.mux.HandleFunc("POST /revoke", s.counted(Revoke, s.revokeToken))
	s.riscRoutes()
}

// counted applies faults to a request that carries no bearer token.
func (s *Server) counted(at Point, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, _ := s.faultFor(Request{At: at, Length: r.ContentLength, Total: -1})
		s.befall(w, r, f, func(w http.ResponseWriter, _ take) { h(w, r) })
	}
}

// authorize is the consent page without the page: it decides at once.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if q.Get("client_id") != s.o.ClientID || err != nil || back.Host == "" || back.Fragment != "" {
		http.Error(w, "Error 400: redirect_uri_mismatch or invalid_client", http.StatusBadRequest) // shown, never redirected
		return
	}
	answer := url.Values{"state": q["state"]}
	if e := badAuthorize(q); e != "" {
		answer.Set("error", e)
	} else if c := s.decide(q); c == "" {
		answer.Set("error", "access_denied")
	} else {
		answer.Set("code", c)
	}
	args := back.Query()
	maps.Copy(args, answer)
	back.RawQuery = args.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// badAuthorize insists on what this product must always send.
func badAuthorize(q url.Values) string {
	challenge, err := base64.RawURLEncoding.DecodeString(q.Get("code_challenge"))
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type"
	case q.Get("scope") == "":
		return "invalid_scope"
	case q.Get("state") == "", q.Get("code_challenge_method") != "S256", err != nil, len(challenge) != sha256.Size:
		return "invalid_request"
	}
	return ""
}

// decide gives a code, or "" for no.
func (s *Server) decide(q url.Values) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	email := s.consent.Email
	if email == "" {
		email = q.Get("login_hint")
	}
	if email == "" && len(s.users) == 1 {
		for email = range s.users {
		}
	}
	if email == "" || s.consent.Deny {
		return ""
	}
	u := s.addUser(email)
	var scopes []string
	for sc := range strings.FieldsSeq(q.Get("scope")) {
		if !slices.Contains(s.consent.Untick, sc) {
			scopes = append(scopes, sc)
		}
	}
	scopes = granted(scopes)
	before := s.oauth.granted[email]
	s.oauth.granted[email] = granted(append(slices.Clone(before), scopes...))
	// Without prompt=consent a repeated authorization gives no refresh token.
	offline := q.Get("access_type") == "offline" && (q.Get("prompt") == "consent" || before == nil)
	if q.Get("include_granted_scopes") == "true" {
		scopes = s.oauth.granted[email]
	}
	c := rand.Text()
	s.oauth.codes["4/0A"+c] = &code{grant: grant{u, scopes}, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		nonce: q.Get("nonce"), offline: offline, born: time.Now()}
	return "4/0A" + c
}
