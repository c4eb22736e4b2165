package quota

import (
	"context"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Memory is a Days for tests and for runs that keep no state: it forgets with
// the process. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	units map[string]int64
	bytes map[dayUser]int64
}

type dayUser struct {
	day  string
	user id.User
}

// Take implements Days.
func (m *Memory) Take(ctx context.Context, day string, user id.User, want, limit Amount) (Amount, bool, error) {
	if err := ctx.Err(); err != nil {
		return Amount{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	du := dayUser{day, user}
	used := Amount{Units: m.units[day], Bytes: m.bytes[du]}
	if !fits(used.Units, want.Units, limit.Units) || !fits(used.Bytes, want.Bytes, limit.Bytes) {
		return used, false, nil
	}
	if m.units == nil {
		m.units, m.bytes = map[string]int64{}, map[dayUser]int64{}
	}
	m.units[day] += want.Units
	m.bytes[du] += want.Bytes
	return Amount{Units: m.units[day], Bytes: m.bytes[du]}, true, nil
}

// Give implements Days.
func (m *Memory) Give(ctx context.Context, day string, user id.User, back Amount) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	du := dayUser{day, user}
	if u, ok := m.units[day]; ok {
		m.units[day] = max(0, u-back.Units)
	}
	if b, ok := m.bytes[du]; ok {
		m.bytes[du] = max(0, b-back.Bytes)
	}
	return nil
}

// Used implements Days.
func (m *Memory) Used(ctx context.Context, day string, user id.User) (Amount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Amount{Units: m.units[day], Bytes: m.bytes[dayUser{day, user}]}, ctx.Err()
}

// fits is the rule of Days.Take for one counter.
func fits(used, want, limit int64) bool {
	return limit == 0 || want == 0 || used == 0 || used+want <= limit
}
