package tokend

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// consent is the page. The client's query comes back in the form's action.
var consent = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Provider</title>
<main><h1>Allow access to your mail?</h1><form method="post">
<label for="user">Mailbox</label> <input id="user" name="user" value="{{.}}">
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></form></main></html>`))

// page checks who sends the browser before anybody is asked anything.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	if why := s.wrong(q); why != "" {
		http.Error(w, why, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = consent.Execute(w, q.Get("login_hint"))
}

// wrong says what a client's question lacks.
func (s *Server) wrong(q url.Values) string {
	switch {
	case q.Get("client_id") != ClientID:
		return "unknown client_id"
	case q.Get("response_type") != "code":
		return "response_type is not code"
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		return "no PKCE with S256"
	case len(q.Get("state")) < 16:
		return "no state"
	case q.Get("scope") == "":
		return "no scope"
	case !s.registered(q.Get("redirect_uri")):
		return "redirect_uri is not registered"
	}
	return ""
}

func (s *Server) registered(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.Redirect != "" {
		return address == s.o.Redirect
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// answer sends the browser back with what the person decided.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if why := s.wrong(q); why != "" {
		http.Error(w, why, http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {q.Get("state")}}
	if r.PostFormValue("answer") == "allow" {
		back.Set("code", s.Code(r.PostFormValue("user"), q))
	} else {
		back.Set("error", "access_denied")
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

// Code gives the code for a question that a person has answered with yes.
func (s *Server) Code(user string, q url.Values) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	scope := q.Get("scope")
	if s.o.Scope != "" {
		scope = s.o.Scope
	}
	c := rand.Text()
	s.codes[c] = code{&grant{user: user, scope: scope}, q.Get("redirect_uri"), q.Get("code_challenge")}
	return c
}

// token is the token endpoint (RFC 6749 4.1.3, 6).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	hold := s.o.Hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := r.PostForm
	refreshing := f.Get("grant_type") == "refresh_token"
	if refreshing {
		s.refreshes++
	}
	status := s.o.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if s.o.Fail != "" {
		say(w, status, map[string]any{"error": s.o.Fail, "error_description": "CANARY of the token endpoint"})
		return
	}
	if f.Get("client_id") != ClientID || f.Get("client_secret") != ClientSecret {
		say(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	var g *grant
	switch {
	case refreshing:
		old := f.Get("refresh_token")
		if g = s.refresh[old]; g != nil && s.o.Rotate {
			delete(s.refresh, old)
		}
	case f.Get("grant_type") == "authorization_code":
		c, ok := s.codes[f.Get("code")]
		delete(s.codes, f.Get("code"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if ok && c.redirect == f.Get("redirect_uri") && c.challenge == base64.RawURLEncoding.EncodeToString(sum[:]) {
			g = c.grant
		}
	}
	if g == nil || g.gone {
		say(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	s.answerTokens(w, f.Get("refresh_token"), g)
}

// answerTokens gives fresh tokens; with mu held.
func (s *Server) answerTokens(w http.ResponseWriter, old string, g *grant) {
	refresh, token := s.give(g)
	a := s.access[token]
	out := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(time.Until(a.ends).Round(time.Second).Seconds()), "scope": g.scope}
	switch {
	case s.o.NoLong:
		delete(s.refresh, refresh)
	case old == "" || s.o.Rotate:
		out["refresh_token"] = refresh
	default:
		delete(s.refresh, refresh) // the old one stays good
	}
	say(w, http.StatusOK, out)
}

// tokenInfo is asked by a mail server. A token whose scope is not of mail, or
// that has ended, is none.
func (s *Server) tokenInfo(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a, ok := s.access[r.URL.Query().Get("access_token")]
	s.mu.Unlock()
	if !ok || a.gone || time.Now().After(a.ends) || !strings.Contains(a.scope, "mail") {
		say(w, http.StatusBadRequest, map[string]any{"error": "invalid_token"})
		return
	}
	say(w, http.StatusOK, map[string]any{"email": a.user, "scope": a.scope, "token_type": "Bearer"})
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
