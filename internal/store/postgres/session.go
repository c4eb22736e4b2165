package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
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

// BeginSession begins a session and ends the one of the cookie that the browser
// brought, whoever's it was; an empty one is none.
func (s *Store) BeginSession(ctx context.Context, user id.User, client string, replaces vault.Secret) (session.Session, vault.Secret, error) {
	now := time.Now().Truncate(time.Second)
	began := session.Session{ID: id.New[session.ID](), User: user, Created: now, LastSeen: now, Client: client}
	cookie := session.NewCookie()
	p, err := s.person(ctx, user)
	if err != nil {
		return session.Session{}, vault.Secret{}, noSession(err)
	}
	row := systemdb.InsertSessionParams{Hash: s.cookieHash(cookie), ID: began.ID[:], Created: now.Unix(), UserID: user[:],
		Client: p.key.Seal(p.place("sessions", "client", began.ID[:]), vault.NewSecret(client))}
	err = noReferent(s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		if err := q.EndSessionByHash(ctx, s.cookieHash(replaces)); err != nil {
			return err
		}
		if err := noneOf(q.InsertSession(ctx, row)); err != nil {
			return err
		}
		return q.EndOldestSessions(ctx, systemdb.EndOldestSessionsParams{UserID: user[:], Keep: session.MaxSessions})
	}))
	if err != nil {
		return session.Session{}, vault.Secret{}, noSession(err)
	}
	return began, cookie, nil
}

// FindSession gives the session of a cookie, and notes that it was seen.
func (s *Store) FindSession(ctx context.Context, cookie vault.Secret) (f session.Session, err error) {
	if !session.IsCookie(cookie) {
		return f, session.ErrNone
	}
	hash := s.cookieHash(cookie)
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		r, err := q.SessionByHash(ctx, hash)
		if err == nil {
			f = session.Session{ID: session.ID(r.ID), User: id.User(r.UserID), Created: time.Unix(r.Created, 0), LastSeen: time.Unix(r.LastSeen, 0)}
		}
		return noSession(none(err))
	})
	now := time.Now()
	if err == nil && !now.Before(f.Expires()) {
		err = session.ErrNone
	}
	if err != nil {
		return session.Session{}, err
	}
	if now.Sub(f.LastSeen) >= session.Coarse {
		f.LastSeen = now.Truncate(time.Second)
		// A database that takes no writes signs nobody out: what is not noted now is noted next time.
		_ = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
			return q.SeeSession(ctx, systemdb.SeeSessionParams{Now: now.Unix(), Hash: hash})
		})
	}
	return f, nil
}

// Sessions gives a user's sessions, the one seen last first.
func (s *Store) Sessions(ctx context.Context, user id.User) (out []session.Session, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, noSession(err)
	}
	var rows []systemdb.SessionsOfUserRow
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		rows, err = q.SessionsOfUser(ctx, user[:])
		return err
	})
	for _, r := range rows {
		f := session.Session{ID: session.ID(r.ID), User: user, Created: time.Unix(r.Created, 0), LastSeen: time.Unix(r.LastSeen, 0)}
		if !time.Now().Before(f.Expires()) {
			continue
		}
		client, err := p.key.Open(p.place("sessions", "client", r.ID), r.Client)
		if err != nil {
			return nil, err
		}
		f.Client = client.RevealString()
		out = append(out, f)
	}
	return out, err
}

// EndSession ends one of a user's sessions.
func (s *Store) EndSession(ctx context.Context, user id.User, which session.ID) error {
	return noSession(s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		return noneOf(q.EndSession(ctx, systemdb.EndSessionParams{UserID: user[:], ID: which[:]}))
	}))
}

// EndOtherSessions ends all of a user's sessions but one.
func (s *Store) EndOtherSessions(ctx context.Context, user id.User, keep session.ID) (int, error) {
	ended := int64(0)
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		ended, err = q.EndOtherSessions(ctx, systemdb.EndOtherSessionsParams{UserID: user[:], ID: keep[:]})
		return err
	})
	return int(ended), err
}

// DropExpired forgets what has expired of what belongs to no door of a user.
func (s *Store) DropExpired(ctx context.Context) error {
	now := time.Now()
	return s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		_, err := q.DropExpiredSessions(ctx, systemdb.DropExpiredSessionsParams{
			UnusedSince: now.Add(-session.IdleLife).Unix(), BegunBefore: now.Add(-session.MaxLife).Unix(),
		})
		if err == nil {
			_, err = q.DropExpiredTokens(ctx, now.Unix())
		}
		if err == nil {
			_, err = q.DropUsedOnce(ctx, now.Unix())
		}
		return err
	})
}
