package sqlite

import (
	"context"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Person gives who a user is to Google, or account.ErrNone: after a revocation,
// until the next sign-in.
func (s *Store) Person(ctx context.Context, user id.User) (p account.Person, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetPerson(ctx)
			if err != nil {
				return none(err)
			}
			p, err = u.person(r.Email, r.Sub)
			return err
		})
	})
	return p, err
}

func (u *userDB) person(email, sub []byte) (account.Person, error) {
	e, err := u.key.Open(u.place("person", "email", nil), email)
	if err != nil {
		return account.Person{}, err
	}
	s, err := u.key.Open(u.place("person", "sub", nil), sub)
	return account.Person{Email: e.RevealString(), Sub: s.RevealString()}, err
}

func (u *userDB) sealPerson(p account.Person) userdb.PutPersonParams {
	return userdb.PutPersonParams{
		Email: u.key.Seal(u.place("person", "email", nil), vault.NewSecret(p.Email)),
		Sub:   u.key.Seal(u.place("person", "sub", nil), vault.NewSecret(p.Sub)),
	}
}

// putPerson keeps who a user is. Most sign-ins find it as it was. An address
// that was replaced is gone from the file and its WAL when this returns.
func (s *Store) putPerson(ctx context.Context, user id.User, p account.Person) error {
	is, err := s.Person(ctx, user)
	if err == nil && is == p || err != nil && !errors.Is(err, account.ErrNone) {
		return err
	}
	return s.inUser(ctx, user, func(u *userDB) error {
		row := u.sealPerson(p)
		err := u.write(ctx, func() error { return u.q.PutPerson(context.Background(), row) })
		if err == nil {
			err = u.scrub(ctx)
		}
		return err
	})
}

// Profile gives what a user chose.
func (s *Store) Profile(ctx context.Context, user id.User) (p account.Profile, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetProfile(ctx)
			p = account.Profile{Created: instant(r.Created), Locale: r.Locale, TimeZone: r.TimeZone}
			if r.Notices != "" {
				p.Notices = []byte(r.Notices)
			}
			return none(err)
		})
	})
	return p, err
}

// SetProfile keeps what a user chose.
func (s *Store) SetProfile(ctx context.Context, user id.User, p account.Profile) error {
	if err := p.Check(); err != nil {
		return err
	}
	row := userdb.SetProfileParams{Locale: p.Locale, TimeZone: p.TimeZone, Notices: string(p.Notices)}
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			n, err := u.q.SetProfile(context.Background(), row)
			return noneOf(n, err)
		})
	})
}
