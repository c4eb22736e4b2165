package postgres

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Consent gives what a provider gave for a mailbox, or account.ErrNone: there is
// no such mailbox, or it has a password.
func (s *Store) Consent(ctx context.Context, user id.User, box id.Mailbox) (account.Consent, error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return account.Consent{}, err
	}
	var r userdb.GetConsentRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		r, err = q.GetConsent(ctx, box[:])
		return none(err)
	})
	if err != nil {
		return account.Consent{}, err
	}
	k, err := s.keysOf(ctx, p, box)
	if err != nil {
		return account.Consent{}, noSalt(err)
	}
	return p.consent(k, box, r)
}

// KeepConsent puts next in the place of the consent with this refresh token,
// durably; kept is false, and nothing is changed, where there is another one.
func (s *Store) KeepConsent(ctx context.Context, user id.User, box id.Mailbox, was vault.Secret, next account.Consent) (kept bool, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return false, err
	}
	k, err := s.keysOf(ctx, p, box)
	if err != nil {
		return false, noSalt(err)
	}
	err = s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		r, err := q.LockConsent(ctx, box[:])
		if err != nil {
			return none(err)
		}
		is, err := p.consent(k, box, userdb.GetConsentRow(r))
		if err != nil || !is.Refresh.Equal(was) {
			return err
		}
		kept = true
		return q.PutConsent(ctx, p.consentRow(k, box, r.Mailbox, next))
	})
	return kept && err == nil, err
}

// consent opens what is kept.
func (p *person) consent(k *boxKeys, box id.Mailbox, r userdb.GetConsentRow) (c account.Consent, err error) {
	c = account.Consent{Provider: r.Provider, Ends: instant(r.Ends)}
	for _, part := range []struct {
		column string
		sealed []byte
		open   *vault.Secret
	}{{"refresh", r.Refresh, &c.Refresh}, {"access", r.Access, &c.Access}} {
		if len(part.sealed) == 0 {
			continue
		}
		if *part.open, err = k.Sealer.Open(p.place("consents", part.column, box[:]), part.sealed); err != nil {
			return account.Consent{}, err
		}
	}
	return c, nil
}

// consentRow seals a consent under the keys of its mailbox.
func (p *person) consentRow(k *boxKeys, box id.Mailbox, n int32, c account.Consent) userdb.PutConsentParams {
	r := userdb.PutConsentParams{Mailbox: n, Provider: c.Provider, Ends: nanos(c.Ends)}
	if !c.Refresh.Empty() {
		r.Refresh = k.Sealer.Seal(p.place("consents", "refresh", box[:]), c.Refresh)
	}
	if !c.Access.Empty() {
		r.Access = k.Sealer.Seal(p.place("consents", "access", box[:]), c.Access)
	}
	return r
}

// enter keeps the credential of a mailbox that was just made or changed: a
// password takes the place of a consent, and the other way round. It is part of a
// transaction.
func (s *Store) enter(ctx context.Context, q *userdb.Queries, p *person, n int32, m account.Mailbox) error {
	switch {
	case !m.Password.Empty():
		return q.DropConsent(ctx, n)
	case m.Consent.Provider != "":
		k, err := s.keysOf(ctx, p, m.ID)
		if err != nil {
			return err
		}
		if err := q.ForgetPassword(ctx, n); err != nil {
			return err
		}
		return q.PutConsent(ctx, p.consentRow(k, m.ID, n, m.Consent))
	}
	return nil
}
