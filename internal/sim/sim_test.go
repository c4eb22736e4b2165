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
	seeds, passes, empty, imported, refusals, hours atomic.Int64
}

// TestSimulation lives through many small worlds, or, where the environment
// asks for it, through fewer and larger ones:
//
//	SMTP_SYNC_SIM_SEED=n        this one alone
//	SMTP_SYNC_SIM_SEEDS=200     so many
//	SMTP_SYNC_SIM_DAYS=1        with faults; some more follow without
//	SMTP_SYNC_SIM_MAILBOXES=4   in each world
func TestSimulation(t *testing.T) {
	t.Parallel()
	from, seeds := uint64(1), setting(t, "SEEDS", 200)
	if n := setting(t, "SEED", 0); n > 0 {
		from, seeds = uint64(n), 1
	}
	days, boxes := setting(t, "DAYS", 0), setting(t, "MAILBOXES", 4)
	tab := &table{fired: make(map[pair]int)}
	var all sums
	t.Run("seed", func(t *testing.T) {
		for seed := from; seed < from+uint64(seeds); seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				p := planOf(seed, boxes)
				if days > 0 {
					p.mail *= days
					p.time = time.Duration(days) * 24 * time.Hour
				}
				synctest.Test(t, func(t *testing.T) { run(t, p, tab, &all) })
				if t.Failed() {
					t.Logf("again: SMTP_SYNC_SIM_SEED=%d go test -count=1 -run TestSimulation -v ./internal/sim", seed)
				}
			})
		}
	})
	t.Logf("%d seeds, %d passes (%d found nothing changed), %d simulated days, %d messages imported, %d requests over Gmail's quota",
		all.seeds.Load(), all.passes.Load(), all.empty.Load(), all.hours.Load()/24, all.imported.Load(), all.refusals.Load())
	tab.print(t)
	if seeds >= 200 {
		tab.require(t)
	}
}

// setting reads a number from the environment.
func setting(t *testing.T, name string, ordinary int) int {
	s := os.Getenv("SMTP_SYNC_SIM_" + name)
	if s == "" {
		return ordinary
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		t.Fatalf("SMTP_SYNC_SIM_%s wants a number, not %q", name, s)
	}
	return n
}

// planOf is the world of a seed: its mailboxes belong to two users, or to one
// for each ten, every fifth has no faults at all, and every third no fence.
func planOf(seed uint64, boxes int) plan {
	users := max(2, boxes/10)
	return plan{
		seed: seed, users: users, boxes: max(1, boxes/users), history: 12, mail: 15, time: 24 * time.Hour,
		odds: []uint64{100, 30, 300, 0, 100}[seed%5], large: seed%10 == 0, open: seed%3 == 0,
	}
}

// run lives through one world.
func run(t *testing.T, p plan, tab *table, all *sums) {
	start := time.Now()
	w := newWorld(t, p, tab)
	w.boot()
	w.live(p)
	w.recover()
	w.judge()
	all.seeds.Add(1)
	all.passes.Add(w.passes.Load())
	all.empty.Add(w.empty.Load())
	all.hours.Add(int64(time.Since(start) / time.Hour))
	all.refusals.Add(int64(w.budget.refusals))
	for _, x := range w.texts {
		all.imported.Add(int64(x.copies))
	}
}
