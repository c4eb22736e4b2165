package pop3d

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"sync"
)

// Maildrop is the mail of one user. A session lists it once, at login, and
// opens messages by Key from then on. It may be used by several goroutines.
type Maildrop interface {
	// List gives what is there now, oldest first.
	List() ([]Entry, error)
	// Open gives the octets of a message; fs.ErrNotExist when it is gone.
	Open(key string) (io.ReadCloser, error)
	// Delete removes a message; one that is gone already is no error.
	Delete(key string) error
}

// Entry is one message of a listing.
type Entry struct {
	Key  string // names the message within the maildrop
	UIDL string // the unique-id shown to clients
	Size int64  // octets
}

// Memory is a Maildrop held in memory. The zero Memory is empty.
type Memory struct {
	mu    sync.Mutex
	last  int
	items []item // by ascending key
}

type item struct {
	key  int
	uidl string
	raw  []byte
}

// NewMemory makes a maildrop with these messages in it.
func NewMemory(raw ...[]byte) *Memory {
	m := new(Memory)
	for _, r := range raw {
		m.Add(r)
	}
	return m
}

// Add delivers a message and gives the unique-id it got. raw must not be
// changed afterwards.
func (m *Memory) Add(raw []byte) string { return m.add("", raw) }

// AddUIDL delivers a message under a chosen unique-id, also one used before.
func (m *Memory) AddUIDL(uidl string, raw []byte) { m.add(uidl, raw) }

func (m *Memory) add(uidl string, raw []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	if uidl == "" {
		uidl = fmt.Sprintf("uid-%08d", m.last)
	}
	m.items = append(m.items, item{m.last, uidl, raw})
	return uidl
}

// Replace puts another message under a unique-id, as a server does that
// reuses them, and reports whether there was one.
func (m *Memory) Replace(uidl string, raw []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.items, func(it item) bool { return it.uidl == uidl })
	if i >= 0 {
		m.items[i].raw = raw
	}
	return i >= 0
}

// Len counts the messages.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items)
}

// Messages gives the octets of all messages, oldest first.
func (m *Memory) Messages() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([][]byte, len(m.items))
	for i, it := range m.items {
		all[i] = it.raw
	}
	return all
}

// Remove takes the i-th message away, counted from 0: open sessions list it
// and cannot open it.
func (m *Memory) Remove(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items = slices.Delete(m.items, i, i+1)
}

// List implements Maildrop.
func (m *Memory) List() ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Entry, len(m.items))
	for i, it := range m.items {
		list[i] = Entry{Key: strconv.Itoa(it.key), UIDL: it.uidl, Size: int64(len(it.raw))}
	}
	return list, nil
}

// Open implements Maildrop.
func (m *Memory) Open(key string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(key)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(m.items[i].raw)), nil
}

// Delete implements Maildrop.
func (m *Memory) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := m.find(key); ok {
		m.items = slices.Delete(m.items, i, i+1)
	}
	return nil
}

func (m *Memory) find(key string) (int, bool) {
	n, err := strconv.Atoi(key)
	if err != nil {
		return 0, false
	}
	return slices.BinarySearchFunc(m.items, n, func(it item, n int) int { return cmp.Compare(it.key, n) })
}
