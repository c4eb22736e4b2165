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
// grants everything to the account of login_hint, or to the only account. With
// Page they see a page and decide for themselves.
type Consent struct {
	Page   bool     `json:"page,omitempty"`
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
			"grant_types_supported": []string{"authorization_code", "refresh_token"}, "authorization_response_iss_parameter_supported": true,
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
			"scopes_supported":                      []string{"openid", "email", "profile"},
		})
	})
	s.mux.HandleFunc("GET /oauth2/v3/certs", s.counted(Certs, s.jwks))
	s.mux.HandleFunc("GET /o/oauth2/v2/auth", s.counted(Authorize, s.authorize))
	s.mux.HandleFunc("POST /o/oauth2/v2/auth", s.answered)
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

// authorize is the consent page. Without Consent.Page it decides at once.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !s.knownClient(w, q) {
		return
	}
	s.mu.Lock()
	c := s.consent
	s.mu.Unlock()
	switch e := badAuthorize(q); {
	case e != "":
		s.sendBack(w, r, "error", e)
	case c.Page:
		s.page(w, q)
	default:
		s.conclude(w, r, c)
	}
}

// knownClient: a fault of the client or its address is shown, never redirected.
func (s *Server) knownClient(w http.ResponseWriter, q url.Values) bool {
	back, err := url.Parse(q.Get("redirect_uri"))
	if q.Get("client_id") == s.o.ClientID && err == nil && back.Host != "" && back.Fragment == "" {
		return true
	}
	http.Error(w, "Error 400: redirect_uri_mismatch or invalid_client", http.StatusBadRequest)
	return false
}

// conclude sends the browser back with a code, or with a no.
func (s *Server) conclude(w http.ResponseWriter, r *http.Request, c Consent) {
	if code := s.decide(r.URL.Query(), c); code != "" {
		s.sendBack(w, r, "code", code)
	} else {
		s.sendBack(w, r, "error", "access_denied")
	}
}

// sendBack answers with the redirect to the client, which names the issuer (RFC
// 9207).
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, name, value string) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		panic("gmailtest: " + err.Error()) // knownClient has looked at it
	}
	args := back.Query()
	maps.Copy(args, url.Values{"state": q["state"], "iss": {s.base(r)}, name: {value}})
	back.RawQuery = args.Encode()
	// 303: the page is left by a POST.
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
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
func (s *Server) decide(q url.Values, c Consent) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	email := c.Email
	if email == "" {
		email = q.Get("login_hint")
	}
	if email == "" && len(s.users) == 1 {
		for email = range s.users {
		}
	}
	if email == "" || c.Deny {
		return ""
	}
	u := s.addUser(email)
	var scopes []string
	for sc := range strings.FieldsSeq(q.Get("scope")) {
		if !slices.Contains(c.Untick, sc) {
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
	name := "4/0A" + rand.Text()
	s.oauth.codes[name] = &code{grant: grant{u, scopes}, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		nonce: q.Get("nonce"), offline: offline, born: time.Now()}
	return name
}
