package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// margin: a token is renewed this long before it ends, so that an upload begun
// with it can be finished with it.
const margin = 2 * time.Minute

// Source keeps one user's access token fresh, with one refresh at a time for
// all who wait. Once the grant is known to be gone it stays gone, without
// asking again.
type Source struct {
	p       *Provider
	refresh vault.Secret
	need    []string

	mu     sync.Mutex
	token  vault.Secret
	renew  time.Time
	scopes []string
	known  bool       // scopes are those of the last answer
	gone   error      // Revoked, for good
	flight *refreshed // the refresh in progress, if any
}

// refreshed is the outcome of one refresh, for those who wait for it.
type refreshed struct {
	done  chan struct{}
	token vault.Secret
	err   error
	left  bool // the one who asked went away: somebody else has to
}

// Source makes a token source from a refresh token. A grant that lacks one of
// the needed scopes gives no token.
func (p *Provider) Source(refresh vault.Secret, need ...string) *Source {
	return &Source{p: p, refresh: refresh, need: need}
}

// Token gives an access token good for a while; never one equal to stale.
func (s *Source) Token(ctx context.Context, stale vault.Secret) (vault.Secret, error) {
	for {
		s.mu.Lock()
		if s.gone != nil || s.fresh(stale) {
			defer s.mu.Unlock()
			return s.token, s.gone
		}
		f := s.flight
		if f == nil {
			f = &refreshed{done: make(chan struct{})}
			s.flight = f
			s.mu.Unlock()
			s.fly(ctx, f)
			return f.token, f.err
		}
		s.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return vault.Secret{}, unreachable(context.Cause(ctx))
		}
		if !f.left {
			return f.token, f.err
		}
	}
}

// fresh is called with mu held.
func (s *Source) fresh(stale vault.Secret) bool {
	return !s.token.Empty() && time.Now().Before(s.renew) && !(!stale.Empty() && s.token.Equal(stale))
}

// fly refreshes and lets everybody know.
func (s *Source) fly(ctx context.Context, f *refreshed) {
	t, err := s.p.renew(ctx, s.refresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight = nil
	s.token = vault.Secret{}
	if err != nil {
		f.err, f.left = err, ctx.Err() != nil
		if mail.ClassOf(err) == mail.Revoked {
			s.gone = err
		}
		return
	}
	s.scopes, s.known = scopesOf(t), true
	for _, scope := range s.need {
		if !Covers(s.scopes, scope) {
			f.err = missingScope(scope)
			return
		}
	}
	f.token = vault.NewSecret(t.AccessToken)
	s.token = f.token
	life := time.Until(t.Expiry)
	if t.Expiry.IsZero() {
		life = time.Hour
	}
	s.renew = time.Now().Add(life - min(margin, life/2))
}

// Granted reports whether the grant has the scope; it asks Google if nothing
// is known yet.
func (s *Source) Granted(ctx context.Context, scope string) (bool, error) {
	s.mu.Lock()
	known, scopes := s.known, s.scopes
	s.mu.Unlock()
	if !known {
		if _, err := s.Token(ctx, vault.Secret{}); err != nil {
			return false, err
		}
		s.mu.Lock()
		scopes = s.scopes
		s.mu.Unlock()
	}
	return Covers(scopes, scope), nil
}

// renew is one refresh (RFC 6749 6).
func (p *Provider) renew(ctx context.Context, refresh vault.Secret) (*oauth2.Token, error) {
	e, err := p.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	t, err := e.config.TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: refresh.RevealString()}).Token()
	if err != nil {
		return nil, fromToken(err)
	}
	if t.AccessToken == "" || strings.ContainsAny(t.AccessToken, "\r\n") {
		return nil, unreachable(errors.New("the answer has no usable access token"))
	}
	return t, nil
}

// Revoke ends the whole grant that the token belongs to, at Google. A token
// that Google does not know is revoked already, and so is none.
func (p *Provider) Revoke(ctx context.Context, token vault.Secret) error {
	if token.Empty() {
		return nil
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.revoke, strings.NewReader(url.Values{"token": {token.RevealString()}}.Encode()))
	if err != nil {
		return unreachable(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.client.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusBadRequest && strings.Contains(string(b), "invalid_token") {
		return nil
	}
	return unreachable(errors.New("revocation endpoint answered " + resp.Status))
}
