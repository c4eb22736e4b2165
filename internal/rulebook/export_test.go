package rulebook

import "github.com/smtp-sync/smtp-sync/internal/id"

// Held is how many things memory has of a user.
func (b *Book) Held(user id.User) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.counts[user])
	if m := b.made[user]; m != nil {
		n += len(m.rules)
	}
	return n
}

// MaxUsers is for how many users memory keeps rules.
const MaxUsers = maxUsers

// Users is of how many users memory has rules, and counts.
func (b *Book) Users() (made, counted int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.made), len(b.counts)
}
