package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/actors/admit"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// tracker knows every goroutine that works for the engine: passes, waits on
// parked connections, tasks. Actors come and go, and one that crashes loses
// sight of its worker; whoever must know that work has ended asks here. It is
// what makes two passes over one mailbox impossible.
type tracker struct {
	mu     sync.Mutex
	closed error // no new pass; set by Drain
	barred map[scope]error
	pieces map[*piece]struct{}
	passes map[id.Mailbox]*piece
	left   chan struct{} // closed when a piece ends; nil: nobody waits
}

type kind uint8

const (
	aPass kind = iota // one at a time over a mailbox
	aWait             // for push
	aTask             // of the engine; not barred
)

// piece is one goroutine's work.
type piece struct {
	kind   kind
	user   id.User
	box    id.Mailbox
	permit *admit.Permit           // of a scheduled pass
	cancel context.CancelCauseFunc // made by enter, unless it is set

	uploading atomic.Bool // an upload has been begun: let it end
	todo      atomic.Int64
	bytes     atomic.Int64
	begun     time.Time
	first     atomic.Int64 // to do when that was first known
}

// scope is a user, or one of the user's mailboxes.
type scope struct {
	user id.User
	box  id.Mailbox // zero: all
}

func (s scope) covers(p *piece) bool {
	return p.user == s.user && (s.box == p.box || s.box == id.Mailbox{})
}

func newTracker() *tracker {
	return &tracker{barred: make(map[scope]error), pieces: make(map[*piece]struct{}), passes: make(map[id.Mailbox]*piece)}
}

// enter waits until no other pass over the mailbox runs. The error is the cause
// for which the work may not begin.
func (t *tracker) enter(ctx context.Context, p *piece) (context.Context, error) {
	for {
		t.mu.Lock()
		if err := t.refusal(p); err != nil {
			t.mu.Unlock()
			return nil, err
		}
		if p.kind != aPass || t.passes[p.box] == nil {
			break
		}
		left := t.leftLocked()
		t.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer t.mu.Unlock()
	if p.cancel == nil {
		ctx, p.cancel = context.WithCancelCause(ctx)
	}
	p.begun = time.Now()
	t.pieces[p] = struct{}{}
	if p.kind == aPass {
		t.passes[p.box] = p
	}
	return ctx, nil
}

func (t *tracker) refusal(p *piece) error {
	if p.kind == aTask {
		return nil
	}
	if t.closed != nil {
		return t.closed
	}
	if err := t.barred[scope{p.user, p.box}]; err != nil {
		return err
	}
	return t.barred[scope{user: p.user}]
}

func (t *tracker) leftLocked() chan struct{} {
	if t.left == nil {
		t.left = make(chan struct{})
	}
	return t.left
}

// leave ends a piece.
func (t *tracker) leave(p *piece) {
	p.cancel(nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pieces, p)
	if t.passes[p.box] == p {
		delete(t.passes, p.box)
	}
	if t.left != nil {
		close(t.left)
		t.left = nil
	}
}

// mayUpload is asked before each claim: no new upload begins once the engine
// drains.
func (t *tracker) mayUpload(p *piece) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return t.closed
	}
	p.uploading.Store(true)
	return nil
}

// bar refuses work in a scope for a cause, and cancels what runs there.
func (t *tracker) bar(s scope, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.barred[s] = cause
	t.cancelLocked(s.covers, cause)
}

func (t *tracker) unbar(s scope) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.barred, s)
}

// cancel ends the passes and waits that match, for a cause.
func (t *tracker) cancel(match func(*piece) bool, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancelLocked(match, cause)
}

func (t *tracker) cancelLocked(match func(*piece) bool, cause error) {
	for p := range t.pieces {
		if p.kind != aTask && match(p) {
			p.cancel(cause)
		}
	}
}

// close refuses everything new and ends what has not begun an upload.
func (t *tracker) close(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = cause
	t.cancelLocked(func(p *piece) bool { return !p.uploading.Load() }, cause)
}

// wait returns when no piece matches, or when ctx ends.
func (t *tracker) wait(ctx context.Context, match func(*piece) bool) error {
	for {
		t.mu.Lock()
		busy := false
		for p := range t.pieces {
			if match(p) {
				busy = true
				break
			}
		}
		if !busy {
			t.mu.Unlock()
			return nil
		}
		left := t.leftLocked()
		t.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// task runs f on a goroutine that Drain waits for.
func (t *tracker) task(ctx context.Context, f func(context.Context)) {
	p := &piece{kind: aTask}
	ctx, _ = t.enter(ctx, p)
	go func() {
		defer t.leave(p)
		f(ctx)
	}()
}

// permits are those of the passes that run.
func (t *tracker) permits() (all []admit.Permit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.passes {
		if p.permit != nil {
			all = append(all, *p.permit)
		}
	}
	return all
}

// backlog is what a running pass still has to do, once it knows.
func (t *tracker) backlog(box id.Mailbox) (b schedule.Backlog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.passes[box]
	if p == nil || p.first.Load() == 0 {
		return b
	}
	b.Messages, b.Bytes = int(p.todo.Load()), p.bytes.Load()
	if done := p.first.Load() - p.todo.Load(); done > 0 && b.Messages > 0 {
		took := time.Since(p.begun)
		b.ETA = time.Now().Add(time.Duration(float64(took) / float64(done) * float64(b.Messages)))
	}
	return b
}

// watch keeps count of what a pass has left to do.
func (p *piece) watch(e bridge.Event) {
	switch {
	case e.Status != "":
		if p.todo.Load() > 0 {
			p.todo.Add(-1)
			p.bytes.Add(-min(e.Size, p.bytes.Load()))
		}
	case e.Wait.IsZero():
		p.todo.Store(int64(e.ToDo))
		p.bytes.Store(e.ToDoBytes)
		p.first.CompareAndSwap(0, int64(e.ToDo))
	}
}
