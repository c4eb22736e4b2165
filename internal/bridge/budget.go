package bridge

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// usage is an amount of budget, or of mail.
type usage struct {
	messages int
	bytes    int64
}

func (u *usage) add(messages int, bytes int64) {
	u.messages += messages
	u.bytes += bytes
}

// announced is the size of a message as its server says, whoever that is.
func announced(j *job) int64 { return min(max(j.ref.Size, 0), maxMessage) }

// allowance is the budget of one kind of mail.
func (r *run) allowance(history bool) Budget {
	if history {
		return r.History
	}
	return r.Budget
}

// reserve takes the budget for a batch before its first octet is asked for.
func (r *run) reserve(ctx context.Context, jobs []*job) (int, error) {
	r.refund(ctx)
	sizes := make([]int64, len(jobs))
	for i, j := range jobs {
		sizes[i] = announced(j)
	}
	n, err := r.allowance(jobs[0].history).Reserve(ctx, sizes)
	if err != nil {
		return 0, err
	}
	for i, j := range jobs[:n] {
		j.reserved = sizes[i]
	}
	return n, nil
}

// unaffordable decides what to do about a batch that the budget refuses: nil
// asks for the next one, now or after a pause.
func (r *run) unaffordable(ctx context.Context, jobs []*job, err error) error {
	r.putBack(jobs...)
	if mail.ClassOf(err) != mail.RateLimited {
		return err
	}
	if jobs[0].history {
		r.shelve(err)
		return nil
	}
	return r.afford(ctx, err)
}

// afford waits for the time that a budget has named, if that is soon. A
// maildrop is left meanwhile.
func (r *run) afford(ctx context.Context, err error) error {
	f, ok := mail.AsFault(err)
	switch {
	case !ok, time.Until(f.Until) > maxShortWait:
		return err
	case r.exclusive():
		return again{f.Until}
	}
	return r.pause(ctx, f.Until)
}

// giveBack notes what a job did not use of its reserve; used is negative where
// nothing was imported. Gmail counts its units for a message that it refuses,
// or that breaks off, as well; only the octets have not come to it. r.mu is held.
func (r *run) giveBack(j *job, used int64) {
	if j.reserved < 0 {
		return
	}
	unused := &r.unused[boolInt(j.history)]
	if used < 0 && !j.asked {
		unused.messages++
	}
	unused.bytes += max(0, j.reserved-max(0, used))
	j.reserved, j.asked = -1, false
}

// asks notes that Gmail has counted units for a job: any answer says so but that
// there are none left.
func (r *run) asks(j *job, answer error) {
	if mail.ClassOf(answer) == mail.RateLimited {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	j.asked = true
}

// refund gives the budget back what was not used, and reports whether that was
// anything. It is durable, so it is done once a batch.
func (r *run) refund(ctx context.Context) (any bool) {
	r.mu.Lock()
	unused := r.unused
	r.unused = [2]usage{}
	r.mu.Unlock()
	for kind, u := range unused {
		if u != (usage{}) {
			r.allowance(kind == 1).Refund(context.WithoutCancel(ctx), u.messages, u.bytes)
			any = true
		}
	}
	return any
}
