package sqlite

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
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// noticeID names a notice; it means nothing outside.
type noticeID [16]byte

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

// addMarks is part of a transaction.
func (s *Store) addMarks(user id.User, marks [][]byte) error {
	for _, m := range marks {
		if err := s.q.AddMark(context.Background(), systemdb.AddMarkParams{Mark: m, UserID: user[:]}); err != nil {
			return err
		}
	}
	return nil
}

// keepMarks forgets all names of a user's tokens but these. It comes after the
// token itself has changed: a name too many finds a user in vain.
func (s *Store) keepMarks(ctx context.Context, user id.User, keep [][]byte) error {
	dropped := false
	err := s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			have, err := s.q.MarksOfUser(context.Background(), user[:])
			if err != nil {
				return err
			}
			for _, m := range have {
				if slices.ContainsFunc(keep, func(k []byte) bool { return bytes.Equal(k, m) }) {
					continue
				}
				dropped = true
				if err := s.q.DropMark(context.Background(), systemdb.DropMarkParams{Mark: m, UserID: user[:]}); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil && dropped {
		err = s.system.scrub(ctx)
	}
	return err
}

// TakeNotices keeps what one delivery has told, to be acted upon later, and that
// it has come: in one transaction. The delivery called jti is remembered until
// the time given; if it is known, nothing happens and first is false.
func (s *Store) TakeNotices(ctx context.Context, jti string, until time.Time, notices []account.Notice) (first bool, err error) {
	once := s.onceParams(session.RISCEvent, jti, until)
	err = s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			n, err := s.q.UseOnce(context.Background(), once)
			if first = n == 1; err != nil || !first {
				return err
			}
			for _, notice := range notices {
				if err := s.q.InsertNotice(context.Background(), s.noticeRow(notice)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil && first && len(notices) > 0 {
		s.stir()
	}
	return first && err == nil, err
}

func (s *Store) noticeRow(n account.Notice) systemdb.InsertNoticeParams {
	fresh := id.New[noticeID]()
	p := systemdb.InsertNoticeParams{ID: fresh[:], Kind: n.Kind, Reason: n.Reason, At: nanos(n.At), Subject: []byte{}, Mark: []byte{}}
	if n.Sub != "" {
		p.Subject = s.hashOf(n.Sub)
	}
	if !n.Token.Empty() {
		p.Mark = s.markHash(n.Token)
	}
	return p
}

// Notices gives the news that is still to be acted upon, the oldest first.
func (s *Store) Notices(ctx context.Context) (out []account.Notice, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		rows, err := s.q.Notices(ctx)
		for _, r := range rows {
			out = append(out, account.Notice{ID: hex.EncodeToString(r.ID), Kind: r.Kind, Reason: r.Reason, At: instant(r.At)})
		}
		return err
	})
	return out, err
}

// Notice gives one of them and whom it concerns here: usually one user or
// nobody. account.ErrNone: it has been acted upon.
func (s *Store) Notice(ctx context.Context, notice string) (n account.Notice, users []id.User, err error) {
	key, err := hex.DecodeString(notice)
	if err != nil {
		return n, nil, account.ErrNone
	}
	var row systemdb.Notice
	var marked [][]byte
	err = s.system.read(ctx, func(ctx context.Context) (err error) {
		if row, err = s.q.GetNotice(ctx, key); err != nil {
			return none(err)
		}
		if len(row.Mark) > 0 {
			marked, err = s.q.UsersOfMark(ctx, row.Mark)
		}
		return err
	})
	if err != nil {
		return n, nil, err
	}
	n = account.Notice{ID: notice, Kind: row.Kind, Reason: row.Reason, At: instant(row.At)}
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

// NoticeDone forgets a notice that has been acted upon. It may be repeated.
func (s *Store) NoticeDone(ctx context.Context, notice string) error {
	key, err := hex.DecodeString(notice)
	if err != nil {
		return account.ErrNone
	}
	return s.system.write(ctx, func() error { return s.q.EndNotice(context.Background(), key) })
}
