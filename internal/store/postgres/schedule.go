package postgres

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// Load gives what a pass begins with, a mailbox and what is remembered of it, in
// one read; or account.ErrNone.
func (s *Store) Load(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, schedule.State, error) {
	m, st, _, err := s.load(ctx, user, box)
	return m, st, err
}

// load also tells whether something was decided since the last pass began.
func (s *Store) load(ctx context.Context, user id.User, box id.Mailbox) (m account.Mailbox, st schedule.State, decided bool, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return m, st, false, err
	}
	var r userdb.LoadMailboxRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		r, err = q.LoadMailbox(ctx, box[:])
		return none(err)
	})
	if err != nil {
		return m, st, false, err
	}
	m, err = s.openMailbox(ctx, p, userdb.MailboxesRow{ID: box[:], Settings: r.Settings, Password: r.Password, Created: r.Created,
		Provider: r.Provider, Refresh: r.Refresh, Access: r.Access, Ends: r.Ends})
	if err == nil {
		st, err = s.state(ctx, p, box, r.Schedule)
	}
	if err != nil {
		return account.Mailbox{}, schedule.State{}, false, noSalt(err)
	}
	return m, st, len(r.Schedule.Digest) == 1, nil
}

// Prepare is Load for a pass: it sees what was decided before (Decide). While no
// pass has begun since a decision, Save takes no digest.
func (s *Store) Prepare(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, schedule.State, error) {
	m, st, decided, err := s.load(ctx, user, box)
	if err == nil && decided {
		err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error { return q.HeedDecision(ctx, box[:]) })
	}
	return m, st, err
}

// Schedule gives what is remembered of a mailbox, or account.ErrNone.
func (s *Store) Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error) {
	_, st, err := s.Load(ctx, user, box)
	return st, err
}

// GmailWait gives the time until which Gmail takes nothing from a user, as it
// told a mailbox that has failed since before a time; zero: it takes.
func (s *Store) GmailWait(ctx context.Context, user id.User, before time.Time) (until time.Time, err error) {
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		n, err := q.GmailWait(ctx, nanos(before))
		until = instant(n)
		return err
	})
	return until, err
}

// sealedReason is what is sealed of a reason.
type sealedReason struct {
	Detail string `json:"detail,omitempty"`
	Help   string `json:"help,omitempty"`
}

// Save keeps the state of a mailbox, or account.ErrNone, and what the wheel needs
// of it, in one statement.
func (s *Store) Save(ctx context.Context, user id.User, box id.Mailbox, st schedule.State) error {
	if st.Phase == schedule.Syncing {
		st.Phase = schedule.Idle // what a pass that is cut off leaves
	}
	params := userdb.SaveScheduleParams{
		Phase: int16(st.Phase), Until: nanos(st.Until), Every: int64(st.Interval), Code: st.Reason.Code,
		Class: int32(st.Class), Failures: int64(st.Failures), FailingSince: nanos(st.First),
		Floor: int64(st.Floor), LastSync: nanos(st.LastSync),
		Undone: int64(st.Undone), Asked: nanos(st.Asked), Accepted: st.Accepted,
		BacklogMessages: int64(st.Backlog.Messages), BacklogBytes: st.Backlog.Bytes, BacklogEta: nanos(st.Backlog.ETA),
		ID: box[:],
	}
	if st.Digest != (mail.Key{}) {
		params.Digest = st.Digest[:]
	}
	if r := (sealedReason{st.Reason.Detail, st.Reason.Help}); r != (sealedReason{}) {
		p, err := s.person(ctx, user)
		if err != nil {
			return err
		}
		k, err := s.keysOf(ctx, p, box)
		if err != nil {
			return noSalt(err)
		}
		if params.Reason, err = sealed(k.Sealer, p.place("schedule", "reason", box[:]), r); err != nil {
			return err
		}
	}
	return s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		return noneOf(q.SaveSchedule(ctx, params))
	})
}

func (s *Store) state(ctx context.Context, p *person, box id.Mailbox, r userdb.Schedule) (schedule.State, error) {
	st := schedule.State{
		Phase: schedule.Phase(r.Phase), Until: instant(r.Until), Interval: time.Duration(r.Every),
		Reason: schedule.Reason{Code: r.Code},
		Class:  mail.Class(r.Class), Failures: int(r.Failures), First: instant(r.FailingSince),
		Floor: time.Duration(r.Floor), LastSync: instant(r.LastSync),
		Undone: int(r.Undone), Asked: instant(r.Asked), Accepted: r.Accepted,
		Backlog: schedule.Backlog{Messages: int(r.BacklogMessages), Bytes: r.BacklogBytes, ETA: instant(r.BacklogEta)},
	}
	if len(r.Digest) == len(st.Digest) {
		copy(st.Digest[:], r.Digest)
	}
	if len(r.Reason) == 0 {
		return st, nil
	}
	k, err := s.keysOf(ctx, p, box)
	if err != nil {
		return st, err
	}
	var why sealedReason
	err = opened(k.Sealer, p.place("schedule", "reason", box[:]), r.Reason, &why)
	st.Reason.Detail, st.Reason.Help = why.Detail, why.Help
	return st, err
}
