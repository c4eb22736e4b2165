package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Memory is an audit log in memory, for tests. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	users map[id.User][]Entry // oldest first
}

// cursors of Memory keep nothing from anybody.
var cursors = Cursors{Hash: func(what, value string) [32]byte {
	h := hmac.New(sha256.New, []byte(what))
	h.Write([]byte(value))
	return [32]byte(h.Sum(nil))
}}

// Append adds a line; its id, and with it its time, is made here. A line of
// another time than now is put where it belongs.
func (m *Memory) Append(user id.User, e Entry) Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == nil {
		m.users = map[id.User][]Entry{}
	}
	e.ID = id.New[id.Audit]()
	if !e.At.IsZero() {
		e.ID = At(e.At)
	}
	e.At = TimeOf(e.ID)
	all := append(m.users[user], e)
	slices.SortStableFunc(all, func(a, b Entry) int { return strings.Compare(string(a.ID[:]), string(b.ID[:])) })
	m.users[user] = all
	return e
}

// At makes the id of a line that was written at some time.
func At(t time.Time) id.Audit {
	a, lowest := id.New[id.Audit](), First(t)
	copy(a[:6], lowest[:6])
	return a
}

// List gives a page of a user's lines, newest first.
func (m *Memory) List(ctx context.Context, user id.User, f Filter, cursor string, limit int) (Page, error) {
	low, before := Bounds(f)
	before, err := cursors.Open(user, cursor, before)
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
	return cursors.Cut(user, found, limit), ctx.Err()
}

// Lines yields all of a user's lines that f leaves, newest first.
func (m *Memory) Lines(ctx context.Context, user id.User, f Filter) iter.Seq2[Entry, error] {
	return Stream(func(cursor string) (Page, error) { return m.List(ctx, user, f, cursor, 0) })
}

// Stats counts what happened in a window.
func (m *Memory) Stats(ctx context.Context, user id.User, w Window) (Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := NewStats(w)
	for _, e := range m.users[user] {
		if !e.At.Before(w.From) && e.At.Before(w.At(w.Steps)) {
			s.Count(int(e.At.Sub(w.From)/w.Step), e.Mailbox, e.Status, Amount{1, e.Size})
		}
	}
	return s, ctx.Err()
}

// DropAudit forgets the lines from before some time.
func (m *Memory) DropAudit(ctx context.Context, user id.User, before time.Time) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.users[user])
	m.users[user] = slices.DeleteFunc(m.users[user], func(e Entry) bool { return e.At.Before(before) })
	return int64(n - len(m.users[user])), ctx.Err()
}

func (f Filter) matches(e Entry) bool {
	domain, below := f.Domains()
	return (f.Mailbox == id.Mailbox{} || f.Mailbox == e.Mailbox) &&
		(f.Status == "" || f.Status == e.Status) &&
		(domain == "" || domain == e.Domain || below != "" && strings.HasSuffix(e.Domain, below))
}
