package postgres

import (
	"context"
	"errors"
	"io/fs"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// WipeGrant destroys what Google gave: its user wants that. Google is still to
// be told, which is durable before the token is destroyed.
func (s *Store) WipeGrant(ctx context.Context, user id.User) (account.Receipt, error) {
	w := &wipe{Receipt: newReceipt(account.OfGrant), user: user}
	err := s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		c, err := q.CountGrantRows(ctx)
		w.Rows = map[string]int64{"claims": c.Claims, "grants": c.Grants, "person": c.Person}
		return err
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
		err = s.leaveErrand(ctx, w, g.RefreshToken)
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
	return s.keepReceipt(ctx, w, nil)
}

// grantRevoked is the reason of a line about what was on its way.
const grantRevoked = "grant_revoked"

// forgo is part of a transaction. The keys that it needs were mostly opened by
// whoever made the claims.
func (s *Store) forgo(ctx context.Context, q *userdb.Queries, p *person) (map[string]int64, error) {
	under, err := q.ClaimsForgone(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.DoubtClaims(ctx); err != nil {
		return nil, err
	}
	for _, c := range under {
		if err := s.doubt(ctx, q, p, c); err != nil {
			return nil, err
		}
	}
	rows := map[string]int64{}
	for _, step := range []struct {
		table string
		drop  func(context.Context) (int64, error)
	}{{"claims", q.DropClaims}, {"grants", q.RevokeGrant}, {"person", q.DropPerson}} {
		if rows[step.table], err = step.drop(ctx); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// doubt writes the line of a claim that was forgone.
func (s *Store) doubt(ctx context.Context, q *userdb.Queries, p *person, c userdb.ClaimsForgoneRow) error {
	box := id.Mailbox(c.ID)
	k, err := s.keysOf(ctx, p, box)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is being wiped, and its log with it
	}
	if err != nil {
		return err
	}
	var a about
	if err := opened(k.Sealer, claimPlace(p.user, box, "about", c.Pair), c.About, &a); err != nil {
		return err
	}
	for _, w := range k.unknown(p.user, box, today(), a.Domain) {
		err := q.AddWords(ctx, userdb.AddWordsParams{Mailboxes: []int32{c.Mailbox}, Hashes: []int64{w.hash}, Days: []int32{w.day}, Sealed: [][]byte{w.sealed}})
		if err != nil {
			return err
		}
	}
	return s.line(ctx, q, k, p.user, box, line{box: c.Mailbox, state: ledger.Doubtful, size: c.Size, domain: k.word(a.Domain), reason: grantRevoked, pair: c.Pair})
}
