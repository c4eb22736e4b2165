package jobs

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// TestAnOrderedRotationIsDone: what keys rotate leaves beside a running service,
// and what was left while none ran.
func TestAnOrderedRotationIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.granted(t, "1")
	for _, running := range []bool{false, true} {
		// As another process.
		beside := openKeys(t, w.dir)
		file := filepath.Join(w.dir, "master.key")
		if _, err := vault.AddToFile(file, beside.MasterIDs()[0]); err != nil {
			t.Fatal(err)
		}
		ok(t, beside.Reload())
		ok(t, beside.OrderRotation(t.Context()))
		if !running {
			w.start(t) // and it goes on
		}
		deadline := time.Now().Add(time.Minute)
		for to := beside.MasterIDs()[0]; to != ""; {
			if time.Now().After(deadline) {
				t.Fatal("nobody followed the order")
			}
			time.Sleep(50 * time.Millisecond)
			var err error
			to, err = beside.RotationOrdered(t.Context())
			ok(t, err)
		}
		count, err := beside.Census(t.Context())
		ok(t, err)
		if newest := beside.MasterIDs()[0]; len(count) != 1 || count[newest] != 3 {
			t.Errorf("keys by master key = %v, want 3 under %s", count, newest)
		}
	}
}
