package postgres

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// signalID names a signal; it means nothing outside.
type signalID [16]byte

// markHashes gives the names of a refresh token as they are kept.
func (s *Store) markHashes(refresh vault.Secret) (out [][]byte) {
	if refresh.Empty() {
		return nil
	}
	for _, m := range account.TokenMarks(refresh) {
		out = append(out, s.markHash(m))
	}
	return out
}

func (s *Store) markHash(mark vault.Secret) []byte {
	h := s.index.Index("grant_mark", mark.RevealString())
	return h[:]
}

// keepMarks forgets all names of a user's tokens but these. It is part of the
// transaction that changes the token.
func keepMarks(ctx context.Context, q *systemdb.Queries, user id.User, keep [][]byte) error {
	if keep == nil {
		keep = [][]byte{}
	}
	if err := q.DropOtherMarks(ctx, systemdb.DropOtherMarksParams{UserID: user[:], Keep: keep}); err != nil {
		return err
	}
	return q.AddMarks(ctx, systemdb.AddMarksParams{Marks: keep, UserID: user[:]})
}

// TakeSignals keeps what one delivery has told, to be acted upon later, and that
// it has come: in one transaction. The delivery called jti is remembered until
// the time given; if it is known, nothing happens and first is false.
func (s *Store) TakeSignals(ctx context.Context, jti string, until time.Time, signals []account.Signal) (first bool, err error) {
	once := s.onceParams(session.RISCEvent, jti, until)
	err = s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		n, err := q.UseOnce(ctx, once)
		if first = n == 1; err != nil || !first {
			return err
		}
		for _, signal := range signals {
			if err := q.InsertSignal(ctx, s.signalRow(signal)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && first && len(signals) > 0 {
		s.stir()
	}
	return first && err == nil, err
}

func (s *Store) signalRow(n account.Signal) systemdb.InsertSignalParams {
	fresh := id.New[signalID]()
	p := systemdb.InsertSignalParams{ID: fresh[:], Kind: n.Kind, Reason: n.Reason, At: nanos(n.At), Subject: []byte{}, Mark: []byte{}}
	if n.Sub != "" {
		p.Subject = s.hashOf(n.Sub)
	}
	if !n.Token.Empty() {
		p.Mark = s.markHash(n.Token)
	}
	return p
}

// Signals gives the news that is still to be acted upon, the oldest first.
func (s *Store) Signals(ctx context.Context) (out []account.Signal, err error) {
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		rows, err := q.Signals(ctx)
		for _, r := range rows {
			out = append(out, account.Signal{ID: hex.EncodeToString(r.ID), Kind: r.Kind, Reason: r.Reason, At: instant(r.At)})
		}
		return err
	})
	return out, err
}

// Signal gives one of them and whom it concerns here: usually one user or
// nobody. account.ErrNone: it has been acted upon.
func (s *Store) Signal(ctx context.Context, signal string) (n account.Signal, users []id.User, err error) {
	key, err := hex.DecodeString(signal)
	if err != nil {
		return n, nil, account.ErrNone
	}
	var row systemdb.Signal
	var marked [][]byte
	err = s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		if row, err = q.GetSignal(ctx, key); err != nil {
			return none(err)
		}
		if len(row.Mark) > 0 {
			marked, err = q.UsersOfMark(ctx, row.Mark)
		}
		return err
	})
	if err != nil {
		return n, nil, err
	}
	n = account.Signal{ID: signal, Kind: row.Kind, Reason: row.Reason, At: instant(row.At)}
	if len(row.Subject) > 0 {
		u, wiping, err := s.findUser(ctx, row.Subject)
		if err == nil && !wiping {
			users = append(users, u)
		}
		if err != nil && !errors.Is(err, account.ErrNone) {
			return n, nil, err
		}
	}
	for _, m := range marked {
		holds, err := s.holds(ctx, id.User(m), row.Mark)
		if err != nil {
			return n, nil, err
		}
		if holds {
			users = append(users, id.User(m))
		}
	}
	return n, users, nil
}

// holds reports whether the refresh token that a user has now goes by a name.
func (s *Store) holds(ctx context.Context, user id.User, mark []byte) (bool, error) {
	g, err := s.Grant(ctx, user)
	if errors.Is(err, account.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(s.markHashes(g.RefreshToken), func(m []byte) bool { return bytes.Equal(m, mark) }), nil
}

// SignalDone forgets a signal that has been acted upon. It may be repeated.
func (s *Store) SignalDone(ctx context.Context, signal string) error {
	key, err := hex.DecodeString(signal)
	if err != nil {
		return account.ErrNone
	}
	return s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error { return q.EndSignal(ctx, key) })
}
