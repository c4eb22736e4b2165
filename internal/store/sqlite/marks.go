package sqlite

import (
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// marks remembers which mailboxes are marked dirty on the disk, so that a pass
// which follows another costs no write. Those that are clean are not in it.
type marks struct {
	mu    sync.Mutex
	now   uint64 // counts what is asked for, to tell which came first
	dirty map[id.Mailbox]*mark
}

type mark struct {
	at      uint64 // when it was last begun
	durable bool
}

func (m *marks) tick() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now++
	return m.now
}

// begin notes that a mailbox is begun, and tells whether its mark is durable.
func (m *marks) begin(box id.Mailbox) (*mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now++
	k := m.dirty[box]
	if k == nil {
		if m.dirty == nil {
			m.dirty = map[id.Mailbox]*mark{}
		}
		k = &mark{}
		m.dirty[box] = k
	}
	k.at = m.now
	return k, k.durable
}

// begun notes how the write of a mark ended, unless it was cleaned meanwhile.
func (m *marks) begun(box id.Mailbox, k *mark, durable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirty[box] != k {
		return
	}
	if k.durable = k.durable || durable; !k.durable {
		delete(m.dirty, box)
	}
}

// clean forgets a mark, if it was not begun after the time called. It is
// called inside the transaction that takes the mark from the disk: whoever
// begins afterwards writes after it. Should that transaction fail, a mark too
// many is left on the disk.
func (m *marks) clean(box id.Mailbox, called uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.dirty[box]; k != nil && k.at > called {
		return false
	}
	delete(m.dirty, box)
	return true
}

func (m *marks) forget(box id.Mailbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.dirty, box)
}
