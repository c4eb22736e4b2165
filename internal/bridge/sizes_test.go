package bridge

import (
	"fmt"
	"strings"
	"testing"
)

// exactly makes a message of size octets.
func exactly(n, size int) string {
	head := message(n, min(size, 400))
	return (head + strings.Repeat("0123456789abcde\n", size/16+1))[:size]
}

// TestEverySizeArrivesOnceWhateverIsAnnounced, at the edges of the buffers,
// the window and Gmail's chunks.
func TestEverySizeArrivesOnceWhateverIsAnnounced(t *testing.T) {
	var sizes []int
	for _, edge := range []int{16 << 10, 64 << 10, window, 2 * chunkAlign, 4 * chunkAlign} {
		sizes = append(sizes, edge-1, edge, edge+1)
	}
	for name, announce := range map[string]func(int64) int64{
		"the truth": nil,
		"nothing":   func(int64) int64 { return 0 },
		"negative":  func(n int64) int64 { return -n },
		"too small": func(n int64) int64 { return n - 1 },
		"too large": func(n int64) int64 { return n + 4*chunkAlign },
	} {
		for _, k := range []kind{pop3, nameless, imap} {
			t.Run(fmt.Sprint(k, "/", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, k)
					w.drop.announce = announce
					for i, n := range sizes {
						w.drop.add(exactly(i, n))
					}
					w.want(w.sync(Leave), Report{Listed: len(sizes), Imported: len(sizes)})
					w.want(w.sync(Delete), Report{Listed: len(sizes), Already: len(sizes)})
					w.arrived(Delete)
				})
			})
		}
	}
}
