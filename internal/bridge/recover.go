package bridge

import (
	"context"
	"errors"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// unsettled gives the claims in the folders of this pass.
func (r *run) unsettled(ctx context.Context) ([]ledger.Claim, error) {
	claims, err := r.Ledger.Claims(ctx)
	return slices.DeleteFunc(claims, func(c ledger.Claim) bool { return !r.scopes[scopeOf(c.ID)] }), err
}

// recover asks the session of every claim that an earlier process left what
// became of it (docs/model: label recover):
//
//	committed          -> settle, it is in Gmail
//	incomplete at N    -> resume in the same session once the source shows the message
//	no longer answers  -> doubtful: the last octet may have arrived
//
// A second session is opened for none of them.
func (r *run) recover(ctx context.Context, claims []ledger.Claim) error {
	for _, c := range claims {
		left := &resume{Claim: c, earlier: true, stored: unasked, unsure: true}
		if c.Checkpoint.Offset > 0 {
			left.marks = []ledger.Checkpoint{c.Checkpoint}
		}
		a, err := r.query(ctx, turn{}, left, -1)
		o := ledger.Outcome{Status: mail.Doubtful, Reason: "session_expired", Domain: c.Domain, Size: c.Size}
		switch f, fault := mail.AsFault(err); {
		case err != nil && (!fault || endsPass(f)):
			return err
		case err != nil && refusesMessage(f):
			o.Status, o.Reason = mail.Rejected, f.Code
		case err != nil:
			// This session cannot be asked now. That must not stop the others.
			r.claims[c.Key] = left
			continue
		case a.Done:
			o.Status, o.Reason = mail.Imported, c.Verdict.Reason
		case !a.Gone:
			left.stored = a.Stored
			r.claims[c.Key] = left
			continue
		}
		if err := r.settle(ctx, &job{id: c.ID, reserved: -1}, c.Key, o); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain finds the claims of which the last round does not know whether they were
// written: by now their messages may have other ids.
func (r *run) lookAgain(ctx context.Context) error {
	r.mu.Lock()
	unclear := r.unclear
	r.unclear = false
	r.mu.Unlock()
	if !unclear {
		return nil
	}
	claims, err := r.unsettled(ctx)
	if err != nil {
		return err
	}
	return r.recover(ctx, slices.DeleteFunc(claims, func(c ledger.Claim) bool { return r.claims[c.Key] != nil }))
}

// query asks a session what became of it.
func (r *run) query(ctx context.Context, who turn, c *resume, total int64) (a mail.Answer, err error) {
	err = r.patiently(ctx, who, func() error {
		return r.at(StepQuery, func() (err error) {
			a, err = r.Gmail.Query(ctx, c.Session, total)
			return err
		})
	})
	if f, ok := mail.AsFault(err); ok && f.Class == mail.Unknown {
		later := *f // a question without an answer: nothing came of it
		later.Class = mail.Transient
		err = &later
	}
	return a, err
}

// endsPass reports a fault that concerns the user or Gmail as a whole.
func endsPass(f *mail.Fault) bool {
	switch f.Class {
	case mail.RateLimited, mail.Grant, mail.Revoked, mail.Transient:
		return true
	}
	return false
}

// refusesMessage reports a refusal that names what is wrong with the message;
// any other may be about the question.
func refusesMessage(f *mail.Fault) bool {
	return f.Class == mail.Refused && f.Code != "gmail_refused" && !labelGone(f)
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
