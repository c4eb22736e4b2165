package gmailtest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"
)

// oauth is what Google's sign-in has handed out.
type oauth struct {
	codes   map[string]*code
	access  map[string]*access
	refresh map[string]*grant
	granted map[string][]string // by user: all scopes granted so far, for include_granted_scopes
	newest  map[*user]string    // the refresh token made last
}

func newOAuth() oauth {
	return oauth{codes: map[string]*code{}, access: map[string]*access{}, refresh: map[string]*grant{}, granted: map[string][]string{}, newest: map[*user]string{}}
}

type grant struct {
	user   *user
	scopes []string
}

type access struct {
	grant
	expires time.Time // zero: never
}

// RefreshToken makes a refresh token as a consent would, with these scopes;
// none means ScopeInsert, openid and email.
func (s *Server) RefreshToken(email string, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{ScopeInsert, "openid", "email"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newRefresh(grant{s.addUser(email), granted(scopes)})
}

func (s *Server) newRefresh(g grant) string {
	token := "1//0" + rand.Text() + rand.Text()
	s.oauth.refresh[token] = &g
	s.oauth.newest[g.user] = token
	return token
}

// LastRefreshToken gives the refresh token that an account was given last,
// revoked or not; "" if none.
func (s *Server) LastRefreshToken(email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oauth.newest[s.addUser(email)]
}

// AccessToken makes an access token that never expires, for tests that are not
// about sign-in; without scopes it has ScopeInsert.
func (s *Server) AccessToken(email string, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{ScopeInsert}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newAccess(grant{s.addUser(email), granted(scopes)}, time.Time{})
}

func (s *Server) newAccess(g grant, expires time.Time) string {
	token := "ya29.a0" + rand.Text() + rand.Text() + rand.Text()
	s.oauth.access[token] = &access{g, expires}
	return token
}

// ExpireAccess makes all access tokens of an account invalid at once; its
// refresh tokens stay good.
func (s *Server) ExpireAccess(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, a := range s.oauth.access {
		if a.user.email == email {
			delete(s.oauth.access, t)
		}
	}
}

// Revoke ends the whole grant of an account, as its owner or a change of the
// password would.
func (s *Server) Revoke(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoke(s.addUser(email))
}

func (s *Server) revoke(u *user) {
	for t, a := range s.oauth.access {
		if a.user == u {
			delete(s.oauth.access, t)
		}
	}
	for t, g := range s.oauth.refresh {
		if g.user == u {
			delete(s.oauth.refresh, t)
		}
	}
	delete(s.oauth.granted, u.email)
}

// bearer finds whose request it is.
func (s *Server) bearer(r *http.Request) (*user, []string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.oauth.access[token]
	if !ok || a == nil || !a.expires.IsZero() && !time.Now().Before(a.expires) {
		return nil, nil, false
	}
	return a.user, a.scopes, true
}

// granted gives scopes the names under which Google reports them.
func granted(scopes []string) []string {
	var out []string
	for _, sc := range scopes {
		switch sc {
		case "email", "profile":
			sc = scopePrefix + "userinfo." + sc
		}
		if !slices.Contains(out, sc) {
			out = append(out, sc)
		}
	}
	return out
}
