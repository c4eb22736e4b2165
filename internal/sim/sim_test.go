package sim

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sums of all runs.
type sums struct {
	seeds, passes, empty, imported, refusals atomic.Int64
	days                                     atomic.Int64 // in hours
}

// TestSimulation lives through many small worlds.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds := 200
	from := uint64(1)
	if s := os.Getenv("SMTP_SYNC_SIM_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		from, seeds = n, 1
	}
	tab := &table{fired: make(map[pair]int)}
	var all sums
	t.Run("seeds", func(t *testing.T) {
		for seed := from; seed < from+uint64(seeds); seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { run(t, small(seed), tab, &all) })
				if t.Failed() {
					t.Logf("again: SMTP_SYNC_SIM_SEED=%d go test -count=1 -run TestSimulation -v ./internal/sim", seed)
				}
			})
		}
	})
	t.Logf("%d seeds, %d passes (%d found nothing changed), %d simulated days, %d messages imported, %d requests over Gmail's quota",
		all.seeds.Load(), all.passes.Load(), all.empty.Load(), all.days.Load()/24, all.imported.Load(), all.refusals.Load())
	tab.print(t)
	if seeds > 1 {
		tab.require(t)
	}
}

// small is a world of some mailboxes and a day.
func small(seed uint64) plan {
	return plan{
		seed: seed, users: 2, boxes: 2, history: 12, mail: 15, time: 30 * time.Hour,
		odds: []uint64{100, 30, 300, 0, 100}[seed%5], large: seed%10 == 0,
	}
}

// run lives through one world.
func run(t *testing.T, p plan, tab *table, all *sums) {
	w := newWorld(t, p, tab)
	w.boot()
	w.live(p)
	w.recover()
	w.current.Load().engine.drain()
	w.judge()
	all.seeds.Add(1)
	all.passes.Add(w.passes.Load())
	all.empty.Add(w.empty.Load())
	all.days.Add(int64(p.time+90*time.Hour) / int64(time.Hour))
	all.refusals.Add(int64(w.budget.refusals))
	for _, x := range w.texts {
		all.imported.Add(int64(x.copies))
	}
}
