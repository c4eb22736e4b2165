package postgres

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func (s *Store) tokenHash(text vault.Secret) []byte {
	h := s.index.Index("token", text.RevealString())
	return h[:]
}

// IssueToken makes a token; its text is shown now and never again.
func (s *Store) IssueToken(ctx context.Context, user id.User, n session.NewToken) (session.Token, vault.Secret, error) {
	now := time.Now().Truncate(time.Second)
	t, err := n.Token(user, now)
	if err != nil {
		return session.Token{}, vault.Secret{}, err
	}
	p, err := s.person(ctx, user)
	if err != nil {
		return session.Token{}, vault.Secret{}, noSession(err)
	}
	text := session.NewTokenText()
	row := systemdb.InsertTokenParams{Hash: s.tokenHash(text), ID: t.ID[:], Scopes: int64(t.Scopes), Created: now.Unix(), Expires: t.Expires.Unix(),
		UserID: user[:], Name: p.key.Seal(p.place("tokens", "name", t.ID[:]), vault.NewSecret(t.Name))}
	err = s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		if _, err := q.LockUser(ctx, user[:]); err != nil {
			return none(err)
		}
		have, err := q.CountTokens(ctx, systemdb.CountTokensParams{UserID: user[:], Now: now.Unix()})
		if err == nil && have >= session.MaxTokens {
			err = session.ErrTooMany
		}
		if err != nil {
			return err
		}
		return noneOf(q.InsertToken(ctx, row))
	})
	if err != nil {
		return session.Token{}, vault.Secret{}, noSession(err)
	}
	return t, text, nil
}

// FindToken gives the token of a text, and notes that it was used.
func (s *Store) FindToken(ctx context.Context, text vault.Secret) (t session.Token, err error) {
	if !session.IsToken(text) {
		return t, session.ErrNone
	}
	hash := s.tokenHash(text)
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		r, err := q.TokenByHash(ctx, hash)
		if err == nil {
			t = session.Token{ID: session.TokenID(r.ID), User: id.User(r.UserID), Scopes: session.Scopes(r.Scopes),
				Created: time.Unix(r.Created, 0), Expires: time.Unix(r.Expires, 0), LastUsed: seconds(r.LastUsed)}
		}
		return noSession(none(err))
	})
	now := time.Now()
	if err == nil && !now.Before(t.Expires) {
		err = session.ErrNone
	}
	if err != nil {
		return session.Token{}, err
	}
	if now.Sub(t.LastUsed) >= session.Coarse {
		t.LastUsed = now.Truncate(time.Second)
		_ = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error { // as for a session
			return q.UseToken(ctx, systemdb.UseTokenParams{Now: now.Unix(), Hash: hash})
		})
	}
	return t, nil
}

// seconds is a Unix time as a column holds it; 0: none.
func seconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// Tokens gives a user's tokens, the newest first.
func (s *Store) Tokens(ctx context.Context, user id.User) (out []session.Token, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, noSession(err)
	}
	var rows []systemdb.TokensOfUserRow
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		rows, err = q.TokensOfUser(ctx, systemdb.TokensOfUserParams{UserID: user[:], Now: time.Now().Unix()})
		return err
	})
	for _, r := range rows {
		name, err := p.key.Open(p.place("tokens", "name", r.ID), r.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, session.Token{ID: session.TokenID(r.ID), User: user, Name: name.RevealString(), Scopes: session.Scopes(r.Scopes),
			Created: time.Unix(r.Created, 0), Expires: time.Unix(r.Expires, 0), LastUsed: seconds(r.LastUsed)})
	}
	return out, err
}

// RevokeToken ends one of a user's tokens.
func (s *Store) RevokeToken(ctx context.Context, user id.User, token session.TokenID) error {
	return noSession(s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		return noneOf(q.RevokeToken(ctx, systemdb.RevokeTokenParams{UserID: user[:], ID: token[:]}))
	}))
}

// UseOnce tells whether this is the first use of a value of some kind. What
// has expired cannot be used at all; until then the use is remembered.
func (s *Store) UseOnce(ctx context.Context, kind session.Kind, value string, until time.Time) (first bool, err error) {
	if !time.Now().Before(until) {
		return false, nil
	}
	p := s.onceParams(kind, value, until)
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		n, err := q.UseOnce(ctx, p)
		first = n == 1
		return err
	})
	return first && err == nil, err
}

func (s *Store) onceParams(kind session.Kind, value string, until time.Time) systemdb.UseOnceParams {
	h := s.index.Index("once", string(kind)+"\x00"+value)
	return systemdb.UseOnceParams{Hash: h[:], Until: until.Unix() + 1}
}
