package actors

import (
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// unsaved keeps the states that the registry could not write, until it can.
// Failures in a row are counted in them: without this, a full disk would make
// of every back-off its first step, and of a wrong password a locked account.
type unsaved struct {
	mu     sync.Mutex
	states map[id.Mailbox]schedule.State
}

const unsavedMost = 16_384 // some megabytes

func (u *unsaved) keep(box id.Mailbox, s schedule.State) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.states == nil {
		u.states = make(map[id.Mailbox]schedule.State)
	}
	if _, there := u.states[box]; there || len(u.states) < unsavedMost {
		u.states[box] = s
	}
}

func (u *unsaved) of(box id.Mailbox) (s schedule.State, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok = u.states[box]
	return s, ok
}

func (u *unsaved) drop(box id.Mailbox) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.states, box)
}
