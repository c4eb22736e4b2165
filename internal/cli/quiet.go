package cli

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// quietTime is how long the process must have done little before it gives
// memory back.
const quietTime = 30 * time.Second

// giveBack returns memory to the machine when things are quiet, until ctx ends.
// After a burst (ten thousand mailboxes looked at after a start) Go's runtime
// keeps as much again as is alive for the next collection, which is far away
// while nearly every mailbox only waits. A collection costs what is alive, so
// it is made only where little was allocated since and a quarter would come
// back.
func giveBack(ctx context.Context) {
	const live, free, dead, allocated = 0, 1, 2, 3
	m := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	before := uint64(0)
	for wait(ctx, quietTime) {
		metrics.Read(m)
		alive := m[live].Value.Uint64()
		lately := m[allocated].Value.Uint64() - before
		before = m[allocated].Value.Uint64()
		spare := m[free].Value.Uint64() + max(m[dead].Value.Uint64(), alive) - alive
		if lately < alive/4 && spare > alive/4 && spare > 8<<20 {
			debug.FreeOSMemory()
		}
	}
}
