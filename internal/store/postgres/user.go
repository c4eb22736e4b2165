package postgres

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// EnsureUser finds or makes the user whom the identity provider calls subject,
// for the command line: no sign-up counts such a user.
func (s *Store) EnsureUser(ctx context.Context, subject string) (account.User, error) {
	return s.ensure(ctx, systemdb.InsertUserParams{Subject: s.hashOf(subject)})
}

func (s *Store) hashOf(subject string) []byte {
	h := s.index.Index("subject", subject)
	return h[:]
}

// SignIn finds the user of a person, or makes one if the rule lets it, and keeps
// who the person is.
func (s *Store) SignIn(ctx context.Context, p account.Person, rule account.SignUp) (account.User, error) {
	u, err := s.FindUser(ctx, p.Sub)
	if errors.Is(err, account.ErrNone) {
		if err = rule.Admits(p); err == nil {
			u, err = s.ensure(ctx, systemdb.InsertUserParams{Subject: s.hashOf(p.Sub), SignedUp: true, First: rule.Rule == "first"})
		}
	}
	if err == nil {
		err = s.putPerson(ctx, u.ID, p)
	}
	return u, err
}

// FindUser gives the user whom the identity provider calls subject, or
// account.ErrNone, also while that user is being wiped.
func (s *Store) FindUser(ctx context.Context, subject string) (account.User, error) {
	user, wiping, err := s.findUser(ctx, s.hashOf(subject))
	if err == nil && wiping {
		err = account.ErrNone
	}
	if err != nil {
		return account.User{}, err
	}
	return account.User{ID: user}, nil
}

// ensure finds or makes a user; account.ErrClosed if it must be the first one
// and is not. The key is made before the name: a crash leaves no user without.
func (s *Store) ensure(ctx context.Context, p systemdb.InsertUserParams) (account.User, error) {
	user, wiping, err := s.findUser(ctx, p.Subject)
	if err == nil && wiping {
		_, err = s.WipeUser(ctx, user)
		if err == nil {
			err = account.ErrNone
		}
	}
	if !errors.Is(err, account.ErrNone) {
		return account.User{ID: user}, err
	}
	if p.First { // what counts is the insert; this spares the making
		if err := s.closed(ctx); err != nil {
			return account.User{}, err
		}
	}
	fresh := id.New[id.User]()
	p.ID, p.Swept = fresh[:], time.Now().Unix()
	made := int64(0)
	if _, err = s.keys.CreateUser(ctx, fresh); err == nil {
		made, err = s.makeUser(ctx, fresh, p)
	}
	if err == nil && made == 1 {
		return account.User{ID: fresh}, nil
	}
	// Somebody was faster, or it failed, or nobody knows. What was made for one who is
	// not there goes.
	cleanup := context.WithoutCancel(ctx)
	user, _, found := s.findUser(cleanup, p.Subject)
	if found == nil && user == fresh {
		return account.User{ID: fresh}, nil
	}
	if found == nil || errors.Is(found, account.ErrNone) {
		err = errors.Join(err, s.keys.DestroyUser(cleanup, fresh))
	}
	switch {
	case err != nil:
		return account.User{}, err
	case errors.Is(found, account.ErrNone) && p.First:
		return account.User{}, account.ErrClosed
	}
	return account.User{ID: user}, found
}

// makeUser makes the rows of a new user, or none.
func (s *Store) makeUser(ctx context.Context, user id.User, p systemdb.InsertUserParams) (made int64, err error) {
	err = s.inBoth(ctx, user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) (err error) {
		if p.First {
			if err := sys.LockSignUp(ctx); err != nil {
				return err
			}
		}
		if made, err = sys.InsertUser(ctx, p); err != nil || made == 0 {
			return err
		}
		if err := sys.MakeFence(ctx, user[:]); err != nil {
			return err
		}
		return q.MakeProfile(ctx, nanos(time.Now()))
	})
	return made, err
}

// closed gives account.ErrClosed if somebody has signed up.
func (s *Store) closed(ctx context.Context) error {
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		some, err := q.SignedUp(ctx)
		if err == nil && some {
			err = account.ErrClosed
		}
		return err
	})
}

func (s *Store) findUser(ctx context.Context, hash []byte) (user id.User, wiping bool, err error) {
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		r, err := q.UserBySubject(ctx, hash)
		if err == nil {
			user, wiping = id.User(r.ID), r.Receipt != ""
		}
		return none(err)
	})
	return user, wiping, err
}

// Users yields every user, in chunks: who comes meanwhile may be missing.
func (s *Store) Users(ctx context.Context) iter.Seq2[id.User, error] {
	return func(yield func(id.User, error) bool) {
		for last, n := (id.User{}), chunk; n == chunk; {
			var rows [][]byte
			err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
				rows, err = q.UsersAfter(ctx, systemdb.UsersAfterParams{Last: last[:], Most: chunk})
				return err
			})
			if err != nil {
				yield(id.User{}, err)
				return
			}
			for _, r := range rows {
				if last = id.User(r); !yield(last, nil) {
					return
				}
			}
			n = len(rows)
		}
	}
}
