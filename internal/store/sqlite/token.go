package sqlite

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
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
	name, err := s.sealed(ctx, user, "tokens", "name", t.ID[:], t.Name)
	if err != nil {
		return session.Token{}, vault.Secret{}, err
	}
	text := session.NewTokenText()
	p := systemdb.InsertTokenParams{Hash: s.tokenHash(text), ID: t.ID[:], Name: name, Scopes: int64(t.Scopes),
		Created: now.Unix(), Expires: t.Expires.Unix(), UserID: user[:]}
	err = s.system.write(ctx, func() error {
		have, err := s.q.CountTokens(context.Background(), systemdb.CountTokensParams{UserID: user[:], Now: now.Unix()})
		if err == nil && have >= session.MaxTokens {
			err = session.ErrTooMany
		}
		if err != nil {
			return err
		}
		return noneOf(s.q.InsertToken(context.Background(), p))
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
	hash, found := s.tokenHash(text), false
	err = s.callers.read(ctx, func(context.Context) error {
		return s.callers.bind(sqlToken).blob(hash).each(func(r *sqlite3.Stmt) {
			found = true
			t = session.Token{ID: session.TokenID(r.ColumnRawBlob(0)), User: id.User(r.ColumnRawBlob(1)), Scopes: session.Scopes(r.ColumnInt64(2)),
				Created: time.Unix(r.ColumnInt64(3), 0), Expires: time.Unix(r.ColumnInt64(4), 0), LastUsed: seconds(r.ColumnInt64(5))}
		})
	})
	now := time.Now()
	if err == nil && (!found || !now.Before(t.Expires)) {
		err = session.ErrNone
	}
	if err != nil {
		return session.Token{}, err
	}
	if now.Sub(t.LastUsed) >= session.Coarse {
		t.LastUsed = now.Truncate(time.Second)
		_ = s.system.write(ctx, func() error { // as for a session
			return s.q.UseToken(context.Background(), systemdb.UseTokenParams{Now: now.Unix(), Hash: hash})
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
	err = s.inUser(ctx, user, func(u *userDB) error {
		return s.system.read(ctx, func(ctx context.Context) error {
			rows, err := s.q.TokensOfUser(ctx, systemdb.TokensOfUserParams{UserID: user[:], Now: time.Now().Unix()})
			for _, r := range rows {
				name, err := u.key.Open(u.place("tokens", "name", r.ID), r.Name)
				if err != nil {
					return err
				}
				out = append(out, session.Token{ID: session.TokenID(r.ID), User: user, Name: name.RevealString(), Scopes: session.Scopes(r.Scopes),
					Created: time.Unix(r.Created, 0), Expires: time.Unix(r.Expires, 0), LastUsed: seconds(r.LastUsed)})
			}
			return err
		})
	})
	return out, noSession(err)
}

// RevokeToken ends one of a user's tokens.
func (s *Store) RevokeToken(ctx context.Context, user id.User, token session.TokenID) error {
	return noSession(s.system.write(ctx, func() error {
		return noneOf(s.q.RevokeToken(context.Background(), systemdb.RevokeTokenParams{UserID: user[:], ID: token[:]}))
	}))
}

// UseOnce tells whether this is the first use of a value of some kind. What
// has expired cannot be used at all; until then the use is remembered.
func (s *Store) UseOnce(ctx context.Context, kind session.Kind, value string, until time.Time) (first bool, err error) {
	if !time.Now().Before(until) {
		return false, nil
	}
	p := s.onceParams(kind, value, until)
	err = s.system.write(ctx, func() error {
		n, err := s.q.UseOnce(context.Background(), p)
		first = n == 1
		return err
	})
	return first && err == nil, err
}

func (s *Store) onceParams(kind session.Kind, value string, until time.Time) systemdb.UseOnceParams {
	h := s.index.Index("once", string(kind)+"\x00"+value)
	return systemdb.UseOnceParams{Hash: h[:], Until: until.Unix() + 1}
}
