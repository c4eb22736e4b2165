package bridge

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Memory is a budget of octets that passes hold in their windows. nil has no
// bounds.
type Memory struct {
	free *semaphore.Weighted
	used atomic.Int64
}

// NewMemory makes one to be shared between passes.
func NewMemory(octets int64) *Memory {
	return &Memory{free: semaphore.NewWeighted(max(octets, window))}
}

// Used is how many octets are held, for the metrics.
func (m *Memory) Used() int64 { return m.used.Load() }

// take waits for a window.
func (m *Memory) take(ctx context.Context) error {
	if err := m.free.Acquire(ctx, window); err != nil {
		return context.Cause(ctx)
	}
	m.used.Add(window)
	return nil
}

// tryTake takes a window if there is one now.
func (m *Memory) tryTake() bool {
	ok := m.free.TryAcquire(window)
	if ok {
		m.used.Add(window)
	}
	return ok
}

func (m *Memory) release() {
	m.used.Add(-window)
	m.free.Release(window)
}

// Memory is short when many mailboxes have mail at once, and then a pass may
// have to wait for others. It must not do that with a maildrop locked, or in
// the middle of an answer. So each round has one window of its own before its
// first message is asked for; beyond that it takes what is free, and where
// nothing is, it waits for its own uploads and for nobody else's.

// provide gets the window of the round, once there is something to fetch.
// again asks to leave the maildrop and to wait outside.
func (r *run) provide(ctx context.Context) error {
	if r.Memory == nil || r.base != nil || !r.waiting() {
		return nil
	}
	if !r.Memory.tryTake() {
		if r.exclusive() {
			r.hungry = true
			return again{}
		}
		if err := r.Memory.take(ctx); err != nil {
			return err
		}
	}
	r.keepWindow()
	return nil
}

// waitOutside gets the window of a round that follows one without.
func (r *run) waitOutside(ctx context.Context) error {
	if !r.hungry {
		return nil
	}
	if err := r.Memory.take(ctx); err != nil {
		return err
	}
	r.hungry = false
	r.keepWindow()
	return nil
}

func (r *run) keepWindow() {
	r.base = make(chan struct{}, 1)
	r.base <- struct{}{}
}

// restore gives the window of the round back. Every message has ended.
func (r *run) restore() {
	if r.base != nil {
		r.base = nil
		r.Memory.release()
	}
}

// admit takes a place for one message, and memory for its window.
func (r *run) admit(ctx context.Context, s *session) (free func(), err error) {
	if err := r.slots.enter(ctx, turn{atMost: s.patience}); err != nil {
		return nil, err
	}
	if r.Memory == nil {
		return r.slots.leave, nil
	}
	select {
	case <-r.base:
	default:
		if r.Memory.tryTake() {
			return func() { r.Memory.release(); r.slots.leave() }, nil
		}
		if err := await(ctx, r.base, s.patience); err != nil {
			r.slots.leave()
			return nil, err
		}
	}
	return func() { r.base <- struct{}{}; r.slots.leave() }, nil
}
