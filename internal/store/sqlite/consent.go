package sqlite

import (
	"context"
	"errors"
	"io/fs"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Consent gives what a provider gave for a mailbox, or account.ErrNone: there is
// no such mailbox, or it has a password.
func (s *Store) Consent(ctx context.Context, user id.User, box id.Mailbox) (c account.Consent, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			c, err = u.consent(ctx, box)
			return err
		})
	})
	return c, err
}

// KeepConsent puts next in the place of the consent with this refresh token,
// durably; kept is false, and nothing is changed, where there is another one. Of
// a refresh token that was replaced nothing is left in the file and its WAL when
// this returns.
func (s *Store) KeepConsent(ctx context.Context, user id.User, box id.Mailbox, was vault.Secret, next account.Consent) (kept bool, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		row, err := u.consentRow(ctx, box, next)
		if err != nil {
			return noSalt(err)
		}
		err = u.write(ctx, func() error {
			return u.alone(func() error {
				is, err := u.consent(context.Background(), box)
				if err != nil || !is.Refresh.Equal(was) {
					return err
				}
				kept = true
				return noneOf(u.q.PutConsent(context.Background(), row))
			})
		})
		if err == nil && kept && !was.Equal(next.Refresh) {
			err = u.scrub(ctx)
		}
		return err
	})
	return kept && err == nil, err
}

// consent opens what is kept, within a read or a write.
func (u *userDB) consent(ctx context.Context, box id.Mailbox) (c account.Consent, err error) {
	r, err := u.q.GetConsent(ctx, box[:])
	if err != nil {
		return c, none(err)
	}
	c = account.Consent{Provider: r.Provider, Ends: instant(r.Ends)}
	k, err := u.keysOf(ctx, box)
	if errors.Is(err, fs.ErrNotExist) { // it came back with a backup: see password
		return account.Consent{Provider: r.Provider}, nil
	}
	if err != nil {
		return c, err
	}
	for _, part := range []struct {
		column string
		sealed []byte
		open   *vault.Secret
	}{{"refresh", r.Refresh, &c.Refresh}, {"access", r.Access, &c.Access}} {
		if len(part.sealed) == 0 {
			continue
		}
		if *part.open, err = k.Sealer.Open(u.place("consents", part.column, box[:]), part.sealed); err != nil {
			return account.Consent{}, err
		}
	}
	return c, nil
}

// consentRow seals a consent under the keys of its mailbox.
func (u *userDB) consentRow(ctx context.Context, box id.Mailbox, c account.Consent) (userdb.PutConsentParams, error) {
	r := userdb.PutConsentParams{ID: box[:], Provider: c.Provider, Ends: nanos(c.Ends)}
	k, err := u.keysOf(ctx, box)
	if err != nil {
		return r, err
	}
	if !c.Refresh.Empty() {
		r.Refresh = k.Sealer.Seal(u.place("consents", "refresh", box[:]), c.Refresh)
	}
	if !c.Access.Empty() {
		r.Access = k.Sealer.Seal(u.place("consents", "access", box[:]), c.Access)
	}
	return r, nil
}

// enter keeps the credential of a mailbox that was just made or changed: a
// password takes the place of a consent, and the other way round. It is part of
// a transaction.
func (u *userDB) enter(m account.Mailbox, row userdb.PutConsentParams) error {
	ctx := context.Background()
	switch {
	case !m.Password.Empty():
		return u.q.DropConsent(ctx, m.ID[:])
	case m.Consent.Provider != "":
		if err := u.q.ForgetPassword(ctx, m.ID[:]); err != nil {
			return err
		}
		return noneOf(u.q.PutConsent(ctx, row))
	}
	return nil
}

// noSalt: without a salt there is no mailbox.
func noSalt(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return account.ErrNone
	}
	return err
}
