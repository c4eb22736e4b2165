package postgres

import (
	"context"
	"errors"
	"io/fs"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func errandPlace(receipt, what string) vault.Place {
	return vault.Place{Table: "errands", Column: "secret", Row: receipt + " " + what}
}

// leaveErrand notes that Google is to be told, durably, unless it was noted
// before.
func (s *Store) leaveErrand(ctx context.Context, w *wipe, token vault.Secret) error {
	const what = account.GoogleRevoke
	known := false
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		n, err := q.CountErrand(ctx, systemdb.CountErrandParams{Receipt: w.ID, What: what})
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
	sealed := key.Seal(errandPlace(w.ID, what), token)
	err = s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		subject, err := q.SubjectOfAnyUser(ctx, w.user[:])
		if err != nil {
			return none(err)
		}
		return q.InsertErrand(ctx, systemdb.InsertErrandParams{
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
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		rows, err = q.PendingErrands(ctx)
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
// pending. The key of its secret is gone when this returns.
func (s *Store) ErrandDone(ctx context.Context, receipt, what string) error {
	return s.endErrand(ctx, receipt, what, account.Done)
}

// ErrandFailed notes that somebody could not be told, and is no longer tried.
func (s *Store) ErrandFailed(ctx context.Context, receipt, what string) error {
	return s.endErrand(ctx, receipt, what, account.Failed)
}

func (s *Store) endErrand(ctx context.Context, receipt, what, state string) error {
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		return noneOf(q.EndErrand(ctx, systemdb.EndErrandParams{State: state, Receipt: receipt, What: what}))
	})
	if err == nil {
		err = s.forgetErrands(ctx)
	}
	return err
}

// forgetErrands destroys the keys of errands that have ended. The rows say so
// first: a crash between leaves a key for the next time.
func (s *Store) forgetErrands(ctx context.Context) error {
	var ended []systemdb.EndedErrandsRow
	err := s.system(ctx, func(ctx context.Context, q *systemdb.Queries) (err error) {
		ended, err = q.EndedErrands(ctx)
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
	return s.inSystem(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		for _, e := range ended {
			if err := q.ErrandKeyGone(ctx, systemdb.ErrandKeyGoneParams(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Due tells that there is something to do: errands or signals that came to this
// process. It is for one who listens, and may tell once for many.
func (s *Store) Due() <-chan struct{} { return s.due }

func (s *Store) stir() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}
