package postgres

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// requestKey is what an idempotency key is kept as. The rows are
// behind the user's door.
func (s *Store) requestKey(user id.User, key string) []byte {
	h := s.index.Index("request_key", string(user[:])+key)
	return h[:]
}

// StartRequest takes an idempotency key for a request. done: it was answered
// before, so. Else the caller answers it, then calls FinishRequest or
// AbandonRequest. ErrMismatch, ErrInFlight.
func (s *Store) StartRequest(ctx context.Context, user id.User, key string, what []byte) (a session.Answer, done bool, err error) {
	k, sum := s.requestKey(user, key), s.index.Index("request", string(user[:])+string(what))
	err = s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		// Of two that come at once, one is first.
		if _, err := q.LockProfile(ctx); err != nil {
			return none(err)
		}
		now := time.Now()
		if err := q.DropRequests(ctx, now.Add(-session.KeepRequests).UnixNano()); err != nil {
			return err
		}
		r, err := q.GetRequest(ctx, k)
		err = none(err)
		a, done = session.Answer{Status: int(r.Status), Resource: r.Resource}, err == nil && r.Status != 0
		switch {
		case errors.Is(err, account.ErrNone), err == nil && !done && now.UnixNano()-r.At >= int64(session.InFlight):
			return q.StartRequest(ctx, userdb.StartRequestParams{Key: k, Request: sum[:], At: now.UnixNano()})
		case err != nil:
			return err
		case !bytes.Equal(r.Request, sum[:]):
			return session.ErrMismatch
		case !done:
			return session.ErrInFlight
		}
		return nil
	})
	if err != nil || !done {
		return session.Answer{}, false, noSession(err)
	}
	return a, true, nil
}

// FinishRequest remembers how a request was answered.
func (s *Store) FinishRequest(ctx context.Context, user id.User, key string, a session.Answer) error {
	p := userdb.FinishRequestParams{Status: int32(a.Status), Resource: a.Resource, Key: s.requestKey(user, key)}
	return noSession(s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error { return noneOf(q.FinishRequest(ctx, p)) }))
}

// AbandonRequest gives a key back: nothing has come of its request.
func (s *Store) AbandonRequest(ctx context.Context, user id.User, key string) error {
	k := s.requestKey(user, key)
	return s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error { return q.AbandonRequest(ctx, k) })
}
