package audit

import (
	"context"
	"slices"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Memory is an audit log in memory, for tests. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	users map[id.User][]Entry // oldest first
}

// Append adds a line; its id, and with it its time, is made here.
func (m *Memory) Append(user id.User, e Entry) Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == nil {
		m.users = map[id.User][]Entry{}
	}
	e.ID = id.New[id.Audit]()
	e.At = TimeOf(e.ID)
	m.users[user] = append(m.users[user], e)
	return e
}

// List gives a page of a user's lines, newest first.
func (m *Memory) List(ctx context.Context, user id.User, f Filter, cursor string, limit int) (Page, error) {
	low, before, err := Bounds(f, cursor)
	if err != nil {
		return Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	limit = Limit(limit)
	var found []Entry
	for _, e := range slices.Backward(m.users[user]) {
		inRange := string(e.ID[:]) >= string(low[:]) && string(e.ID[:]) < string(before[:])
		if inRange && f.matches(e) && len(found) <= limit {
			found = append(found, e)
		}
	}
	return Cut(found, limit), ctx.Err()
}

func (f Filter) matches(e Entry) bool {
	return (f.Mailbox == id.Mailbox{} || f.Mailbox == e.Mailbox) &&
		(f.Status == "" || f.Status == e.Status) &&
		(f.Domain == "" || f.Domain == e.Domain)
}
