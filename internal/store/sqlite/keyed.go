package sqlite

import (
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// keyed is a lock for each mailbox: one of a few hundred, which a mailbox
// shares by chance with others. Who holds one takes no other of the same set.
type keyed [256]sync.Mutex

// lock locks for a mailbox and gives what to unlock.
func (k *keyed) lock(box id.Mailbox) *sync.Mutex {
	m := &k[box[len(box)-1]]
	m.Lock()
	return m
}
