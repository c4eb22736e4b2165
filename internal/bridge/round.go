package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// session is one open connection to the source and what was fetched over it.
type session struct {
	Source
	opened  time.Time
	workers sync.WaitGroup // messages read from it and not ended

	mu      sync.Mutex
	done    []*known     // in Gmail now, fetched in this session: the policy may be carried out
	count   int          // deletions asked for
	deleted []ledger.Key // of messages without id: gone when Close says so
}

// old reports that the session has lasted long enough.
func (s *session) old() bool { return time.Since(s.opened) > maxSession }

func (r *run) open(ctx context.Context) (*session, error) {
	src, err := r.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return &session{Source: src, opened: time.Now()}, nil
}

// exclusive reports a source that locks the maildrop while we are in it (POP3).
func (r *run) exclusive() bool { return len(r.Folders) == 0 }

// round lists the mailbox and moves what is new, in one session with the
// source (two for IMAP). It gives again when there is more to do later.
func (r *run) round(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	l, err := r.plan(ctx, s)
	if err != nil {
		_ = r.close(ctx, s) // err says more
		return err
	}
	r.mu.Lock()
	r.queue = l.todo
	r.mu.Unlock()

	s.opened = time.Now() // the looking does not count, or nothing might ever be fetched
	err = r.carryOut(ctx, s, l.due)
	if err == nil {
		err = r.label(ctx, false)
	}
	if err == nil {
		err = r.fetchAll(ctx, cancel, s)
	}
	s.workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause // what was cut short by it says less
	}
	if r.panicked {
		_ = r.close(ctx, s)
		panic("bridge: a goroutine of this pass panicked") // its owner decides: again, or no more
	}
	err = r.leave(ctx, s, err)
	if err == nil {
		err = r.conclude(ctx, l)
	}
	return err
}

// goSafely runs f on a goroutine of wg. A panic in it ends the round and comes
// up in the goroutine that owns the pass.
func (r *run) goSafely(wg *sync.WaitGroup, cancel context.CancelCauseFunc, f func()) {
	wg.Go(func() {
		defer func() {
			if recover() != nil { // what was thrown may hold mail
				r.mu.Lock()
				r.panicked = true
				r.mu.Unlock()
				cancel(errPanicked)
			}
		}()
		f()
	})
}

var errPanicked = errors.New("bridge: panicked")

// leave carries out what is due in the session and ends it. Of several errors
// the first says why.
func (r *run) leave(ctx context.Context, s *session, err error) error {
	s.workers.Wait()
	if err == nil || errors.As(err, new(again)) {
		if e := r.dispose(ctx, s); e != nil {
			err = e
		}
	}
	if e := r.close(ctx, s); err == nil {
		err = e
	}
	r.refund(ctx)
	return err
}

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
			done := false
			defer func() {
				if !done { // a panic is on its way up
					s2.workers.Wait()
					_ = r.close(ctx, s2)
				}
			}()
			failed = r.leave(ctx, s2, r.fetch(ctx, cancel, s2))
			done = true
		})
	}
	err := r.fetch(ctx, cancel, s)
	second.Wait()
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
		if r.exclusive() && (s.old() || s.count >= maxDeletes) && r.waiting() {
			return again{}
		}
		jobs := r.take()
		if len(jobs) == 0 {
			s.workers.Wait() // a message that must be read again comes back
			if jobs = r.take(); len(jobs) == 0 {
				return nil
			}
		}
		granted, err := r.reserve(ctx, jobs)
		if err != nil {
			// What is on its way may give something back.
			if s.workers.Wait(); r.refund(ctx) {
				granted, err = r.reserve(ctx, jobs)
			}
		}
		if err != nil {
			r.putBack(jobs...)
			f, ok := mail.AsFault(err)
			if !ok || f.Class != mail.RateLimited {
				return err
			}
			if time.Until(f.Until) > maxShortWait {
				return err
			}
			if r.exclusive() { // never wait for quota while logged in
				return again{f.Until}
			}
			if err := r.pause(ctx, f.Until); err != nil {
				return err
			}
			continue
		}
		if granted < len(jobs) {
			r.putBack(jobs[granted:]...)
		}
		if err := r.fetchBatch(ctx, cancel, s, jobs[:granted]); err != nil {
			return err
		}
		if err := r.dispose(ctx, s); err != nil {
			return err
		}
	}
}

func (r *run) waiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0
}

// reserve takes the budget for a batch before its first octet is asked for.
func (r *run) reserve(ctx context.Context, jobs []*job) (int, error) {
	r.refund(ctx)
	sizes := make([]int64, len(jobs))
	for i, j := range jobs {
		sizes[i] = min(max(j.ref.Size, 0), maxMessage) // announced, by whoever
	}
	n, err := r.Budget.Reserve(ctx, sizes)
	if err != nil {
		return 0, err
	}
	for i, j := range jobs[:n] {
		j.reserved = sizes[i]
	}
	return n, nil
}

// fetchBatch streams one batch and sends each message on its way.
func (r *run) fetchBatch(ctx context.Context, cancel context.CancelCauseFunc, s *session, jobs []*job) error {
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

// close ends the session. What was deleted in it is gone only now.
func (r *run) close(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := r.at(StepClose, func() error { return s.Close(ctx) }); err != nil {
		return err
	}
	return r.gone(ctx, s.deleted)
}

// conclude ends a pass that left nothing: the ledger learns what the listing
// showed, and claims whose message is gone from the source are shown.
func (r *run) conclude(ctx context.Context, l *listing) error {
	var orphans []*resume
	var present []ledger.Key
	r.mu.Lock()
	twins := r.twins
	r.twins = false
	whole := l.whole
	for _, s := range r.outcome {
		whole = whole && s != pending && s != mail.Failed // it may be what we miss
	}
	for k, c := range r.claims {
		if !r.seen[k.ID] {
			orphans = append(orphans, c)
		}
	}
	for _, k := range l.present {
		for _, e := range r.known.find(k.ID) {
			if e.Content == k.Content && !e.Absent {
				present = append(present, k)
			}
		}
	}
	r.mu.Unlock()
	if whole {
		for _, c := range orphans {
			err := r.settle(ctx, &job{id: c.ID, reserved: -1}, c.Key, ledger.Outcome{
				Status: mail.Doubtful, Reason: "source_gone", Domain: c.Domain, Size: c.Size,
			})
			if err != nil {
				return err
			}
		}
		if len(l.absent)+len(present) > 0 {
			if err := r.Ledger.Listed(ctx, l.absent, present); err != nil {
				return err
			}
		}
	}
	if twins {
		return again{}
	}
	return nil
}
