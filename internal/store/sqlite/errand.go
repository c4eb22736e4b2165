package sqlite

import (
	"context"
	"errors"
	"io/fs"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func errandPlace(receipt, what string) vault.Place {
	return vault.Place{Table: "errands", Column: "secret", Row: receipt + " " + what}
}

// leaveErrand notes what others are to be told, durably, unless it was noted
// before.
func (s *Store) leaveErrand(ctx context.Context, w *wipe, what string, secret vault.Secret) error {
	known := false
	err := s.system.read(ctx, func(ctx context.Context) error {
		n, err := s.q.CountErrand(ctx, systemdb.CountErrandParams{Receipt: w.ID, What: what})
		known = n > 0
		return err
	})
	if err != nil || known {
		return err
	}
	key, err := s.keys.EnsureErrand(ctx, w.ID, what)
	if err != nil {
		return err
	}
	sealed := key.Seal(errandPlace(w.ID, what), secret)
	err = s.system.write(ctx, func() error {
		subject, err := s.q.SubjectOfAnyUser(context.Background(), w.user[:])
		if err != nil {
			return none(err)
		}
		if what != account.GoogleRevoke {
			subject = []byte{} // nothing that he does later makes it moot
		}
		return s.q.InsertErrand(context.Background(), systemdb.InsertErrandParams{
			Receipt: w.ID, What: what, Since: nanos(w.At), Subject: subject, Secret: sealed,
		})
	})
	if err != nil {
		return err
	}
	s.stir()
	return s.at(stepErrand)
}

// Errands gives what others are still to be told.
func (s *Store) Errands(ctx context.Context) (out []account.Errand, err error) {
	var rows []systemdb.PendingErrandsRow
	err = s.system.read(ctx, func(ctx context.Context) (err error) {
		rows, err = s.q.PendingErrands(ctx)
		return err
	})
	for _, r := range rows {
		e := account.Errand{Receipt: r.Receipt, What: r.What, Since: instant(r.Since)}
		key, err := s.keys.Errand(ctx, r.Receipt, r.What)
		if errors.Is(err, fs.ErrNotExist) {
			// The store is a copy of before: that was told long ago.
			if err := s.endErrand(ctx, r.Receipt, r.What, account.Done); err != nil && !errors.Is(err, account.ErrNone) {
				return out, err
			}
			continue
		}
		if err == nil {
			e.Secret, err = key.Open(errandPlace(r.Receipt, r.What), r.Secret)
		}
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, err
}

// ErrandDone notes that somebody was told; account.ErrNone if that is not
// pending. The secret is gone from the file and its WAL when this returns, and
// its key from the key store.
func (s *Store) ErrandDone(ctx context.Context, receipt, what string) error {
	return s.endErrand(ctx, receipt, what, account.Done)
}

// ErrandFailed notes that somebody could not be told, and is no longer tried.
func (s *Store) ErrandFailed(ctx context.Context, receipt, what string) error {
	return s.endErrand(ctx, receipt, what, account.Failed)
}

func (s *Store) endErrand(ctx context.Context, receipt, what, state string) error {
	err := s.system.write(ctx, func() error {
		return noneOf(s.q.EndErrand(context.Background(), systemdb.EndErrandParams{State: state, Receipt: receipt, What: what}))
	})
	if err == nil {
		err = s.forgetErrands(ctx)
	}
	return err
}

// forgetErrands destroys the keys of errands that have ended. The rows say so
// first: a crash between leaves a key for the next start.
func (s *Store) forgetErrands(ctx context.Context) error {
	var ended []systemdb.EndedErrandsRow
	err := s.system.read(ctx, func(ctx context.Context) (err error) {
		ended, err = s.q.EndedErrands(ctx)
		return err
	})
	if err != nil || len(ended) == 0 {
		return err
	}
	for _, e := range ended {
		if err := s.keys.DestroyErrand(ctx, e.Receipt, e.What); err != nil {
			return err
		}
	}
	err = s.system.write(ctx, func() error {
		for _, e := range ended {
			if err := s.q.ErrandKeyGone(context.Background(), systemdb.ErrandKeyGoneParams(e)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.system.scrub(ctx)
	}
	return err
}

// connected takes back what Google is still to be told of a user, who has given
// a new grant: it would end that as well.
func (s *Store) connected(ctx context.Context, user id.User, marks [][]byte) error {
	moot := int64(0)
	err := s.system.write(ctx, func() error {
		return s.system.alone(func() error {
			ctx := context.Background()
			subject, err := s.q.SubjectOfUser(ctx, user[:])
			if err != nil {
				return none(err)
			}
			if moot, err = s.q.MootErrands(ctx, subject); err != nil {
				return err
			}
			if err := s.q.ForgetGrantWipe(ctx, user[:]); err != nil {
				return err
			}
			return s.addMarks(user, marks)
		})
	})
	if err == nil && moot > 0 {
		err = s.forgetErrands(ctx)
	}
	return err
}
