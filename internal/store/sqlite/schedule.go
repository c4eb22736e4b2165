package sqlite

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
)

// Load gives what a pass begins with, a mailbox and what is remembered of it,
// in one read; or account.ErrNone.
func (s *Store) Load(ctx context.Context, user id.User, box id.Mailbox) (m account.Mailbox, st schedule.State, err error) {
	err = s.inUser(ctx, user, func(u *userDB) (err error) {
		m, st, err = u.load(ctx, box)
		if errors.Is(err, account.ErrNone) {
			err = s.dropRemains(ctx, u, box)
		}
		return err
	})
	return m, st, err
}

// Prepare is Load for a pass: it sees what was decided before (Decide). While no
// pass has begun since a decision, Save takes no digest.
func (s *Store) Prepare(ctx context.Context, user id.User, box id.Mailbox) (m account.Mailbox, st schedule.State, err error) {
	m, st, err = s.Load(ctx, user, box)
	if err != nil || st.Digest != (mail.Key{}) { // then nothing was decided
		return m, st, err
	}
	err = s.inUser(ctx, user, func(u *userDB) error {
		var decided bool
		err := u.read(ctx, func(ctx context.Context) (err error) {
			decided, err = u.q.IsDecided(ctx, box[:])
			return none(err)
		})
		if err != nil || !decided {
			return err
		}
		return u.write(ctx, func() error { return u.q.HeedDecision(context.Background(), box[:]) })
	})
	return m, st, err
}

func (u *userDB) load(ctx context.Context, box id.Mailbox) (m account.Mailbox, st schedule.State, err error) {
	err = u.read(ctx, func(ctx context.Context) error {
		r, err := u.q.LoadMailbox(ctx, box[:])
		if err == nil {
			st = stateOf(r.Schedule)
			m, err = u.mailbox(ctx, r.Mailbox)
		}
		return none(err)
	})
	return m, st, err
}

// dropRemains takes away what a crash has left of a mailbox that does not
// exist, unless somebody is making it this moment. The error is account.ErrNone.
func (s *Store) dropRemains(ctx context.Context, u *userDB, box id.Mailbox) error {
	making := s.making.lock(box)
	defer making.Unlock()
	_, _, err := u.load(ctx, box)
	if !errors.Is(err, account.ErrNone) {
		return err
	}
	if _, known := s.scheduled(ctx, u.key.User(), box); known == nil {
		if failed := s.discard(ctx, u.key.User(), box); failed != nil {
			return failed
		}
	}
	return err
}

// Schedule gives what is remembered of a mailbox, or account.ErrNone.
func (s *Store) Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error) {
	_, st, err := s.Load(ctx, user, box)
	return st, err
}

// GmailWait gives the time until which Gmail takes nothing from a user, as it
// told a mailbox that has failed since before a time; zero: it takes.
func (s *Store) GmailWait(ctx context.Context, user id.User, before time.Time) (until time.Time, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			n, err := u.q.GmailWait(ctx, nanos(before))
			until = instant(n)
			return err
		})
	})
	return until, err
}

// Save keeps the state of a mailbox, or account.ErrNone.
//
// The user's database and the wheel's row in the system database cannot share a
// commit. The one that wakes the mailbox sooner is written first, so that after
// a crash in between the wheel is never the later of the two: the worst is a
// pass too early, which then reads the truth. A mailbox that the wheel would
// wake as before has its row there left alone.
func (s *Store) Save(ctx context.Context, user id.User, box id.Mailbox, st schedule.State) error {
	if st.Phase == schedule.Syncing {
		st.Phase = schedule.Idle // what a pass that is cut off leaves
	}
	saving := s.saving.lock(box)
	defer saving.Unlock()
	next := rowOf(st)
	is, err := s.scheduled(ctx, user, box)
	if err != nil {
		return err
	}
	watch := notable(is, st)
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return s.saveState(ctx, user, box, st) },
		func(ctx context.Context) error { return s.reschedule(ctx, user, box, next, watch) },
	}
	switch {
	case next == is:
		steps = steps[:1]
	case wakes(next) < wakes(is):
		steps[0], steps[1] = steps[1], steps[0]
		if watch { // only then is there something to see
			watch = false
			steps = append(steps, func(ctx context.Context) error { return s.Watch(ctx, user) })
		}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx) // what is begun is finished
	}
	return nil
}

// wheelRow is the part of a state that the wheel needs.
type wheelRow = systemdb.ScheduledRow

func rowOf(st schedule.State) wheelRow {
	return wheelRow{Phase: int64(st.Phase), Until: nanos(st.Until), Every: int64(st.Interval)}
}

// wakes is when the wheel would wake a mailbox, beside its polls.
func wakes(w wheelRow) int64 {
	switch p := schedule.Phase(w.Phase); {
	case p == schedule.Waiting, p == schedule.Failing && w.Until != 0:
		return w.Until
	case p == schedule.Failing, p == schedule.Paused:
		return math.MaxInt64
	}
	return math.MinInt64
}

// notable reports a change of which the user may have to be told: it fails, or
// does so no longer.
func notable(is wheelRow, st schedule.State) bool {
	return st.Failures > 0 || schedule.Phase(is.Phase) != st.Phase
}

func (s *Store) saveState(ctx context.Context, user id.User, box id.Mailbox, st schedule.State) error {
	p := userdb.SaveScheduleParams{
		Phase: int64(st.Phase), Until: nanos(st.Until), Every: int64(st.Interval),
		Code: st.Reason.Code, Detail: st.Reason.Detail, Help: st.Reason.Help,
		Class: int64(st.Class), Failures: int64(st.Failures), FailingSince: nanos(st.First),
		Undone: int64(st.Undone), Asked: nanos(st.Asked), Accepted: number(st.Accepted),
		Floor: int64(st.Floor), LastSync: nanos(st.LastSync),
		BacklogMessages: int64(st.Backlog.Messages), BacklogBytes: st.Backlog.Bytes, BacklogEta: nanos(st.Backlog.ETA),
		ID: box[:],
	}
	if st.Digest != (mail.Key{}) {
		p.Digest = st.Digest[:]
	}
	return s.inUser(ctx, user, func(u *userDB) error {
		return u.write(ctx, func() error {
			n, err := u.q.SaveSchedule(context.Background(), p)
			return noneOf(n, err)
		})
	})
}

func stateOf(r userdb.Schedule) schedule.State {
	st := schedule.State{
		Phase: schedule.Phase(r.Phase), Until: instant(r.Until), Interval: time.Duration(r.Every),
		Reason: schedule.Reason{Code: r.Code, Detail: r.Detail, Help: r.Help},
		Class:  mail.Class(r.Class), Failures: int(r.Failures), First: instant(r.FailingSince),
		Undone: int(r.Undone), Asked: instant(r.Asked), Accepted: r.Accepted != 0,
		Floor: time.Duration(r.Floor), LastSync: instant(r.LastSync),
		Backlog: schedule.Backlog{Messages: int(r.BacklogMessages), Bytes: r.BacklogBytes, ETA: instant(r.BacklogEta)},
	}
	copy(st.Digest[:], r.Digest)
	return st
}
