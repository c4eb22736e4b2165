package postgres

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Person gives who a user is to Google, or account.ErrNone: after a revocation,
// until the next sign-in.
func (s *Store) Person(ctx context.Context, user id.User) (account.Person, error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return account.Person{}, err
	}
	var r userdb.GetPersonRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		r, err = q.GetPerson(ctx)
		return none(err)
	})
	if err != nil {
		return account.Person{}, err
	}
	return p.identity(r.Email, r.Sub)
}

func (p *person) identity(email, sub []byte) (account.Person, error) {
	e, err := p.key.Open(p.place("person", "email", nil), email)
	if err != nil {
		return account.Person{}, err
	}
	s, err := p.key.Open(p.place("person", "sub", nil), sub)
	return account.Person{Email: e.RevealString(), Sub: s.RevealString()}, err
}

func (p *person) sealIdentity(who account.Person) userdb.PutPersonParams {
	return userdb.PutPersonParams{
		Email: p.key.Seal(p.place("person", "email", nil), vault.NewSecret(who.Email)),
		Sub:   p.key.Seal(p.place("person", "sub", nil), vault.NewSecret(who.Sub)),
	}
}

// putPerson keeps who a user is. Most sign-ins find it as it was.
func (s *Store) putPerson(ctx context.Context, user id.User, who account.Person) error {
	is, err := s.Person(ctx, user)
	if err == nil && is == who || err != nil && !errors.Is(err, account.ErrNone) {
		return err
	}
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	return noReferent(s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		return q.PutPerson(ctx, p.sealIdentity(who))
	}))
}

// choices are what is kept of a profile, sealed.
type choices struct {
	Locale   string          `json:"locale,omitempty"`
	TimeZone string          `json:"time_zone,omitempty"`
	Notices  json.RawMessage `json:"notices,omitempty"`
}

// Profile gives what a user chose.
func (s *Store) Profile(ctx context.Context, user id.User) (account.Profile, error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return account.Profile{}, err
	}
	var r userdb.GetProfileRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		r, err = q.GetProfile(ctx)
		return none(err)
	})
	if err != nil {
		return account.Profile{}, err
	}
	var c choices
	if len(r.Choices) > 0 {
		if err := opened(p.key, p.place("profile", "choices", nil), r.Choices, &c); err != nil {
			return account.Profile{}, err
		}
	}
	return account.Profile{Created: instant(r.Created), Locale: c.Locale, TimeZone: c.TimeZone, Notices: c.Notices}, nil
}

// SetProfile keeps what a user chose.
func (s *Store) SetProfile(ctx context.Context, user id.User, profile account.Profile) error {
	if err := profile.Check(); err != nil {
		return err
	}
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	sealed, err := sealed(p.key, p.place("profile", "choices", nil), choices{profile.Locale, profile.TimeZone, json.RawMessage(profile.Notices)})
	if err != nil {
		return err
	}
	return s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		return noneOf(q.SetProfile(ctx, sealed))
	})
}
