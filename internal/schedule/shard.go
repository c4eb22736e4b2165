package schedule

import "github.com/smtp-sync/smtp-sync/internal/id"

// Shards is how many virtual shards share the users. It is the unit in which
// several nodes divide them, and is never changed: each mailbox's row in the wheel
// says its shard.
const Shards = 4096

// ShardOf gives the shard of a user.
func ShardOf(u id.User) uint16 {
	h := uint32(2166136261) // FNV-1a
	for _, b := range u {
		h = (h ^ uint32(b)) * 16777619
	}
	return uint16(h % Shards)
}
