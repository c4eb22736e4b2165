package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// noSession is ErrNone in the words of package session.
func noSession(err error) error {
	if errors.Is(err, account.ErrNone) {
		return session.ErrNone
	}
	return err
}

func (s *Store) cookieHash(cookie vault.Secret) []byte {
	h := s.index.Index("session", cookie.RevealString())
	return h[:]
}

// sealed seals what is kept about a user in the system database.
func (s *Store) sealed(ctx context.Context, user id.User, table, column string, row []byte, value string) (out []byte, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		out = u.key.Seal(u.place(table, column, row), vault.NewSecret(value))
		return nil
	})
	return out, noSession(err)
}

// BeginSession begins a session and ends the one of the cookie that the browser
// brought, whoever's it was; an empty one is none.
func (s *Store) BeginSession(ctx context.Context, user id.User, client string, replaces vault.Secret) (session.Session, vault.Secret, error) {
	now := time.Now().Truncate(time.Second)
	began := session.Session{ID: id.New[session.ID](), User: user, Created: now, LastSeen: now, Client: client}
	cookie := session.NewCookie()
	sealed, err := s.sealed(ctx, user, "sessions", "client", began.ID[:], client)
	if err != nil {
		return session.Session{}, vault.Secret{}, err
	}
	old := s.cookieHash(replaces)
	p := systemdb.InsertSessionParams{Hash: s.cookieHash(cookie), ID: began.ID[:], Created: now.Unix(), Client: sealed, UserID: user[:]}
	err = s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			ctx := context.Background()
			if err := s.q.EndSessionByHash(ctx, old); err != nil {
				return err
			}
			if err := noneOf(s.q.InsertSession(ctx, p)); err != nil {
				return err
			}
			if err := s.watch(user); err != nil {
				return err
			}
			return s.q.EndOldestSessions(ctx, systemdb.EndOldestSessionsParams{UserID: user[:], Keep: session.MaxSessions})
		})
	})
	if err != nil {
		return session.Session{}, vault.Secret{}, noSession(err)
	}
	s.stir()
	return began, cookie, nil
}

// FindSession gives the session of a cookie, and notes that it was seen.
func (s *Store) FindSession(ctx context.Context, cookie vault.Secret) (f session.Session, err error) {
	if !session.IsCookie(cookie) {
		return f, session.ErrNone
	}
	hash, found := s.cookieHash(cookie), false
	err = s.callers.read(ctx, func(context.Context) error {
		return s.callers.bind(sqlSession).blob(hash).each(func(r *sqlite3.Stmt) {
			found = true
			f = session.Session{ID: session.ID(r.ColumnRawBlob(0)), User: id.User(r.ColumnRawBlob(1)),
				Created: time.Unix(r.ColumnInt64(2), 0), LastSeen: time.Unix(r.ColumnInt64(3), 0)}
		})
	})
	now := time.Now()
	if err == nil && (!found || !now.Before(f.Expires())) {
		err = session.ErrNone
	}
	if err != nil {
		return session.Session{}, err
	}
	if now.Sub(f.LastSeen) >= session.Coarse {
		f.LastSeen = now.Truncate(time.Second)
		// A full disk signs nobody out: what is not noted now is noted next time.
		_ = s.system.write(ctx, func() error {
			return s.q.SeeSession(context.Background(), systemdb.SeeSessionParams{Now: now.Unix(), Hash: hash})
		})
	}
	return f, nil
}

// Sessions gives a user's sessions, the one seen last first.
func (s *Store) Sessions(ctx context.Context, user id.User) (out []session.Session, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return s.system.read(ctx, func(ctx context.Context) error {
			rows, err := s.q.SessionsOfUser(ctx, user[:])
			for _, r := range rows {
				f := session.Session{ID: session.ID(r.ID), User: user, Created: time.Unix(r.Created, 0), LastSeen: time.Unix(r.LastSeen, 0)}
				if !time.Now().Before(f.Expires()) {
					continue
				}
				client, err := u.key.Open(u.place("sessions", "client", r.ID), r.Client)
				if err != nil {
					return err
				}
				f.Client = client.RevealString()
				out = append(out, f)
			}
			return err
		})
	})
	return out, noSession(err)
}

// EndSession ends one of a user's sessions.
func (s *Store) EndSession(ctx context.Context, user id.User, which session.ID) error {
	return noSession(s.system.write(ctx, func() error {
		return noneOf(s.q.EndSession(context.Background(), systemdb.EndSessionParams{UserID: user[:], ID: which[:]}))
	}))
}

// EndOtherSessions ends all of a user's sessions but one.
func (s *Store) EndOtherSessions(ctx context.Context, user id.User, keep session.ID) (int, error) {
	ended := int64(0)
	err := s.system.write(ctx, func() (err error) {
		ended, err = s.q.EndOtherSessions(context.Background(), systemdb.EndOtherSessionsParams{UserID: user[:], ID: keep[:]})
		return err
	})
	return int(ended), err
}

// DropExpired forgets what has expired in the system database.
func (s *Store) DropExpired(ctx context.Context) error {
	now := time.Now()
	return s.system.write(ctx, func() error {
		_, err := s.q.DropExpiredSessions(context.Background(), systemdb.DropExpiredSessionsParams{
			UnusedSince: now.Add(-session.IdleLife).Unix(), BegunBefore: now.Add(-session.MaxLife).Unix(),
		})
		if err == nil {
			_, err = s.q.DropExpiredTokens(context.Background(), now.Unix())
		}
		if err == nil {
			_, err = s.q.DropUsedOnce(context.Background(), now.Unix())
		}
		return err
	})
}
