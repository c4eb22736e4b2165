package servertest

import (
	"context"
	"slices"
	"sync"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// Engine is an engine that does nothing but remember what it was asked, and
// the schedule of its mailboxes.
type Engine struct {
	world *World

	mu      sync.Mutex
	asked   []string
	states  map[id.Mailbox]schedule.State
	pushed  map[id.Mailbox]bool
	watched []chan actors.Change
	failing error
}

func (e *Engine) note(what string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, what)
	return e.failing
}

// Asked gives what it was asked, and forgets it.
func (e *Engine) Asked() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.asked
	e.asked = nil
	return was
}

// Fail makes all methods answer with an error; nil ends that.
func (e *Engine) Fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failing = err
}

// Set changes the state of a mailbox.
func (e *Engine) Set(box id.Mailbox, s schedule.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.states == nil {
		e.states = map[id.Mailbox]schedule.State{}
	}
	e.states[box] = s
}

func (e *Engine) state(box id.Mailbox) schedule.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.states[box]
}

func (e *Engine) Register(schedule.Registered) { _ = e.note("register") }

func (e *Engine) SyncNow(context.Context, id.User, id.Mailbox) error { return e.note("sync") }

func (e *Engine) Pause(_ context.Context, _ id.User, box id.Mailbox) error {
	e.Set(box, schedule.State{Phase: schedule.Paused})
	return e.note("pause")
}

func (e *Engine) Resume(_ context.Context, _ id.User, box id.Mailbox) error {
	e.Set(box, schedule.State{})
	return e.note("resume")
}

func (e *Engine) Forget(context.Context, id.User, id.Mailbox) error { return e.note("forget") }
func (e *Engine) StopUser(context.Context, id.User) error           { return e.note("stop user") }
func (e *Engine) UserChanged(id.User)                               { _ = e.note("user changed") }

func (e *Engine) Status(_ id.User, box id.Mailbox) (actors.Status, bool) {
	s := e.state(box)
	e.mu.Lock()
	defer e.mu.Unlock()
	return actors.Status{Phase: s.Phase, NextSync: s.Until, Pushed: e.pushed[box]}, true
}

// Push makes the server of a mailbox one that tells of new mail.
func (e *Engine) Push(box id.Mailbox) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pushed == nil {
		e.pushed = map[id.Mailbox]bool{}
	}
	e.pushed[box] = true
}

// Watch implements server.Engine; Tell is the other end.
func (e *Engine) Watch() (<-chan actors.Change, func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := make(chan actors.Change, 16)
	e.watched = append(e.watched, c)
	return c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.watched = slices.DeleteFunc(e.watched, func(o chan actors.Change) bool { return o == c })
	}
}

// Tell tells who watches.
func (e *Engine) Tell(c actors.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watched {
		w <- c
	}
}

func (e *Engine) Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error) {
	_, err := e.world.Accounts.Mailbox(ctx, user, box)
	return e.state(box), err
}

func (e *Engine) Registered(ctx context.Context, user id.User, box id.Mailbox) (schedule.Registered, error) {
	_, err := e.world.Accounts.Mailbox(ctx, user, box)
	return schedule.Registered{User: user, Mailbox: box}, err
}
