package jobs

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

const (
	// leastSwept is how many users are swept in an hour whose turn it is, however
	// few there are in all.
	leastSwept = 100
	// chunk is how many are swept between two marks.
	chunk = 50
	day   = 24 * time.Hour
)

// period is how often a user is swept: what is to go is there for a twenty-fourth
// longer, an hour at least and a day at most.
func (w *work) period() time.Duration { return min(max(w.keep/24, tidy), day) }

// sweep forgets what has expired: of all users together at once, in a user's own
// database when it is the user's turn. Turns are a period apart, and however many
// have come due, as after a week without power, an hour takes only its share.
//
// Who was swept is marked, so a sweep that is cut goes on where it was. Who could
// not be is marked as well: the next turn is the next try, and no broken database
// is in the way of the others.
func (w *work) sweep(ctx context.Context) error {
	if err := w.store.DropExpired(ctx); err != nil {
		return err
	}
	all, err := w.store.CountUsers(ctx)
	if err != nil {
		return err
	}
	hours := int64(w.period() / tidy)
	// Half an hour early: jobs are not on the minute, and nobody waits a turn longer for that.
	due := time.Now().Add(tidy/2 - w.period())
	for share := int(max((all+hours-1)/hours, leastSwept)); share > 0; {
		users, err := w.store.ToSweep(ctx, due, min(share, chunk))
		if err != nil || len(users) == 0 {
			return err
		}
		for _, u := range users {
			w.sweepUser(ctx, u)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.store.Swept(ctx, users); err != nil {
			return err
		}
		share -= len(users)
	}
	return nil
}

func (w *work) sweepUser(ctx context.Context, user id.User) {
	if ctx.Err() != nil {
		return
	}
	if err := gone(w.store.Sweep(ctx, user, time.Now().Add(-w.keep))); err != nil && ctx.Err() == nil {
		w.log.Error("what has expired is not forgotten", "user", user, "err", err)
	}
	if w.notices == nil {
		return
	}
	// Once in a while everybody is looked at: what was refused is for the digest,
	// and nothing happens to who is inactive.
	if err := gone(w.store.Watch(ctx, user)); err != nil && ctx.Err() == nil {
		w.log.Error("a user is not looked at for notices", "user", user, "err", err)
	}
}
