// Package tokend is a provider's OAuth server for tests: a page on which a
// person allows access to a mailbox or does not, a token endpoint, and what a
// mail server asks whether a token is good. It insists on what a careless client
// leaves out: its name and secret, the registered redirect address, PKCE S256,
// a code used once.
//
//	GET, POST /authorize   the page; a browser comes back with code and state
//	POST /token            a code or a refresh token for tokens
//	GET /tokeninfo         whose token it is, for Dovecot's passdb
//
// It listens on loopback.
package tokend

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// What the server knows its client by, and the scopes that it has.
const (
	ClientID     = "client-of-smtp-sync"
	ClientSecret = "client-secret"
	ScopeIMAP    = "mail.imap"
	ScopePOP     = "mail.pop"
)

// Server is one running provider.
type Server struct {
	URL string

	http *http.Server
	mu   sync.Mutex // guards what follows
	o    Options

	codes   map[string]code
	refresh map[string]*grant
	access  map[string]access

	asked     []url.Values // of the page
	refreshes int
}

// Options say how the server behaves. They may be changed while it runs (Set).
type Options struct {
	Rotate   bool          // each refresh gives another refresh token and ends the old one
	Life     time.Duration // of an access token; 0: an hour
	Fail     string        // this error code is what the token endpoint answers
	Status   int           // with this status; 0: 400
	Scope    string        // granted in place of what was asked; "": that
	NoLong   bool          // no refresh token
	Hold     chan struct{} // the token endpoint answers once it is closed
	Redirect string        // the registered address; "": any on loopback
}

type grant struct {
	user, scope string
	gone        bool
}

type code struct {
	*grant
	redirect, challenge string
}

type access struct {
	*grant
	ends time.Time
}

// Start runs a server until the test ends.
func Start(tb testkit.TB, o Options) *Server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("tokend: %v", err)
	}
	s := &Server{URL: "http://" + l.Addr().String(), o: o, codes: map[string]code{}, refresh: map[string]*grant{}, access: map[string]access{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.page)
	mux.HandleFunc("POST /authorize", s.answer)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /tokeninfo", s.tokenInfo)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(l) }()
	tb.Cleanup(func() { _ = s.http.Close() })
	return s
}

// Set changes how the server behaves.
func (s *Server) Set(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.o)
}

// Grant gives tokens for a user's mailbox as if somebody had consented.
func (s *Server) Grant(user, scope string) (refresh, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.give(&grant{user: user, scope: scope})
}

// give makes tokens; with mu held.
func (s *Server) give(g *grant) (refreshToken, accessToken string) {
	refreshToken, accessToken = "refresh-"+rand.Text(), "access-"+rand.Text()
	life := s.o.Life
	if life == 0 {
		life = time.Hour
	}
	s.refresh[refreshToken] = g
	s.access[accessToken] = access{g, time.Now().Add(life)}
	return refreshToken, accessToken
}

// Revoke ends all that was given for a user's mailbox.
func (s *Server) Revoke(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.refresh {
		if g.user == user {
			g.gone = true
		}
	}
}

// Expire ends the access tokens before their time; refresh tokens live on.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// Refreshes counts the refresh tokens that were handed in, good or bad.
func (s *Server) Refreshes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshes
}

// Asked gives the queries with which browsers came to the page.
func (s *Server) Asked() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Good reports whether a mail server would take an access token for a user.
func (s *Server) Good(token, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.access[token]
	return ok && !a.gone && a.user == user && time.Now().Before(a.ends)
}
