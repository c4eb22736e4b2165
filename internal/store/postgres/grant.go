package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// PutGrant keeps what Google gave. It replaces what was kept before. What Google
// was still to be told of an earlier end is moot: it would end this grant as well.
func (s *Store) PutGrant(ctx context.Context, user id.User, g account.Grant) error {
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	scopes, err := json.Marshal(append([]string{}, g.Scopes...))
	if err != nil {
		return err
	}
	row := userdb.PutGrantParams{Status: string(cmp.Or(g.Status, account.Active)), Scopes: string(scopes), GrantedAt: nanos(g.GrantedAt)}
	if !g.RefreshToken.Empty() {
		row.RefreshToken = p.key.Seal(p.place("grants", "refresh_token", nil), g.RefreshToken)
	}
	marks, moot := s.markHashes(g.RefreshToken), int64(0)
	err = s.inBoth(ctx, user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
		subject, err := sys.SubjectOfUser(ctx, user[:])
		if err != nil {
			return none(err)
		}
		if moot, err = sys.MootErrands(ctx, subject); err != nil {
			return err
		}
		if err := sys.ForgetGrantWipe(ctx, user[:]); err != nil {
			return err
		}
		if err := keepMarks(ctx, sys, user, marks); err != nil {
			return err
		}
		if err := q.PutGrant(ctx, row); err != nil || g.Sub == "" {
			return err
		}
		return q.PutPerson(ctx, p.sealIdentity(account.Person{Email: g.Email, Sub: g.Sub}))
	})
	if err == nil && moot > 0 {
		err = s.forgetErrands(ctx)
	}
	return err
}

// Grant gives what Google gave, or account.ErrNone if there is no token.
func (s *Store) Grant(ctx context.Context, user id.User) (g account.Grant, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return g, err
	}
	var r userdb.GetGrantRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		r, err = q.GetGrant(ctx)
		return none(err)
	})
	if err == nil && len(r.RefreshToken) == 0 {
		err = account.ErrNone
	}
	if err != nil {
		return g, err
	}
	g = account.Grant{Status: account.Status(r.Status), GrantedAt: instant(r.GrantedAt)}
	if g.RefreshToken, err = p.key.Open(p.place("grants", "refresh_token", nil), r.RefreshToken); err != nil {
		return account.Grant{}, err
	}
	if len(r.Sub) > 0 {
		who, err := p.identity(r.Email, r.Sub)
		if err != nil {
			return account.Grant{}, err
		}
		g.Email, g.Sub = who.Email, who.Sub
	}
	return g, json.Unmarshal([]byte(r.Scopes), &g.Scopes)
}

// Access tells where a user's grant stands, without its token.
func (s *Store) Access(ctx context.Context, user id.User) (a account.Access, err error) {
	if _, err := s.person(ctx, user); err != nil {
		return a, err
	}
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		r, err := q.GetGrant(ctx)
		if errors.Is(none(err), account.ErrNone) {
			a.Status = account.NoGrant
			return nil
		}
		if err != nil {
			return err
		}
		a = account.Access{Status: account.Status(r.Status), GrantedAt: instant(r.GrantedAt)}
		return json.Unmarshal([]byte(r.Scopes), &a.Scopes)
	})
	return a, err
}

// DropGrant destroys what Google gave: Google has ended it. It may be repeated.
func (s *Store) DropGrant(ctx context.Context, user id.User) error {
	_, err := s.dropGrant(ctx, user, vault.Secret{})
	return err
}

// DropRefused is DropGrant for one token, which Google has refused: a grant that
// has come in its place since stays, and all that belongs to it.
func (s *Store) DropRefused(ctx context.Context, user id.User, token vault.Secret) error {
	_, err := s.dropGrant(ctx, user, token)
	return err
}

// dropGrant destroys tokens, who the person is to Google, and upload sessions, in
// one transaction. The ledger's keys stay, so that who connects again gets nothing
// twice.
//
// What was on its way is doubtful from now on, each with its line in the log: only
// its session could have told whether Gmail has it. Whoever held the user is
// fenced, so that no upload begins under a token that is still remembered
// somewhere, nor ends in a way that nobody asked about.
//
// With a token nothing of this happens while another is kept.
func (s *Store) dropGrant(ctx context.Context, user id.User, token vault.Secret) (rows map[string]int64, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, err
	}
	kept := false
	err = s.inBoth(ctx, user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
		// The fence comes first, as for whoever writes to the ledger.
		if _, err := sys.TakeOver(ctx, user[:]); err != nil {
			return none(err)
		}
		other, err := p.keeps(ctx, q, token)
		if err != nil {
			return err
		}
		if kept = other; kept {
			return account.ErrNone // nothing is changed
		}
		if rows, err = s.forgo(ctx, q, p); err != nil {
			return err
		}
		return keepMarks(ctx, sys, user, nil)
	})
	if kept {
		err = nil
	}
	return rows, err
}

// keeps reports whether a grant is kept whose token is not this one; the empty
// one stands for all.
func (p *person) keeps(ctx context.Context, q *userdb.Queries, token vault.Secret) (bool, error) {
	if token.Empty() {
		return false, nil
	}
	sealed, err := q.LockToken(ctx)
	if errors.Is(none(err), account.ErrNone) || err == nil && len(sealed) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, err := p.key.Open(p.place("grants", "refresh_token", nil), sealed)
	return err == nil && !is.Equal(token), err
}
