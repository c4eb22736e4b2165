package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// exclusive reports a source that locks the maildrop while we are in it (POP3).
func (r *run) exclusive() bool { return len(r.Folders) == 0 }

// round lists the mailbox and moves what is new, in one session with the
// source (two for IMAP). It gives again when there is more to do later.
func (r *run) round(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if err := r.waitOutside(ctx); err != nil {
		return err
	}
	defer r.restore()
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // a panic is on its way up
			cancel(errPanicked)
			r.abandon(ctx, s)
		}
	}()
	l, err := r.use(ctx, cancel, s)
	ended = true
	if r.panicked {
		panic("bridge: a goroutine of this pass panicked") // its owner decides: again, or no more
	}
	if err == nil && l != nil {
		err = r.conclude(ctx, l)
	}
	return err
}

// use does the work of a round in its session, and ends that. It gives no
// listing when nothing has changed since the last pass.
func (r *run) use(ctx context.Context, cancel context.CancelCauseFunc, s *session) (*listing, error) {
	l, err := r.inspect(ctx, s)
	if err != nil {
		_ = r.close(ctx, s) // err says more
		return nil, err
	}
	if r.unchanged = l == nil; r.unchanged {
		return nil, r.close(ctx, s)
	}
	r.begin(l.todo)

	s.opened = time.Now() // the looking does not count, or nothing might ever be fetched
	err = r.carryOut(ctx, s, l.due)
	if err == nil {
		err = r.label(ctx)
	}
	if err == nil {
		err = r.provide(ctx)
	}
	if err == nil {
		err = r.fetchAll(ctx, cancel, s)
	}
	return l, r.leave(ctx, s, err)
}

// inspect finds out what is to be done. It gives no listing when nothing has
// changed since the last pass.
func (r *run) inspect(ctx context.Context, s *session) (*listing, error) {
	var err error
	if r.digest, err = r.glance(ctx, s); err != nil {
		return nil, err
	}
	if r.known == nil { // nothing is claimed, and there is a digest
		if r.digest == r.Pass.Digest {
			return nil, nil
		}
		r.stale = true
	}
	if r.stale {
		if err := r.read(ctx); err != nil {
			return nil, err
		}
		r.stale = false
	}
	return r.plan(ctx, s)
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
