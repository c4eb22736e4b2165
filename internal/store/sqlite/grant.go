package sqlite

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// PutGrant keeps what Google gave. It replaces what was kept before, of which
// nothing is left in the file and its WAL when this returns. What Google was
// still to be told of an earlier end is moot: it would end this grant as well.
func (s *Store) PutGrant(ctx context.Context, user id.User, g account.Grant) error {
	scopes, err := json.Marshal(append([]string{}, g.Scopes...))
	if err != nil {
		return err
	}
	row := userdb.PutGrantParams{Status: string(cmp.Or(g.Status, account.Active)), Scopes: string(scopes), GrantedAt: nanos(g.GrantedAt)}
	marks := s.markHashes(g.RefreshToken)
	if err := s.connected(ctx, user, marks); err != nil {
		return err
	}
	err = s.inUser(ctx, user, func(u *userDB) error {
		if !g.RefreshToken.Empty() {
			row.RefreshToken = u.key.Seal(u.place("grants", "refresh_token", nil), g.RefreshToken)
		}
		person := u.sealPerson(account.Person{Email: g.Email, Sub: g.Sub})
		err := u.write(ctx, func() error {
			err := u.q.PutGrant(context.Background(), row)
			if err == nil && g.Sub != "" {
				err = u.q.PutPerson(context.Background(), person)
			}
			return err
		})
		if err == nil {
			err = u.scrub(ctx)
		}
		return err
	})
	if err == nil {
		err = s.keepMarks(ctx, user, marks)
	}
	return err
}

// Grant gives what Google gave, or account.ErrNone if there is no token.
func (s *Store) Grant(ctx context.Context, user id.User) (g account.Grant, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetGrant(ctx)
			if err == nil && len(r.RefreshToken) == 0 {
				err = account.ErrNone
			}
			if err != nil {
				return none(err)
			}
			g, err = u.grant(r)
			return err
		})
	})
	return g, err
}

func (u *userDB) grant(r userdb.GetGrantRow) (g account.Grant, err error) {
	g = account.Grant{Status: account.Status(r.Status), GrantedAt: instant(r.GrantedAt)}
	if g.RefreshToken, err = u.key.Open(u.place("grants", "refresh_token", nil), r.RefreshToken); err != nil {
		return g, err
	}
	if len(r.Sub) > 0 {
		p, err := u.person(r.Email, r.Sub)
		if err != nil {
			return g, err
		}
		g.Email, g.Sub = p.Email, p.Sub
	}
	return g, json.Unmarshal([]byte(r.Scopes), &g.Scopes)
}

// Access tells where a user's grant stands, without its token.
func (s *Store) Access(ctx context.Context, user id.User) (a account.Access, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			r, err := u.q.GetGrant(ctx)
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

// WipeGrant destroys what Google gave: its user wants that. Google is still to
// be told, which is durable before the token is destroyed.
func (s *Store) WipeGrant(ctx context.Context, user id.User) (account.Receipt, error) {
	w := &wipe{Receipt: newReceipt(account.OfGrant), user: user}
	err := s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			c, err := u.q.CountGrantRows(ctx)
			w.Rows = map[string]int64{"claims": c.Claims, "grants": c.Grants, "person": c.Person}
			return err
		})
	})
	if err == nil {
		err = s.begin(ctx, w)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	return s.wipeGrant(context.WithoutCancel(ctx), w)
}

func (s *Store) wipeGrant(ctx context.Context, w *wipe) (account.Receipt, error) {
	g, err := s.Grant(ctx, w.user)
	switch {
	case err == nil:
		err = s.leaveErrand(ctx, w, account.GoogleRevoke, g.RefreshToken)
	case errors.Is(err, account.ErrNone):
		_, err = s.Access(ctx, w.user) // is there such a user?
	}
	if err != nil {
		return account.Receipt{}, err
	}
	rows, err := s.dropGrant(ctx, w.user, vault.Secret{})
	if err == nil {
		err = s.at(stepRows)
	}
	if err != nil {
		return account.Receipt{}, err
	}
	for table, n := range rows {
		w.gone(table, n)
	}
	return s.keepReceipt(ctx, w, func() error { return nil })
}

// dropGrant destroys tokens, who the person is to Google, and upload sessions,
// in one transaction; all of it is gone from the file and its WAL when this
// returns. The ledger's keys stay, so that who connects again gets nothing
// twice.
//
// What was on its way is doubtful from now on, each with its line in the log:
// only its session could have told whether Gmail has it. Whoever held the store
// is fenced, so that no upload begins under a token that is still remembered
// somewhere, nor ends in a way that nobody asked about.
//
// With a token nothing of this happens while another is kept.
func (s *Store) dropGrant(ctx context.Context, user id.User, token vault.Secret) (rows map[string]int64, err error) {
	stays := false
	err = s.inUser(ctx, user, func(u *userDB) error {
		err := u.write(ctx, func() error {
			return u.alone(func() error {
				if stays, err = u.isAnother(token); err != nil || stays {
					return err
				}
				rows, err = u.forgo()
				return err
			})
		})
		if err == nil {
			err = u.scrub(ctx)
		}
		return err
	})
	if err == nil && !stays {
		err = s.keepMarks(ctx, user, nil)
	}
	return rows, err
}

// isAnother reports whether a grant is kept whose token is not this one; the
// empty one stands for all.
func (u *userDB) isAnother(token vault.Secret) (bool, error) {
	if token.Empty() {
		return false, nil
	}
	r, err := u.q.GetGrant(context.Background())
	if err = none(err); errors.Is(err, account.ErrNone) || err == nil && len(r.RefreshToken) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	g, err := u.grant(r)
	return err == nil && !g.RefreshToken.Equal(token), err
}

// grantRevoked is the reason of a line about what was on its way.
const grantRevoked = "grant_revoked"

func (u *userDB) forgo() (map[string]int64, error) {
	ctx, rows := context.Background(), map[string]int64{}
	under, err := u.q.ClaimsForgone(ctx)
	if err != nil {
		return nil, err
	}
	if err := u.q.DoubtClaims(ctx); err != nil {
		return nil, err
	}
	for _, c := range under {
		o := ledger.Outcome{Status: mail.Doubtful, Reason: grantRevoked, Domain: c.Domain, Size: c.Size}
		if err := u.line(c.Mailbox, c.Pair, ledger.Doubtful, o); err != nil {
			return nil, err
		}
	}
	for _, step := range []struct {
		table string
		drop  func(context.Context) (int64, error)
	}{{"claims", u.q.DropClaims}, {"grants", u.q.RevokeGrant}, {"person", u.q.DropPerson}} {
		if rows[step.table], err = step.drop(ctx); err != nil {
			return nil, err
		}
	}
	epoch, err := u.q.TakeOver(ctx)
	u.epoch = epoch
	return rows, err
}
