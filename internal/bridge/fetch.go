package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// fetchAll empties the queue, over a second connection too where that is
// allowed and worth it.
func (r *run) fetchAll(ctx context.Context, cancel context.CancelCauseFunc, s *session) error {
	r.mu.Lock()
	many := len(r.queue) >= 64 || len(r.queue) >= 4 && r.queue[0].ref.Size > window
	r.mu.Unlock()
	var second sync.WaitGroup
	var failed error
	if r.Connections > 1 && many {
		r.goSafely(&second, cancel, func() {
			s2, err := r.open(ctx)
			if err != nil {
				return
			}
			ended := false
			defer func() {
				if !ended { // a panic is on its way up
					r.abandon(ctx, s2)
				}
			}()
			failed = r.leave(ctx, s2, r.fetch(ctx, cancel, s2))
			ended = true
		})
	}
	ended := false
	defer func() {
		if !ended { // a panic is on its way up
			cancel(errPanicked)
			second.Wait()
		}
	}()
	err := r.fetch(ctx, cancel, s)
	second.Wait()
	ended = true
	if err == nil {
		// What the second connection left when it broke.
		err = r.fetch(ctx, cancel, s)
	}
	if err == nil && failed != nil && mail.ClassOf(failed) != mail.Transient {
		err = failed
	}
	return err
}

// fetch takes batches from the queue until it is empty, something asks for a
// pause, or the session has lasted long enough.
func (r *run) fetch(ctx context.Context, cancel context.CancelCauseFunc, s *session) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if until, held := r.held(); held {
			return again{until}
		}
		if s.old() && r.waiting() && (s.locks || r.historyNext()) {
			return again{} // a new listing shows what has come meanwhile
		}
		jobs, err := r.batch(ctx, s)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			why := r.onShelf()
			if why == nil {
				return nil
			}
			if err := r.afford(ctx, why); err != nil {
				return err
			}
			r.unshelve()
			continue
		}
		if jobs, err = r.screen(ctx, s, jobs); err != nil {
			return err
		}
		if len(jobs) == 0 {
			continue
		}
		granted, err := r.reserve(ctx, jobs)
		if err != nil {
			// What is on its way may give something back.
			if !s.idle() {
				r.putBack(jobs...)
				return again{}
			}
			if r.refund(ctx) {
				granted, err = r.reserve(ctx, jobs)
			}
		}
		if err != nil {
			if err := r.unaffordable(ctx, jobs, err); err != nil {
				return err
			}
			continue
		}
		r.putBack(jobs[granted:]...)
		if err := r.fetchBatch(ctx, cancel, s, jobs[:granted]); err != nil {
			return err
		}
		if err := r.dispose(ctx, s); err != nil {
			return err
		}
	}
}

// batch gives the next jobs for this session; none when the queue is empty and
// nothing comes back to it.
func (r *run) batch(ctx context.Context, s *session) ([]*job, error) {
	if jobs := r.take(r.room(s)); len(jobs) > 0 {
		return jobs, nil
	}
	// A message that must be read again comes back, and what is skipped or
	// refused is not deleted.
	if !s.idle() {
		return nil, again{}
	}
	if err := r.dispose(ctx, s); err != nil {
		return nil, err
	}
	jobs := r.take(r.room(s))
	if len(jobs) == 0 && r.waiting() {
		return nil, again{} // this session has no room for more deletions
	}
	return jobs, nil
}

// fetchBatch streams one batch and sends each message on its way.
func (r *run) fetchBatch(ctx context.Context, cancel context.CancelCauseFunc, s *session, jobs []*job) error {
	ascending(jobs)
	refs := make([]mail.Ref, len(jobs))
	left := make(map[mail.Ref]*job, len(jobs))
	for i, j := range jobs {
		refs[i], left[j.ref] = j.ref, j
	}
	var err error
	for in, e := range s.Fetch(ctx, refs) {
		if in == nil {
			err = e
			break
		}
		j := left[in.Ref]
		if j == nil {
			continue // never asked for
		}
		delete(left, in.Ref)
		if e != nil {
			err = r.undelivered(ctx, j, e)
		} else {
			err = r.carry(ctx, cancel, s, j, in)
		}
		if err != nil {
			left[in.Ref] = j
			break
		}
		if _, held := r.held(); held {
			break
		}
	}
	rest := slices.DeleteFunc(jobs, func(j *job) bool { return left[j.ref] == nil })
	if len(rest) == 0 {
		return err
	}
	if errors.Is(err, errPatience) {
		r.putBack(rest...)
		return again{}
	}
	if err != nil && ctx.Err() == nil {
		r.suspect(rest[0], err)
	}
	if _, held := r.held(); err == nil && !held {
		// The source has forgotten them.
		for _, j := range rest {
			if err := r.undelivered(ctx, j, &mail.Fault{Class: mail.Undelivered, Code: "source_silent"}); err != nil {
				return err
			}
		}
		return nil
	}
	r.putBack(rest...)
	return err
}

// cut is a connection that broke within a message, after so many octets.
type cut struct {
	octets int64
	error
}

func (c *cut) Unwrap() error { return c.error }

// suspect notes the message that was due when the connection broke. The first
// time that is bad luck, and the message goes to the end of the queue; if the
// connection breaks at the same octet of it again, the message is to blame.
func (r *run) suspect(j *job, err error) {
	var c *cut
	at := int64(0)
	if errors.As(err, &c) {
		at = c.octets
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, again := r.suspects[j.id]
	j.guilty = again && before == at
	if !again {
		r.count++ // something was learnt: another round is worth it
	}
	r.suspects[j.id] = at
	if j.guilty {
		r.guilty = append(r.guilty, j)
	}
}
