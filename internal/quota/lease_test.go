package quota_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// counted is a store that knows how often it was asked, and answers slowly.
type counted struct {
	quota.Memory
	mu          sync.Mutex
	takes, give int
	slow        time.Duration
}

func (c *counted) Take(ctx context.Context, day string, u id.User, want, limit quota.Amount) (quota.Amount, bool, error) {
	c.mu.Lock()
	c.takes++
	c.mu.Unlock()
	time.Sleep(c.slow)
	return c.Memory.Take(ctx, day, u, want, limit)
}

func (c *counted) Give(ctx context.Context, day string, u id.User, back quota.Amount) error {
	c.mu.Lock()
	c.give++
	c.mu.Unlock()
	return c.Memory.Give(ctx, day, u, back)
}

// stored looks at the counters in the store.
func stored(t *testing.T, d quota.Days, u id.User) quota.Amount {
	t.Helper()
	day := time.Now().Add(-8 * time.Hour).UTC().Format(time.DateOnly)
	used, _, err := d.Take(t.Context(), day, u, quota.Amount{}, quota.Amount{})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

var daily = quota.Limits{UnitsPerProjectDay: 80_000_000, BytesPerUserDay: 500 * mb}

func TestOneTransactionServesManyBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := new(counted)
		b := quota.New(daily, days).Budget(id.New[id.User]())
		for range 1000 {
			reserve(t, b, mails(10, 5000), 10)
		}
		// 250,000 units in slices of 1,000; octets in slices of up to 8 MiB.
		if days.takes > 270 {
			t.Errorf("transactions for 1,000 batches = %d, want at most 270", days.takes)
		}
	})
}

func TestTheFirstLeaseOfAUserIsWhatHeNeeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := new(counted)
		p := quota.New(daily, days)
		for range 1000 {
			u := id.New[id.User]()
			reserve(t, p.Budget(u), mails(1, 5000), 1)
			if got := stored(t, &days.Memory, u).Bytes; got != 5000 {
				t.Fatalf("octets leased for one mail of 5,000 = %d", got)
			}
		}
		if err := p.Close(t.Context()); err != nil || days.give > 1 {
			t.Errorf("Close gave back %d times, %v; want once at most: nobody left anything", days.give, err)
		}
	})
}

func TestACrashWastesAtMostWhatWasLeased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := new(counted)
		u := id.New[id.User]()
		for range 3 { // three lives that end without Close
			b := quota.New(daily, days).Budget(u)
			for range 500 {
				reserve(t, b, mails(4, 9000), 4)
			}
		}
		got := stored(t, &days.Memory, u)
		units, octets := int64(3*500*4*25), int64(3*500*4*9000)
		if got.Units < units || got.Units > units+3*1000 || got.Bytes < octets || got.Bytes > octets+3*8<<20 {
			t.Errorf("counters = %+v, want %d units and %d octets and at most three slices more", got, units, octets)
		}
	})
}

func TestCloseGivesBackWhatWasNotSpent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := new(counted)
		p := quota.New(daily, days)
		users := make([]id.User, 100)
		for i := range users {
			users[i] = id.New[id.User]()
			for range 5 {
				reserve(t, p.Budget(users[i]), mails(3, 7000), 3)
			}
			p.Budget(users[i]).Refund(t.Context(), 1, 7000)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			if got, want := stored(t, &days.Memory, u), (quota.Amount{Units: 100 * 14 * 25, Bytes: 14 * 7000}); got != want {
				t.Fatalf("counters after Close = %+v, want %+v", got, want)
			}
		}
		reserve(t, p.Budget(users[0]), mails(3, 7000), 3) // it can be used on
	})
}

func TestCloseSaysWhatCouldNotBeGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(daily, new(quota.Memory))
		reserve(t, p.Budget(id.New[id.User]()), mails(1, 10), 1)
		stopped, stop := context.WithCancel(t.Context())
		stop()
		if err := p.Close(stopped); !errors.Is(err, context.Canceled) {
			t.Errorf("Close = %v, want the store's error", err)
		}
	})
}

func TestIdleUsersGiveBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := new(counted)
		p := quota.New(quota.Limits{BytesPerUserDay: 500 * mb}, days)
		u := id.New[id.User]()
		for range 4 {
			reserve(t, p.Budget(u), mails(1, 50_000), 1)
		}
		if got := stored(t, &days.Memory, u).Bytes; got == 200_000 {
			t.Fatal("nothing was leased beyond the need")
		}
		time.Sleep(15 * time.Minute)
		reserve(t, p.Budget(id.New[id.User]()), mails(1, 1), 1) // somebody else is at work
		synctest.Wait()
		if got := stored(t, &days.Memory, u).Bytes; got != 200_000 {
			t.Errorf("octets of an idle user = %d, want his 200,000", got)
		}
	})
}

func TestSlicesNeverPassTheLimitAndReachItExactly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := &counted{slow: 5 * time.Millisecond}
		limits := quota.Limits{UnitsPerProjectDay: 25 * 1003, BytesPerUserDay: 20_000_000}
		p := quota.New(limits, days)
		users := []id.User{id.New[id.User](), id.New[id.User](), id.New[id.User]()}
		var mu sync.Mutex
		all := 0
		var wg sync.WaitGroup
		for i := range 12 { // four passes of each user at once
			b := p.Budget(users[i%3])
			wg.Go(func() {
				for {
					n, err := b.Reserve(t.Context(), mails(7, 50_000))
					if f, ok := mail.AsFault(err); ok && f.Scope == "day" {
						return
					}
					mu.Lock()
					all += n
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		// What came back from a Take that was too large may still be there.
		for i := range users {
			for {
				n, err := p.Budget(users[i]).Reserve(t.Context(), mails(1, 50_000))
				if err != nil {
					break
				}
				all += n
			}
		}
		if all != 1003 {
			t.Errorf("imports in a day = %d, want all 1,003", all)
		}
		if got := stored(t, &days.Memory, users[0]).Units; got != 25*1003 {
			t.Errorf("units in the store = %d, want %d", got, 25*1003)
		}
	})
}

func TestWhatARefusedLeaseTookFromTheSliceIsPutBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days, u := new(quota.Memory), id.New[id.User]()
		limits := quota.Limits{BytesPerUserDay: 10 * mb}
		b := quota.New(limits, days).Budget(u)
		reserve(t, b, mails(1, 2*mb), 1)
		reserve(t, b, mails(1, 2*mb), 1) // leases 4 MB: 2 are left
		// Another node takes the rest of the day, which b does not know yet.
		reserve(t, quota.New(limits, days).Budget(u), mails(4, mb), 4)
		refused(t, b, 3*mb, "day", time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC))
		reserve(t, b, mails(5, mb), 2)
	})
}

func TestALargeRefundGoesBackToTheStoreAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days, u := new(quota.Memory), id.New[id.User]()
		b := quota.New(daily, days).Budget(u)
		reserve(t, b, mails(1000, 100_000), 1000)
		stopped, stop := context.WithCancel(t.Context())
		stop()
		b.Refund(stopped, 1000, 100*mb) // also during a shutdown
		if got := stored(t, days, u); got.Bytes > 8<<20 || got.Units > 10_000 {
			t.Errorf("still taken from the day: %+v, want slices at most", got)
		}
	})
}

func TestSlicesEndWithTheDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := &counted{slow: 2 * time.Second}
		u := id.New[id.User]()
		p := quota.New(quota.Limits{UnitsPerProjectDay: 25 * 100, BytesPerUserDay: mb}, days)
		b := p.Budget(u)
		reserve(t, b, mails(60, 10), 60)
		end := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
		time.Sleep(time.Until(end) - time.Second)
		reserve(t, b, mails(30, 100), 30) // the store answers after midnight
		if got, want := stored(t, &days.Memory, u), (quota.Amount{}); got != want {
			t.Errorf("the new day began with %+v, want %+v", got, want)
		}
		b.Refund(t.Context(), 30, 3000) // of yesterday
		reserve(t, b, mails(200, 10), 100)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := stored(t, &days.Memory, u), (quota.Amount{Units: 2500, Bytes: 1000}); got != want {
			t.Errorf("counters = %+v, want %+v", got, want)
		}
	})
}

func TestHistoryLeavesATenthOfTheDayToNewMail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{BytesPerUserDay: 100 * mb}, new(quota.Memory))
		b := p.Budget(id.New[id.User]())
		end := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
		reserve(t, b.History(), mails(200, mb), 90)
		f := refused(t, b.History(), mb, "history", end)
		if want := "what old mail may have of today's budget of 100 MB for this Gmail account is used up"; f.Text != want {
			t.Errorf("text = %q, want %q", f.Text, want)
		}
		reserve(t, b, mails(200, mb), 10)
		b.Refund(t.Context(), 5, 5*mb) // to what new mail keeps
		refused(t, b.History(), mb, "history", end)
		reserve(t, b, mails(200, mb), 5)
	})
}

func TestAnUntouchedDayTakesAMessageLargerThanItAfterARefund(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{BytesPerUserDay: 10 * mb}, new(quota.Memory)).Budget(id.New[id.User]())
		reserve(t, b, mails(3, mb), 3)
		b.Refund(t.Context(), 3, 3*mb)
		reserve(t, b, []int64{20 * mb, 1}, 1)
		refused(t, b, 1, "day", time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC))
	})
}

// What is leased and not spent is not used: a person is shown what Gmail took.
func TestBytesTodayAreThoseThatWent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days, u := new(quota.Memory), id.New[id.User]()
		p := quota.New(daily, days)
		b := p.Budget(u)
		for range 5 { // after which something leased is left
			reserve(t, b, mails(10, 5000), 10)
		}
		got, err := p.BytesToday(t.Context(), u)
		if err != nil || got != 5*10*5000 {
			t.Errorf("BytesToday = %d, %v; want 250000 of %d that the store counts", got, err, stored(t, days, u).Bytes)
		}
		time.Sleep(25 * time.Hour)
		if got, err := p.BytesToday(t.Context(), u); err != nil || got != 0 {
			t.Errorf("the next day: %d, %v; want 0", got, err)
		}
	})
}
