package session

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Memory keeps sessions, tokens and requests in memory, for tests under fake
// time. It knows no users: every id is one until it is forgotten. The zero
// value is ready.
type Memory struct {
	mu       sync.Mutex
	sessions map[[32]byte]*Session
	tokens   map[[32]byte]*Token
	used     map[[32]byte]time.Time
	requests map[requestKey]*request
}

type requestKey struct {
	user id.User
	key  string
}

type request struct {
	sum    [32]byte
	at     time.Time
	done   bool
	answer Answer
}

func sum(s vault.Secret) [32]byte { return sha256.Sum256(s.Reveal()) }

// locked gives what to unlock, with room for all things.
func (m *Memory) locked() *sync.Mutex {
	m.mu.Lock()
	if m.sessions == nil {
		m.sessions, m.tokens = map[[32]byte]*Session{}, map[[32]byte]*Token{}
		m.used, m.requests = map[[32]byte]time.Time{}, map[requestKey]*request{}
	}
	return &m.mu
}

// BeginSession begins a session and ends the one of the cookie that the browser
// brought, whoever's it was; an empty one is none.
func (m *Memory) BeginSession(ctx context.Context, user id.User, client string, replaces vault.Secret) (Session, vault.Secret, error) {
	defer m.locked().Unlock()
	now := time.Now().Truncate(time.Second)
	s, cookie := Session{ID: id.New[ID](), User: user, Created: now, LastSeen: now, Client: client}, NewCookie()
	delete(m.sessions, sum(replaces))
	m.sessions[sum(cookie)] = &s
	for mine := m.sessionsOf(user); len(mine) > MaxSessions; mine = mine[:len(mine)-1] {
		m.endSessions(func(o Session) bool { return o.ID == mine[len(mine)-1].ID })
	}
	return s, cookie, ctx.Err()
}

// FindSession gives the session of a cookie, and notes that it was seen.
func (m *Memory) FindSession(ctx context.Context, cookie vault.Secret) (Session, error) {
	defer m.locked().Unlock()
	s := m.sessions[sum(cookie)]
	now := time.Now()
	if s == nil || !now.Before(s.Expires()) {
		return Session{}, ErrNone
	}
	if now.Sub(s.LastSeen) >= Coarse {
		s.LastSeen = now.Truncate(time.Second)
	}
	found := *s
	found.Client = ""
	return found, ctx.Err()
}

// Sessions gives a user's sessions, the one seen last first.
func (m *Memory) Sessions(ctx context.Context, user id.User) ([]Session, error) {
	defer m.locked().Unlock()
	return m.sessionsOf(user), ctx.Err()
}

func (m *Memory) sessionsOf(user id.User) (out []Session) {
	for _, s := range m.sessions {
		if s.User == user && time.Now().Before(s.Expires()) {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b Session) int {
		if c := b.LastSeen.Compare(a.LastSeen); c != 0 {
			return c
		}
		return slices.Compare(b.ID[:], a.ID[:])
	})
	return out
}

func (m *Memory) endSessions(which func(Session) bool) (n int) {
	for k, s := range m.sessions {
		if which(*s) {
			delete(m.sessions, k)
			n++
		}
	}
	return n
}

// EndSession ends one of a user's sessions.
func (m *Memory) EndSession(ctx context.Context, user id.User, session ID) error {
	defer m.locked().Unlock()
	if m.endSessions(func(s Session) bool { return s.User == user && s.ID == session }) == 0 {
		return ErrNone
	}
	return ctx.Err()
}

// EndOtherSessions ends all of a user's sessions but one.
func (m *Memory) EndOtherSessions(ctx context.Context, user id.User, keep ID) (int, error) {
	defer m.locked().Unlock()
	return m.endSessions(func(s Session) bool { return s.User == user && s.ID != keep }), ctx.Err()
}

// DropExpired forgets what has expired.
func (m *Memory) DropExpired(ctx context.Context) error {
	defer m.locked().Unlock()
	now := time.Now()
	m.endSessions(func(s Session) bool { return !now.Before(s.Expires()) })
	for k, t := range m.tokens {
		if !now.Before(t.Expires) {
			delete(m.tokens, k)
		}
	}
	for k, until := range m.used {
		if !now.Before(until) {
			delete(m.used, k)
		}
	}
	return ctx.Err()
}

// ForgetUser forgets all that belongs to a user, as a wipe does.
func (m *Memory) ForgetUser(user id.User) {
	defer m.locked().Unlock()
	m.endSessions(func(s Session) bool { return s.User == user })
	for k, t := range m.tokens {
		if t.User == user {
			delete(m.tokens, k)
		}
	}
	for k := range m.requests {
		if k.user == user {
			delete(m.requests, k)
		}
	}
}

// Count tells how many sessions, tokens and used things are kept.
func (m *Memory) Count() int {
	defer m.locked().Unlock()
	return len(m.sessions) + len(m.tokens) + len(m.used)
}
