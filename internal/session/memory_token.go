package session

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// IssueToken makes a token; its text is shown now and never again.
func (m *Memory) IssueToken(ctx context.Context, user id.User, n NewToken) (Token, vault.Secret, error) {
	defer m.locked().Unlock()
	t, err := n.Token(user, time.Now().Truncate(time.Second))
	if err != nil {
		return Token{}, vault.Secret{}, err
	}
	if len(m.tokensOf(user)) >= MaxTokens {
		return Token{}, vault.Secret{}, ErrTooMany
	}
	text := NewTokenText()
	m.tokens[sum(text)] = &t
	return t, text, ctx.Err()
}

// FindToken gives the token of a text, and notes that it was used.
func (m *Memory) FindToken(ctx context.Context, text vault.Secret) (Token, error) {
	defer m.locked().Unlock()
	t := m.tokens[sum(text)]
	now := time.Now()
	if t == nil || !now.Before(t.Expires) {
		return Token{}, ErrNone
	}
	if now.Sub(t.LastUsed) >= Coarse {
		t.LastUsed = now.Truncate(time.Second)
	}
	found := *t
	found.Name = ""
	return found, ctx.Err()
}

// Tokens gives a user's tokens, the newest first.
func (m *Memory) Tokens(ctx context.Context, user id.User) ([]Token, error) {
	defer m.locked().Unlock()
	return m.tokensOf(user), ctx.Err()
}

func (m *Memory) tokensOf(user id.User) (out []Token) {
	for _, t := range m.tokens {
		if t.User == user && time.Now().Before(t.Expires) {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(a, b Token) int { return slices.Compare(b.ID[:], a.ID[:]) })
	return out
}

// RevokeToken ends one of a user's tokens.
func (m *Memory) RevokeToken(ctx context.Context, user id.User, token TokenID) error {
	defer m.locked().Unlock()
	for k, t := range m.tokens {
		if t.User == user && t.ID == token {
			delete(m.tokens, k)
			return ctx.Err()
		}
	}
	return ErrNone
}

// UseOnce tells whether this is the first use of a value of some kind. What
// has expired cannot be used at all; until then the use is remembered.
func (m *Memory) UseOnce(ctx context.Context, kind Kind, value string, until time.Time) (bool, error) {
	defer m.locked().Unlock()
	k := sha256.Sum256([]byte(string(kind) + "\x00" + value))
	_, used := m.used[k]
	if used || !time.Now().Before(until) {
		return false, ctx.Err()
	}
	m.used[k] = until
	return true, ctx.Err()
}

// StartRequest takes an idempotency key for a request. done: it was answered
// before, so. Else the caller answers it, then calls FinishRequest or
// AbandonRequest. ErrMismatch, ErrInFlight.
func (m *Memory) StartRequest(ctx context.Context, user id.User, key string, what []byte) (a Answer, done bool, err error) {
	defer m.locked().Unlock()
	k, now := requestKey{user, key}, time.Now()
	r := m.requests[k]
	if r != nil && (now.Sub(r.at) >= KeepRequests || !r.done && now.Sub(r.at) >= InFlight) {
		r = nil
	}
	switch {
	case r == nil:
		m.requests[k] = &request{sum: sha256.Sum256(what), at: now}
		return Answer{}, false, ctx.Err()
	case r.sum != sha256.Sum256(what):
		return Answer{}, false, ErrMismatch
	case !r.done:
		return Answer{}, false, ErrInFlight
	}
	return r.answer, true, ctx.Err()
}

// FinishRequest remembers how a request was answered.
func (m *Memory) FinishRequest(ctx context.Context, user id.User, key string, a Answer) error {
	defer m.locked().Unlock()
	r := m.requests[requestKey{user, key}]
	if r == nil || r.done {
		return ErrNone
	}
	r.done, r.answer = true, a
	return ctx.Err()
}

// AbandonRequest gives a key back: nothing has come of its request.
func (m *Memory) AbandonRequest(ctx context.Context, user id.User, key string) error {
	defer m.locked().Unlock()
	k := requestKey{user, key}
	if r := m.requests[k]; r != nil && !r.done {
		delete(m.requests, k)
	}
	return ctx.Err()
}
