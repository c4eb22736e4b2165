package actors

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// gaveUpFor is how long a mailbox that supervision has given up is left alone.
const gaveUpFor = 24 * time.Hour

// giveUp makes visible, and durable, that the passes of a mailbox end in an
// internal error each time. It is tried again a day later, or when its user
// asks.
func (t *tree) giveUp(user id.User, box id.Mailbox) {
	t.opts.Log.Error("mailbox given up", "user", user, "mailbox", box, "code", "internal_error")
	t.task(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, storeTime)
		defer cancel()
		s, err := t.opts.Registry.Schedule(ctx, user, box)
		if errors.Is(err, account.ErrNone) || s.Phase == schedule.Paused {
			return
		}
		s.Phase, s.Until = schedule.Failing, time.Now().Add(gaveUpFor)
		s.Reason = schedule.Reason{Code: "internal_error", Detail: "the sync of this mailbox failed repeatedly with an internal error and was stopped",
			Help: "it is tried again in a day; the operator finds more in the log"}
		if err == nil {
			err = t.opts.Registry.Save(ctx, user, box, s)
		}
		if err != nil {
			t.opts.Log.Error("state of a mailbox not saved", "mailbox", box, "err", err)
		}
		t.tell(t.clock, gaveUp{user: user, box: box, state: s, due: gaveUpFor})
	})
}
