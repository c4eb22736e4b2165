package cli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// quietTime is how often the process looks whether it has done little and holds
// memory that it does not need.
const quietTime = 30 * time.Second

// giveBack returns memory to the machine when things are quiet, until ctx ends.
// After a burst (ten thousand mailboxes looked at after a start) Go's runtime
// keeps as much again as is alive for the next collection, which is far away
// while nearly every mailbox only waits.
func giveBack(ctx context.Context) {
	adapt := os.Getenv("GOGC") == "" // else the operator has decided
	before := readHeap()
	last := before
	for end := time.Now().Add(quietTime); wait(ctx, quietTime/10); {
		now := readHeap()
		if adapt {
			debug.SetGCPercent(now.percent(last))
		}
		last = now
		if time.Now().Before(end) {
			continue
		}
		end = time.Now().Add(quietTime)
		if now.restful(before) {
			debug.FreeOSMemory()
		}
		before = now
	}
}

// heap is what the runtime says of itself, in bytes.
type heap struct {
	live      uint64 // at the last collection
	objects   uint64 // since allocated among them, and dead ones
	free      uint64 // held for objects to come
	allocated uint64 // ever
}

func readHeap() heap {
	m := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(m)
	return heap{m[0].Value.Uint64(), m[1].Value.Uint64(), m[2].Value.Uint64(), m[3].Value.Uint64()}
}

// percent is how much may be allocated until the next collection, in percent of
// what is alive. Many waiting mailboxes are a large heap in which little
// happens: collections are rare, and with half the usual garbage among them what
// lives long lies closer together. Of a small heap, or of one that was filled
// again since the last look, that would save little and cost throughput.
func (h heap) percent(last heap) int {
	const large = 32 << 20
	if h.live < large || h.allocated-last.allocated > h.live {
		return 100
	}
	return 50
}

// restful reports whether a collection is worth its price, which is what is
// alive: where less than that was allocated lately the runtime made hardly one
// by itself, and where a quarter of it would come back it was a while ago.
func (h heap) restful(before heap) bool {
	const least = 8 << 20
	spare := h.free + max(h.objects, h.live) - h.live
	return h.allocated-before.allocated < max(h.live, least) && spare > max(h.live/4, least)
}
