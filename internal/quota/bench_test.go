package quota_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// BenchmarkReserve asks as all users do at once: "granted" has room for
// everybody, "refused" is a project whose minute is spent.
func BenchmarkReserve(b *testing.B) {
	for name, limits := range map[string]quota.Limits{
		"granted": {UnitsPerUserMinute: 1 << 40, UnitsPerProjectMinute: 1 << 42, UnitsPerProjectDay: 1 << 50, BytesPerUserDay: 1 << 50},
		"refused": {UnitsPerUserMinute: 6000, UnitsPerProjectMinute: 120_000},
	} {
		for _, users := range []int{1, 200, 10_000} {
			b.Run(fmt.Sprintf("%s/users=%d", name, users), func(b *testing.B) {
				p := quota.New(limits, new(quota.Memory))
				budgets := make([]*quota.Budget, users)
				sizes := mails(20, 5500)
				for i := range budgets {
					budgets[i] = p.Budget(id.New[id.User]())
					for name == "refused" {
						if _, err := budgets[i].Reserve(b.Context(), sizes); err != nil {
							break
						}
					}
				}
				b.ReportAllocs()
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						_, _ = budgets[rand.IntN(users)].Reserve(b.Context(), sizes)
					}
				})
			})
		}
	}
}

func TestAReservationAllocatesNothing(t *testing.T) {
	// Not parallel: it counts what the whole process allocates.
	p := quota.New(published, nil)
	b, sizes := p.Budget(id.New[id.User]()), mails(1, 5500)
	if got := testing.AllocsPerRun(200, func() { _, _ = b.Reserve(t.Context(), sizes) }); got > 0 {
		t.Errorf("allocations of a reservation = %v, want none", got)
	}
}
