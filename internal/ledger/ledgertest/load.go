package ledgertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

const many = 20_000 // messages of a large, not a huge, mailbox

var loadRules = []rule{
	{"ManyAtOnce", "uploads run side by side: each claim has one winner and each outcome one audit line, whoever shares its commit", func(t *testing.T, w World) {
		l, box := open(t, w)
		const workers, each = 64, 20
		keys := make([]ledger.Key, workers*each)
		for i := range keys {
			keys[i] = newKey()
		}
		var wins atomic.Int32
		var wg sync.WaitGroup
		for n := range workers {
			wg.Go(func() { // every key is tried by two workers
				for i := range 2 * each {
					k := keys[(n*each+i)%len(keys)]
					err := l.Claim(t.Context(), claimOf(k))
					if errors.Is(err, ledger.ErrTaken) {
						continue
					}
					if err == nil {
						wins.Add(1)
						err = l.Settle(t.Context(), k, imported())
					}
					if err != nil {
						t.Errorf("claim or settle = %v", err)
					}
				}
			})
		}
		wg.Wait()
		if got := int(wins.Load()); got != len(keys) {
			t.Errorf("claims won = %d, want %d", got, len(keys))
		}
		if got := len(w.Audit(t, box)); got != len(keys) {
			t.Errorf("audit lines = %d, want %d", got, len(keys))
		}
		for _, e := range entries(t, l) {
			if e.State != ledger.Imported {
				t.Fatalf("state = %d, want imported", e.State)
			}
		}
	}},
	{"FenceHoldsUnderLoad", "a take-over in the middle of the work divides it: nothing of the old owner's is accepted afterwards", func(t *testing.T, w World) {
		old, box := open(t, w)
		var accepted atomic.Int32
		var wg sync.WaitGroup
		begun := make(chan struct{}, 16)
		for range 16 {
			wg.Go(func() {
				for n := range 20_000 { // far more than fit before the take-over
					if err := old.Record(t.Context(), newKey(), imported()); err != nil {
						wantErr(t, err, ledger.ErrFenced)
						return
					}
					accepted.Add(1)
					if n == 0 {
						begun <- struct{}{}
					}
				}
			})
		}
		for range 16 {
			<-begun
		}
		l := w.Take(t)(box)
		known := len(entries(t, l))
		wg.Wait()
		if got := len(entries(t, l)); got != known || got != int(accepted.Load()) {
			t.Errorf("entries = %d, at the take-over %d, accepted %d: want all the same", got, known, accepted.Load())
		}
	}},
	{"LargeMailbox", "a pass begins with everything known about the mailbox, however much that is", func(t *testing.T, w World) {
		l, box := open(t, w)
		keys := fill(t, l, many)
		l = reopen(t, w, box)
		got := entries(t, l)
		if len(got) != many {
			t.Fatalf("entries = %d, want %d", len(got), many)
		}
		for _, k := range keys {
			if got[k].State != ledger.Imported {
				t.Fatalf("entry %x = %+v, want imported", k.ID[:2], got[k])
			}
		}
		ok(t, l.Listed(t.Context(), keys[:many/2], nil))
		moves := make([]ledger.Move, many/2)
		for i := range moves {
			moves[i] = ledger.Move{Old: keys[i], New: newHash()}
		}
		ok(t, l.Remap(t.Context(), moves))
		got = entries(t, l)
		for _, m := range moves {
			if e := got[ledger.Key{ID: m.New, Content: m.Old.Content}]; e.State != ledger.Imported || e.Absent {
				t.Fatalf("moved entry = %+v, want imported and present", e)
			}
		}
	}},
}

// fill records n imported messages, many at once.
func fill(t *testing.T, l bridge.Ledger, n int) []ledger.Key {
	t.Helper()
	keys := make([]ledger.Key, n)
	var next atomic.Int32
	var wg sync.WaitGroup
	for range 128 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				keys[i] = newKey()
				if err := l.Record(t.Context(), keys[i], imported()); err != nil {
					t.Errorf("record = %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	return keys
}
