package actors

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// silent is a parked connection on which nothing ever happens.
type silent struct{ *parked }

// Measured in 2026-11: 5.8 KB of heap with what the test keeps for each (its
// row, a third of a shard), and 4 KB of stack; 6.3 KB where a context ends the
// wait. What the imap package needs for its connection comes on top. Not
// parallel: it looks at the whole heap.
func TestAParkedMailboxIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at the heap")
	}
	const n = 10_000
	w := newWorld()
	p := newParked()
	for range n {
		b := w.add(id.New[id.User](), 1)
		b.Dirty = true
		b.park = func() Parked { return silent{p} }
	}
	measure := func() (heap, stack uint64) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, m.StackInuse
	}
	w.do = nothingNew
	w.prepare = func(b *row, _ *Job) error {
		b.marker = nil
		return nil
	}
	goroutines := runtime.NumGoroutine()
	heap, stack := measure()
	w.start(Options{Limits: Limits{Sessions: 512, PerUser: 4, PerLane: 1 << 20, LoginsPerSecond: -1, Linger: time.Second}})
	for w.tree.parked.Load() < n {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // the accounts are closed
	heap2, stack2 := measure()
	each := (int64(heap2) - int64(heap)) / n
	t.Logf("%d octets of heap and %d of stack for a parked mailbox, its user and shard, with the test's own", each, (int64(stack2)-int64(stack))/n)
	if each > 6100 {
		t.Errorf("%d octets", each)
	}
	if more := runtime.NumGoroutine() - goroutines - n; more > 20 {
		t.Errorf("%d goroutines more than mailboxes", more)
	}
	w.stop(t)
	runtime.KeepAlive(w)
}

func nothingNew(context.Context, *row, bridge.Pass) (bridge.Report, error) {
	return bridge.Report{Unchanged: true}, nil
}
