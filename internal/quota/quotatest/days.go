// Package quotatest holds the conformance suite of quota.Days: what a store of
// day counters must do, told in tests. Each rule is printed when it is broken.
package quotatest

import (
	"sync"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// Run proves a Days. open is called once per rule and gives an empty one.
func Run(t *testing.T, open func(t *testing.T) quota.Days) {
	for _, c := range []struct {
		name, rule string
		check      func(t *testing.T, d quota.Days)
	}{
		{"TakeAddsBothCounters", "what was taken is there for the next one to see", takeAdds},
		{"TakeAddsBothOrNeither", "when one limit is reached the other counter stays untouched", bothOrNeither},
		{"LimitIsReachedExactly", "a limit may be used to its last unit and no further", exactly},
		{"NoLimit", "a limit of 0 means none, and counts all the same", noLimit},
		{"OversizeOnlyOnUntouchedDay", "more than the whole limit goes only when nothing went before", oversize},
		{"WantOfZeroAlwaysFits", "who wants nothing of a counter is not refused for it", wantZero},
		{"CountersAreApart", "bytes are per user and day, units per day for all users", apart},
		{"GiveNeverGoesBelowZero", "giving back more than was taken leaves zero, not a gift", give},
		{"UsedTellsTheCounters", "to look changes nothing, and of a day without any there is nothing", used},
		{"ManyAtOnceNeverPassTheLimit", "takers at the same time get the limit between them, not each", together},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			})
			c.check(t, open(t))
		})
	}
}

const day = "2026-11-24"

func take(t *testing.T, d quota.Days, day string, u id.User, want, limit, wantUsed quota.Amount, wantOK bool) {
	t.Helper()
	used, ok, err := d.Take(t.Context(), day, u, want, limit)
	if err != nil || ok != wantOK || used != wantUsed {
		t.Fatalf("Take(%s, %+v, limit %+v) = %+v, %v, %v; want %+v, %v", day, want, limit, used, ok, err, wantUsed, wantOK)
	}
}

func giveBack(t *testing.T, d quota.Days, day string, u id.User, back quota.Amount) {
	t.Helper()
	if err := d.Give(t.Context(), day, u, back); err != nil {
		t.Fatalf("Give(%s, %+v) = %v", day, back, err)
	}
}

func of(units, bytes int64) quota.Amount { return quota.Amount{Units: units, Bytes: bytes} }

func takeAdds(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Units: 100, Bytes: 1000}
	take(t, d, day, u, quota.Amount{}, limit, quota.Amount{}, true)
	take(t, d, day, u, of(25, 300), limit, of(25, 300), true)
	take(t, d, day, u, of(50, 200), limit, of(75, 500), true)
}

func bothOrNeither(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Units: 100, Bytes: 1000}
	take(t, d, day, u, of(25, 900), limit, of(25, 900), true)
	take(t, d, day, u, of(25, 200), limit, of(25, 900), false)
	take(t, d, day, u, of(100, 50), limit, of(25, 900), false)
	take(t, d, day, u, of(25, 50), limit, of(50, 950), true)
}

func exactly(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Units: 50, Bytes: 1000}
	take(t, d, day, u, of(25, 400), limit, of(25, 400), true)
	take(t, d, day, u, of(25, 600), limit, of(50, 1000), true)
	take(t, d, day, u, of(0, 1), limit, of(50, 1000), false)
	take(t, d, day, u, of(1, 0), limit, of(50, 1000), false)
}

func noLimit(t *testing.T, d quota.Days) {
	u := id.New[id.User]()
	take(t, d, day, u, of(1<<40, 1<<40), quota.Amount{}, of(1<<40, 1<<40), true)
	take(t, d, day, u, of(25, 10), quota.Amount{}, of(1<<40+25, 1<<40+10), true)
	take(t, d, day, u, of(25, 10), quota.Amount{Bytes: 10}, of(1<<40+25, 1<<40+10), false)
}

func oversize(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Bytes: 1000}
	take(t, d, day, u, of(25, 5000), limit, of(25, 5000), true)
	take(t, d, day, u, of(25, 1), limit, of(25, 5000), false)
	v := id.New[id.User]()
	take(t, d, day, v, of(25, 1), limit, of(50, 1), true)
	take(t, d, day, v, of(25, 5000), limit, of(50, 1), false)
}

func wantZero(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Units: 100, Bytes: 10}
	take(t, d, day, u, of(25, 50), limit, of(25, 50), true)
	take(t, d, day, u, of(25, 0), limit, of(50, 50), true)
}

func apart(t *testing.T, d quota.Days) {
	u, v, limit := id.New[id.User](), id.New[id.User](), quota.Amount{Units: 100, Bytes: 1000}
	take(t, d, day, u, of(25, 900), limit, of(25, 900), true)
	take(t, d, day, v, of(25, 900), limit, of(50, 900), true)
	take(t, d, "2026-11-25", u, of(25, 900), limit, of(25, 900), true)
	giveBack(t, d, day, v, of(25, 100))
	take(t, d, day, u, quota.Amount{}, limit, of(25, 900), true)
	take(t, d, day, v, quota.Amount{}, limit, of(25, 800), true)
}

func give(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Units: 100, Bytes: 1000}
	giveBack(t, d, day, u, of(25, 100))
	take(t, d, day, u, of(25, 100), limit, of(25, 100), true)
	giveBack(t, d, day, u, of(50, 500))
	take(t, d, day, u, quota.Amount{}, limit, quota.Amount{}, true)
}

func used(t *testing.T, d quota.Days) {
	u := id.New[id.User]()
	for _, want := range []quota.Amount{{}, of(25, 300)} {
		if got, err := d.Used(t.Context(), day, u); err != nil || got != want {
			t.Errorf("Used = %+v, %v; want %+v", got, err, want)
		}
		take(t, d, day, u, of(25, 300), quota.Amount{}, of(want.Units+25, want.Bytes+300), true)
	}
}

func together(t *testing.T, d quota.Days) {
	u, limit := id.New[id.User](), quota.Amount{Units: 500, Bytes: 1_000_000}
	var mu sync.Mutex
	var granted int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 8 {
				_, ok, err := d.Take(t.Context(), day, u, of(25, 10), limit)
				if err != nil {
					t.Errorf("Take = %v", err)
				}
				if ok {
					mu.Lock()
					granted += 25
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if granted != 500 {
		t.Errorf("units granted to 4 takers = %d, want 500", granted)
	}
}
