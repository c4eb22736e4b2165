package sqlite

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
)

// Watch has a user looked at soon, for what there is to tell him.
func (s *Store) Watch(ctx context.Context, user id.User) error {
	err := s.system.write(ctx, func() error { return s.watch(user) })
	if err == nil {
		s.stir()
	}
	return err
}

// watch is part of a transaction. The time is always another: who looks at the
// user this moment finds that he has to look again.
func (s *Store) watch(user id.User) error {
	return s.q.WatchUser(context.Background(), systemdb.WatchUserParams{At: time.Now().UnixNano(), UserID: user[:]})
}

// Watched gives up to most users whose time has come, who has waited longest
// first.
func (s *Store) Watched(ctx context.Context, now time.Time, most int) (out []notify.Watch, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		rows, err := s.q.Watched(ctx, systemdb.WatchedParams{Now: now.UnixNano(), Most: int64(most)})
		for _, r := range rows {
			out = append(out, notify.Watch{User: id.User(r.UserID), At: time.Unix(0, r.At)})
		}
		return err
	})
	return out, err
}

// AnyWatched reports whether somebody's time has come.
func (s *Store) AnyWatched(ctx context.Context) (any bool, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		n, err := s.q.CountWatched(ctx, time.Now().UnixNano())
		any = n > 0
		return err
	})
	return any, err
}

// Rewatch sets the time of a user anew, unless it was set meanwhile; zero: he is
// not watched any more.
func (s *Store) Rewatch(ctx context.Context, w notify.Watch, next time.Time) error {
	return s.system.write(ctx, func() error {
		at := w.At.UnixNano()
		if next.IsZero() {
			return s.q.Unwatch(context.Background(), systemdb.UnwatchParams{UserID: w.User[:], At: at})
		}
		return s.q.Rewatch(context.Background(), systemdb.RewatchParams{Next: next.UnixNano(), UserID: w.User[:], At: at})
	})
}

// SignedUp reports a user who is not the one of the command line, or
// account.ErrNone.
func (s *Store) SignedUp(ctx context.Context, user id.User) (yes bool, err error) {
	err = s.system.read(ctx, func(ctx context.Context) error {
		n, err := s.q.UserSignedUp(ctx, user[:])
		yes = n == 1
		return none(err)
	})
	return yes, err
}
