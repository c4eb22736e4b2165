package sqlite

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

// inUser is the door to a user's rows; account.ErrNone if there is no such user.
func (s *Store) inUser(ctx context.Context, user id.User, f func(*userDB) error) error {
	return noUser(s.users.use(ctx, user, f))
}

func noUser(err error) error {
	if errors.Is(err, errGone) {
		return account.ErrNone
	}
	return err
}

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
			u, err = s.ensure(ctx, systemdb.InsertUserParams{
				Subject: s.hashOf(p.Sub), SignedUp: 1, First: number(rule.Rule == "first"),
			})
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
// and is not. Key and file are made before the name: a crash leaves no user
// without them.
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
	if p.First == 1 { // what counts is the insert; this spares the making
		if err := s.closed(ctx); err != nil {
			return account.User{}, err
		}
	}
	fresh := id.New[id.User]()
	p.ID, p.Swept = fresh[:], time.Now().Unix()
	made := int64(0)
	err = s.makeUser(ctx, fresh)
	if err == nil {
		err = s.system.write(ctx, func() (err error) {
			made, err = s.q.InsertUser(context.Background(), p)
			return err
		})
	}
	if err == nil && made == 1 {
		return account.User{ID: fresh}, nil
	}
	// Somebody was faster, or it failed: what was made for it goes.
	cleanup := context.WithoutCancel(ctx)
	err = errors.Join(err, s.keys.DestroyUser(cleanup, fresh), remove(s.userFile(fresh)))
	if err != nil {
		return account.User{}, err
	}
	user, _, err = s.findUser(ctx, p.Subject)
	if errors.Is(err, account.ErrNone) && p.First == 1 {
		err = account.ErrClosed
	}
	return account.User{ID: user}, err
}

// makeUser makes the key and the file of a new user.
func (s *Store) makeUser(ctx context.Context, user id.User) error {
	if _, err := s.keys.CreateUser(ctx, user); err != nil {
		return err
	}
	u, err := s.openUser(ctx, user, true)
	if err != nil {
		return err
	}
	err = u.write(ctx, func() error { return u.q.MakeProfile(context.Background(), time.Now().UnixNano()) })
	return errors.Join(err, u.close(), syncDir(s.dir), syncDir(s.dir+"/users"))
}

// closed gives account.ErrClosed if somebody has signed up.
func (s *Store) closed(ctx context.Context) error {
	return s.system.read(ctx, func(ctx context.Context) error {
		n, err := s.q.SignedUp(ctx)
		if err == nil && n != 0 {
			err = account.ErrClosed
		}
		return err
	})
}

func (s *Store) findUser(ctx context.Context, hash []byte) (user id.User, wiping bool, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		r, err := s.q.UserBySubject(ctx, hash)
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
			err := s.system.read(ctx, func(ctx context.Context) (err error) {
				rows, err = s.q.UsersAfter(ctx, systemdb.UsersAfterParams{Last: last[:], Most: chunk})
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
