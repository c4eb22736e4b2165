package bridge

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// transfer moves one message.
type transfer struct {
	*run
	job     *job
	session *session // with the source
	turn    turn     // at the gate
	key     ledger.Key
	domain  string
	verdict mail.Verdict
	header  *mail.Header // as long as its window is held
	date    time.Time
	dated   bool
	strong  bool    // the header says which message it is
	size    int64   // exact, or -1
	up      *resume // the claimed upload; nil before the claim
	unknown int     // answers lost so far
}

// carry reads one message from the source as far as it must, and sends it on
// its way: one that fits the window is read whole and uploaded while the next
// is read; a larger one is streamed before the next is taken.
func (r *run) carry(ctx context.Context, cancel context.CancelCauseFunc, s *session, j *job, in *mail.Incoming) error {
	free, err := r.admit(ctx, s)
	if err != nil {
		return err
	}
	flying := false
	free = sync.OnceFunc(free)
	defer func() {
		if !flying { // also when a panic is on its way up
			free()
		}
	}()
	if err := r.hook(StepFetch, Before); err != nil {
		return err
	}
	j.began = time.Now()
	b, whole, err := fill(in.Body, max(j.ref.Size, in.Size))
	if err != nil {
		octets := int64(b.n)
		b.put()
		if errors.Is(err, io.ErrUnexpectedEOF) && j.resume == nil {
			return &cut{octets, err}
		}
		return r.undelivered(ctx, j, err)
	}
	t := r.newTransfer(s, j, header(b, whole))
	t.size = in.Size
	if whole {
		t.size = int64(b.n)
	}
	release := sync.OnceFunc(func() { b.put(); free() })
	finish := func(err error) {
		release()
		if err = t.ended(ctx, err); err != nil {
			cancel(err)
		}
	}
	if err := r.hook(StepFetch, After); err != nil {
		finish(err)
		return err
	}
	if whole {
		flying = true
		s.takeOff()
		r.goSafely(&s.workers, cancel, func() {
			defer s.land()
			defer release()
			finish(t.run1(ctx, b.bytes(), nil))
		})
		return nil
	}
	defer release()
	t.turn.atMost = s.patience // the source is kept waiting in the middle of its answer
	err = t.run1(ctx, b.bytes(), in.Body)
	if broken := (*cut)(nil); errors.As(err, &broken) {
		return broken // not the message's end, but the connection's
	}
	if errors.Is(err, errPatience) {
		return err
	}
	finish(err)
	return nil
}

func (r *run) newTransfer(s *session, j *job, h *mail.Header) *transfer {
	t := &transfer{run: r, job: j, session: s, turn: turn{history: j.history}, key: ledger.Key{ID: j.id, Content: r.Keys.Content(h)}, header: h}
	t.domain, _ = h.SenderDomain()
	t.date, t.dated = h.Date()
	t.strong = h.Get("Message-ID") != "" || h.Get("Received") != ""
	return t
}

// run1 does the whole of one message: window is what has been read, rest what
// has not (nil: nothing).
func (t *transfer) run1(ctx context.Context, window []byte, rest io.Reader) error {
	if done, err := t.identify(ctx); done || err != nil {
		return err
	}
	if t.up == nil {
		if err := t.decide(ctx); err != nil {
			return err
		}
		if t.verdict.Skip {
			return t.skip(ctx)
		}
	}
	if t.size > maxMessage || rest != nil && t.size < 0 && t.job.ref.Size > maxMessage+maxMessage/16 {
		return t.refuse(ctx, "too_large")
	}
	if t.up == nil {
		if err := t.claim(ctx); err != nil {
			return err
		}
	}
	if rest == nil {
		return t.sendWhole(ctx, window)
	}
	return t.sendStream(ctx, window, rest)
}

// identify finds out which message this is, now that its header is known.
func (t *transfer) identify(ctx context.Context) (done bool, err error) {
	if c := t.job.resume; c != nil {
		if c.Content == t.key.Content {
			t.adopt(c)
			return false, nil
		}
		// Another message has the id of the claimed one, which is gone or will
		// be found under another id.
		t.job.resume = nil
	}
	if c := t.claimed(t.key); c != nil {
		t.adopt(c)
		return false, nil
	}
	if t.settledAlready() {
		return true, nil
	}
	if old, ok := t.movedFrom(identity{t.key.Content, t.strong}); ok {
		state, err := t.remap(ctx, t.job, old)
		if err == nil && state == ledger.Imported {
			t.imported(t.session, t.key, t.job.ref)
		}
		return true, err
	}
	return false, nil
}

func (t *transfer) adopt(c *resume) {
	t.up, t.key, t.verdict = c, c.Key, c.Verdict
}

// settledAlready notices that a message that had to be read is known after all:
// another one had claimed its id.
func (t *transfer) settledAlready() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.known.find(t.key.ID) {
		if e.Content == t.key.Content && settled(e.State) {
			t.run.outcome[t.job.id] = ""
			t.done(t.job, -1)
			return true
		}
	}
	return false
}

// claimed finds the claim of this very message, under its own id or, where the
// source has renumbered, under one that is no longer listed.
func (t *transfer) claimed(k ledger.Key) *resume {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.claims[k]; c != nil {
		return c
	}
	for old, c := range t.claims {
		if old.Content == k.Content && !t.seen[old.ID] && !c.taken {
			c.taken = true
			return c
		}
	}
	return nil
}

func (t *transfer) outcome(s mail.Status, reason string) ledger.Outcome {
	size := t.size
	if size < 0 {
		size = t.job.ref.Size
	}
	return ledger.Outcome{Status: s, Reason: reason, Domain: t.domain, Size: size}
}

// refuse records that Gmail will never take the message. It stays at the source.
func (t *transfer) refuse(ctx context.Context, reason string) error {
	o := t.outcome(mail.Rejected, reason)
	if t.up == nil {
		return t.record(ctx, t.job, t.key, o)
	}
	return t.settle(ctx, t.job, t.key, o)
}

// later notes a failure that says nothing about the message itself: Gmail has
// not taken it, and the next pass tries again.
func (t *transfer) later(ctx context.Context, f *mail.Fault) error {
	o := t.outcome(mail.Failed, f.Code)
	if t.up == nil {
		return t.record(ctx, t.job, t.key, o)
	}
	return t.settle(ctx, t.job, t.key, o)
}

// committed settles, and queues the message for the source policy.
func (t *transfer) committed(ctx context.Context) error {
	if err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {
		return err
	}
	t.gate.succeeded()
	t.mu.Lock()
	t.refusals = 0
	t.mu.Unlock()
	if t.key.ID != t.job.id {
		if _, err := t.remap(ctx, t.job, t.key); err != nil {
			return err
		}
		t.key.ID = t.job.id
	}
	t.imported(t.session, t.key, t.job.ref)
	return nil
}

// ended decides what an error of one message means for the pass: nil goes on
// with the next, anything else ends the round.
func (t *transfer) ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return t.undelivered(ctx, t.job, err)
	}
	f, ok := mail.AsFault(err)
	if !ok {
		if errors.Is(err, ledger.ErrTaken) {
			return nil // not ours: it stays pending and is looked at again
		}
		return err
	}
	switch f.Class {
	case mail.Refused:
		if labelGone(f) {
			return t.later(ctx, f)
		}
		return t.refuse(ctx, f.Code)
	case mail.Undelivered:
		return t.undelivered(ctx, t.job, err)
	case mail.RateLimited:
		t.Budget.Throttled(f)
		t.gate.refused()
		until, enough := t.slower(f.Until)
		if enough || time.Until(f.Until) > maxShortWait {
			return f
		}
		t.holdUntil(until)
		t.putBack(t.job)
		return nil
	}
	return f
}

// giveUp leaves a message to a later pass.
func (r *run) giveUp(j *job, reason string) {
	r.mu.Lock()
	r.outcome[j.id] = mail.Failed
	r.done(j, -1)
	r.mu.Unlock()
	r.tell(Event{Ref: j.ref, Status: mail.Failed, Reason: reason, Size: j.ref.Size})
}

// slower puts off a time that Gmail did not name, twice as long with each
// refusal in a row; those of requests that were on their way together count
// once. After some it is enough: a state with a reason says more to the user
// than a pass that does not end.
func (t *transfer) slower(until time.Time) (later time.Time, enough bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.hold) {
		return until, false
	}
	wait := time.Second << t.refusals
	t.refusals++
	if later = time.Now().Add(wait); later.Before(until) {
		later = until
	}
	return later, t.refusals > maxRefusals
}

// undelivered notes that the source could not give the message.
func (r *run) undelivered(ctx context.Context, j *job, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	code := "source_truncated"
	switch f, ok := mail.AsFault(err); {
	case errors.Is(err, io.ErrUnexpectedEOF): // cut in this message: it may be its fault
	case !ok || f.Class != mail.Undelivered:
		return err // the connection's fault, not the message's
	default:
		code = f.Code
	}
	o := ledger.Outcome{Status: mail.Failed, Reason: code, Domain: "unknown", Size: j.ref.Size}
	if j.resume != nil {
		r.giveUp(j, code) // the claim stays: its session has what was sent
		return nil
	}
	return r.record(ctx, j, ledger.Key{ID: j.id}, o)
}
