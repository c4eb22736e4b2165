package bridge

import (
	"context"
	"errors"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// recover asks the session of every claim that an earlier process left what
// became of it (docs/model: label recover):
//
//	committed          -> settle, it is in Gmail
//	incomplete at N    -> resume in the same session once the source shows the message
//	no longer answers  -> doubtful: the last octet may have arrived
//
// A second session is opened for none of them.
func (r *run) recover(ctx context.Context) error {
	claims, err := r.Ledger.Claims(ctx)
	if err != nil {
		return err
	}
	for _, c := range claims {
		if !r.scopes[scopeOf(c.ID)] {
			continue
		}
		var a mail.Answer
		err := r.at(StepQuery, func() (err error) {
			a, err = r.Gmail.Query(ctx, c.Session, -1)
			return err
		})
		switch {
		case err != nil:
			return err
		case a.Done:
			err = r.settle(ctx, &job{id: c.ID}, c.Key, ledger.Outcome{
				Status: mail.Imported, Domain: c.Domain, Size: c.Size,
			})
		case a.Gone:
			err = r.settle(ctx, &job{id: c.ID}, c.Key, ledger.Outcome{
				Status: mail.Doubtful, Reason: "session_expired", Domain: c.Domain, Size: c.Size,
			})
		default:
			left := &resume{Claim: c, stored: a.Stored, unsure: true}
			if c.Checkpoint.Offset > 0 {
				left.marks = []ledger.Checkpoint{c.Checkpoint}
			}
			r.claims[c.Key] = left
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settle ends a claimed message. The write must not be lost to a shutdown: the
// message is in Gmail, or known not to be.
func (r *run) settle(ctx context.Context, j *job, k ledger.Key, o ledger.Outcome) error {
	err := r.at(StepSettle, func() error {
		return r.Ledger.Settle(context.WithoutCancel(ctx), k, o)
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.claims, k)
	r.mu.Unlock()
	r.end(j, k, o)
	return nil
}

// record ends a message that was never claimed.
func (r *run) record(ctx context.Context, j *job, k ledger.Key, o ledger.Outcome) error {
	if o.Status == mail.Failed && j.attempts+1 >= maxAttempts {
		o.Status, o.Reason = mail.Rejected, "set_aside:"+o.Reason
	}
	err := r.at(StepSettle, func() error {
		return r.Ledger.Record(context.WithoutCancel(ctx), k, o)
	})
	if err != nil && !errors.Is(err, ledger.ErrTaken) {
		return err
	}
	r.end(j, k, o)
	return nil
}
