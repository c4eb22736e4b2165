package schedule

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Memory is a registry of mailboxes in memory (actors.Registry), for tests
// under fake time. The zero value is ready; it may be used by many goroutines
// at once, and outlives the engine that it is given to as a disk would.
type Memory struct {
	None error // what is said of a mailbox that is not there: account.ErrNone

	mu     sync.Mutex
	rows   map[id.Mailbox]*kept
	order  []id.Mailbox // of their making
	writes int
}

type kept struct {
	Registered
	state State
}

var errNone = errors.New("schedule: there is no such mailbox")

// Register adds a mailbox, or puts it where it belongs now if it is there.
func (m *Memory) Register(r Registered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[id.Mailbox]*kept{}
	}
	if is := m.rows[r.Mailbox]; is != nil {
		is.Lane = r.Lane
		return
	}
	m.rows[r.Mailbox] = &kept{Registered: r, state: State{Phase: r.Phase, Until: r.Until, Interval: r.Every}}
	m.order = append(m.order, r.Mailbox)
}

// Forget takes a mailbox out.
func (m *Memory) Forget(box id.Mailbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, box)
	m.order = slices.DeleteFunc(m.order, func(b id.Mailbox) bool { return b == box })
}

// Writes is how often something was written: what a pass that finds nothing
// must leave as it was.
func (m *Memory) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// All yields every registered mailbox as it is now, the dirty ones first.
func (m *Memory) All(ctx context.Context) iter.Seq2[Registered, error] {
	return func(yield func(Registered, error) bool) {
		m.mu.Lock()
		var dirty, clean []Registered
		for _, box := range m.order {
			if r := m.rows[box].Registered; r.Dirty {
				dirty = append(dirty, r)
			} else {
				clean = append(clean, r)
			}
		}
		m.mu.Unlock()
		for _, r := range slices.Concat(dirty, clean) {
			if err := ctx.Err(); err != nil {
				yield(Registered{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// in runs f on a user's mailbox.
func (m *Memory) in(ctx context.Context, user id.User, box id.Mailbox, f func(*kept)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[box]
	if r == nil || r.User != user {
		if m.None != nil {
			return m.None
		}
		return errNone
	}
	f(r)
	return nil
}

// Save keeps the state of a mailbox.
func (m *Memory) Save(ctx context.Context, user id.User, box id.Mailbox, s State) error {
	return m.in(ctx, user, box, func(r *kept) {
		if s.Phase == Syncing {
			s.Phase = Idle // what a pass that is cut off leaves
		}
		r.state, r.Phase, r.Until, r.Every = s, s.Phase, s.Until, s.Interval
		m.writes++
	})
}

// Schedule gives what is remembered of a mailbox.
func (m *Memory) Schedule(ctx context.Context, user id.User, box id.Mailbox) (s State, err error) {
	err = m.in(ctx, user, box, func(r *kept) { s = r.state })
	return s, err
}

// Begin marks a mailbox dirty.
func (m *Memory) Begin(ctx context.Context, user id.User, box id.Mailbox) error {
	return m.in(ctx, user, box, func(r *kept) {
		if !r.Dirty {
			r.Dirty = true
			m.writes++
		}
	})
}

// Clean takes the marks of mailboxes away.
func (m *Memory) Clean(ctx context.Context, boxes []id.Mailbox) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, box := range boxes {
		if r := m.rows[box]; r != nil && r.Dirty {
			r.Dirty = false
			m.writes++
		}
	}
	return nil
}
