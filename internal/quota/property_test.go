package quota_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// book is the independent memory of a property test: what was granted when.
// A refund is taken from the oldest grants that are younger than a minute.
type book []entry

type entry struct {
	at      time.Time
	imports int
}

func (b book) refund(n int) {
	for i := range b {
		if time.Since(b[i].at) < time.Minute {
			part := min(n, b[i].imports)
			b[i].imports -= part
			n -= part
		}
	}
}

// lastMinute sums up what was granted in the 60 seconds that end now. Looked
// at after each grant, this is every window there is.
func (b book) lastMinute() (n int) {
	for _, e := range b {
		if time.Since(e.at) < time.Minute {
			n += e.imports
		}
	}
	return n
}

func TestRandomHistoriesNeverPassAnyLimit(t *testing.T) {
	t.Parallel()
	met := map[string]int{}
	for range 20 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			history(t, rand.New(rand.NewPCG(seed, 1)), met)
		})
	}
	if met["minute"] < 100 || met["day"] < 100 {
		t.Errorf("refusals = %v: the limits were hardly met", met)
	}
}

// history counts the refusals it meets by their scope.
func history(t *testing.T, r *rand.Rand, met map[string]int) {
	limits := quota.Limits{
		UnitsPerUserMinute: 25 * 10, UnitsPerProjectMinute: 25 * 25,
		UnitsPerProjectDay: 25 * 700, BytesPerUserDay: 200_000,
	}
	p := quota.New(limits, new(quota.Memory))
	users := make([]id.User, 4)
	for i := range users {
		users[i] = id.New[id.User]()
	}
	var all book
	each := map[id.User]book{}
	octets := map[id.User]map[string]int64{}
	day := func() string { return time.Now().Add(-8 * time.Hour).UTC().Format(time.DateOnly) }
	imports := map[string]int{}
	for range 3000 {
		u := users[r.IntN(len(users))]
		b := p.Budget(u)
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			sizes := make([]int64, 1+r.IntN(12))
			for i := range sizes {
				sizes[i] = r.Int64N(2000)
			}
			n, err := b.Reserve(t.Context(), sizes)
			if err != nil {
				f, ok := mail.AsFault(err)
				if !ok || !f.Until.After(time.Now()) {
					t.Fatalf("refusal %v without a time to come", err)
				}
				met[f.Scope]++
			}
			if err == nil && (n < 1 || n > len(sizes)) {
				t.Fatalf("Reserve(%d messages) = %d", len(sizes), n)
			}
			all, each[u] = append(all, entry{time.Now(), n}), append(each[u], entry{time.Now(), n})
			if octets[u] == nil {
				octets[u] = map[string]int64{}
			}
			for _, s := range sizes[:n] {
				octets[u][day()] += s
			}
			imports[day()] += n
		case 4:
			if mine := each[u].lastMinute(); mine > 0 {
				n, by := 1+r.IntN(mine), min(octets[u][day()], r.Int64N(1000))
				n = min(n, imports[day()])
				b.Refund(t.Context(), n, by)
				each[u].refund(n)
				all.refund(n)
				octets[u][day()] -= by
				imports[day()] -= n
			}
		case 5:
			time.Sleep(time.Duration(r.Int64N(int64(30 * time.Second))))
		case 6:
			time.Sleep(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
		case 7:
			if r.IntN(100) == 0 {
				time.Sleep(time.Duration(r.Int64N(int64(8 * time.Hour))))
			}
		}
		if got := each[u].lastMinute(); got > 10 {
			t.Fatalf("imports of one user in a minute = %d, want at most 10", got)
		}
		if got := all.lastMinute(); got > 25 {
			t.Fatalf("imports of the project in a minute = %d, want at most 25", got)
		}
		if got := octets[u][day()]; got > limits.BytesPerUserDay {
			t.Fatalf("octets of one user in a day = %d, want at most %d", got, limits.BytesPerUserDay)
		}
		if got := imports[day()]; got > 700 {
			t.Fatalf("imports of the project in a day = %d, want at most 700", got)
		}
	}
}
