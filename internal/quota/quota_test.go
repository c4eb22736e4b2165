package quota_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/quota/quotatest"
)

func TestMemoryDays(t *testing.T) {
	t.Parallel()
	quotatest.Run(t, func(*testing.T) quota.Days { return new(quota.Memory) })
}

// mails makes n messages of size octets.
func mails(n int, size int64) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = size
	}
	return s
}

func reserve(t *testing.T, b *quota.Budget, sizes []int64, want int) {
	t.Helper()
	if got, err := b.Reserve(t.Context(), sizes); err != nil || got != want {
		t.Fatalf("Reserve(%d messages) = %d, %v; want %d", len(sizes), got, err, want)
	}
}

// refused asks for one message and wants a refusal of this scope until then.
func refused(t *testing.T, b *quota.Budget, size int64, scope string, until time.Time) *mail.Fault {
	t.Helper()
	got, err := b.Reserve(t.Context(), []int64{size})
	f, ok := mail.AsFault(err)
	if got != 0 || !ok || f.Class != mail.RateLimited || f.Scope != scope {
		t.Fatalf("Reserve = %d, %v; want a refusal of scope %q", got, err, scope)
	}
	if !f.Until.Equal(until) {
		t.Fatalf("refused until %v, want %v", f.Until, until)
	}
	return f
}

func TestAMinuteGrantsTheLimitAndSaysWhenTheNextIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{UnitsPerUserMinute: 6000}, nil).Budget(id.New[id.User]())
		reserve(t, b, mails(100, 1), 100)
		time.Sleep(20 * time.Second)
		reserve(t, b, mails(500, 1), 140)
		// 100 of them return a minute (and the tick they were taken in) after they were taken.
		until := time.Now().Add(40*time.Second + 100*time.Millisecond)
		f := refused(t, b, 1, "minute", until)
		for _, want := range []string{"this minute's budget", "SMTPSYNC_GMAIL_UNITS_PER_USER_MINUTE", "2000-01-01T00:01:01Z"} {
			if !strings.Contains(f.Error(), want) {
				t.Errorf("refusal = %q, without %q", f.Error(), want)
			}
		}
		time.Sleep(time.Until(until) - 1)
		refused(t, b, 1, "minute", until)
		time.Sleep(time.Nanosecond)
		reserve(t, b, mails(500, 1), 100)
	})
}

func TestUsersShareTheProjectsMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{UnitsPerUserMinute: 100, UnitsPerProjectMinute: 150}, nil)
		a, b := p.Budget(id.New[id.User]()), p.Budget(id.New[id.User]())
		reserve(t, a, mails(9, 1), 4)
		reserve(t, b, mails(9, 1), 2)
		f := refused(t, b, 1, "minute", time.Now().Add(time.Minute+100*time.Millisecond))
		if !strings.Contains(f.Help, "SMTPSYNC_GMAIL_UNITS_PER_PROJECT_MINUTE") {
			t.Errorf("help = %q, does not name the setting", f.Help)
		}
		a.Refund(t.Context(), 1, 0)
		reserve(t, b, mails(9, 1), 1)
	})
}

func TestNoLimitsGrantEverything(t *testing.T) {
	t.Parallel()
	b := quota.New(quota.Limits{}, nil).Budget(id.New[id.User]())
	reserve(t, b, nil, 0)
	reserve(t, b, mails(100_000, 1<<62), 100_000)
	reserve(t, b, mails(100_000, 1<<62), 100_000)
}

func TestALimitBelowOneImportLetsOneThroughAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{UnitsPerUserMinute: 10}, nil).Budget(id.New[id.User]())
		reserve(t, b, mails(3, 1), 1)
		refused(t, b, 1, "minute", time.Now().Add(time.Minute+100*time.Millisecond))
		time.Sleep(time.Minute + time.Second)
		reserve(t, b, mails(3, 1), 1)
	})
}

const mb = 1_000_000

func TestADayGrantsItsOctetsAndEndsAtEightUTC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the bubble begins at 2000-01-01T00:00:00Z
		days := new(quota.Memory)
		user := id.New[id.User]()
		limits := quota.Limits{BytesPerUserDay: 500 * mb}
		b := quota.New(limits, days).Budget(user)
		end := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)

		reserve(t, b, mails(100, 7*mb), 71) // 497 MB
		f := refused(t, b, 7*mb, "day", end)
		if got, want := f.Text, "the next message (7 MB) does not fit into what is left of today's budget of 500 MB for this Gmail account"; got != want {
			t.Errorf("text = %q, want %q", got, want)
		}
		reserve(t, b, mails(1, 3*mb), 1)
		f = refused(t, b, 1, "day", end)
		if got, want := f.Error(), "today's budget of 500 MB for this Gmail account is used up: "+
			"it goes on at 2000-01-01T08:00:00Z; the limit is SMTPSYNC_GMAIL_BYTES_PER_USER_DAY"; got != want {
			t.Errorf("refusal = %q, want %q", got, want)
		}

		// The process starts anew: the day is remembered.
		b = quota.New(limits, days).Budget(user)
		refused(t, b, 1, "day", end)
		time.Sleep(time.Until(end))
		reserve(t, b, mails(100, 7*mb), 71)
	})
}

func TestADayGrantsTheProjectsUnits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{UnitsPerProjectDay: 100}, new(quota.Memory))
		reserve(t, p.Budget(id.New[id.User]()), mails(3, 1), 3)
		b := p.Budget(id.New[id.User]())
		reserve(t, b, mails(3, 1), 1)
		f := refused(t, b, 1, "day", time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC))
		if want := "today's budget of 100 Gmail quota units for this installation is used up"; f.Text != want {
			t.Errorf("text = %q, want %q", f.Text, want)
		}
	})
}

func TestAMessageLargerThanADayGoesFirstOrNotAtAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
		b := quota.New(quota.Limits{BytesPerUserDay: 10 * mb}, new(quota.Memory)).Budget(id.New[id.User]())
		reserve(t, b, mails(3, mb), 3)
		refused(t, b, 20*mb, "day", end)
		time.Sleep(time.Until(end))
		reserve(t, b, []int64{20 * mb, 1, 1}, 1)
		refused(t, b, 1, "day", end.AddDate(0, 0, 1))
	})
}

func TestAbsurdSizesNeitherOverflowNorGiveBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{BytesPerUserDay: 10 * mb}, new(quota.Memory)).Budget(id.New[id.User]())
		reserve(t, b, []int64{-1, mb, -1 << 62, 9 * mb, 1<<63 - 1, 1}, 4)
		refused(t, b, 1<<63-1, "day", time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC))
		b.Refund(t.Context(), 1, 3*mb)
		b.Refund(t.Context(), -2, -2*mb)
		reserve(t, b, mails(9, mb), 3)
	})
}

func TestARefundIsUsedAgainAndNeverMoreThanWasTakenToday(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		days := new(quota.Memory)
		user := id.New[id.User]()
		limits := quota.Limits{BytesPerUserDay: 10 * mb}
		p := quota.New(limits, days)
		b := p.Budget(user)
		reserve(t, b, mails(10, mb), 10)

		b.Refund(t.Context(), 4, 4*mb)
		if err := p.Close(t.Context()); err != nil { // a shutdown gives back what it did not use
			t.Fatal(err)
		}
		other := quota.New(limits, days).Budget(user)
		other.Refund(t.Context(), 3, 3*mb) // took nothing, so has nothing to give
		reserve(t, other, mails(10, mb), 4)
		b.Refund(t.Context(), 50, 50*mb) // took 6 in all
		reserve(t, b, mails(10, mb), 6)

		time.Sleep(24 * time.Hour)
		reserve(t, other, mails(20, mb), 10)
		b.Refund(t.Context(), 6, 6*mb) // of yesterday
		refused(t, b, mb, "day", time.Date(2000, 1, 2, 8, 0, 0, 0, time.UTC))
	})
}

// broken is a store that fails.
type broken struct{ err error }

func (s broken) Take(context.Context, string, id.User, quota.Amount, quota.Amount) (quota.Amount, bool, error) {
	return quota.Amount{}, false, s.err
}
func (s broken) Give(context.Context, string, id.User, quota.Amount) error { return s.err }
func (s broken) Used(context.Context, string, id.User) (quota.Amount, error) {
	return quota.Amount{}, s.err
}

func TestNothingIsGrantedThatIsNotSaved(t *testing.T) {
	t.Parallel()
	full := errors.New("no space")
	b := quota.New(quota.Limits{UnitsPerUserMinute: 100, BytesPerUserDay: mb}, broken{full}).Budget(id.New[id.User]())
	for range 10 { // and the minute is given back each time
		got, err := b.Reserve(t.Context(), mails(4, 1))
		if got != 0 || !errors.Is(err, full) || mail.ClassOf(err) != mail.Transient {
			t.Fatalf("Reserve = %d, %v; want the store's error", got, err)
		}
	}
}

func TestUsersAtTheSameTimeGetTheLimitBetweenThem(t *testing.T) {
	t.Parallel()
	p := quota.New(quota.Limits{UnitsPerUserMinute: 1000, UnitsPerProjectMinute: 2000, BytesPerUserDay: 30}, new(quota.Memory))
	var mu sync.Mutex
	got := map[id.User]int{}
	all := 0
	var wg sync.WaitGroup
	for range 4 {
		user := id.New[id.User]()
		for range 4 {
			wg.Go(func() {
				for range 20 {
					n, _ := p.Budget(user).Reserve(t.Context(), mails(3, 1))
					if n > 1 {
						p.Budget(user).Refund(t.Context(), 1, 1)
						n--
					}
					mu.Lock()
					got[user] += n
					all += n
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	// Who has had more than others leaves the last two to them.
	if all > 80 || all < 78 {
		t.Errorf("imports granted to all = %d, want the project's 80", all)
	}
	for u, n := range got {
		if n > 30 {
			t.Errorf("octets granted to %s = %d, want at most 30", u, n)
		}
	}
}

// Who lets a mail server be slow and then break off would else make room in a
// minute that others have filled.
func TestALateRefundMakesNoRoomInTheMinuteOfOthers(t *testing.T) {
	t.Parallel()
	for _, mine := range []int64{0, 2500} {
		synctest.Test(t, func(t *testing.T) {
			p := quota.New(quota.Limits{UnitsPerProjectMinute: 2500, UnitsPerUserMinute: mine}, nil)
			slow, other := p.Budget(id.New[id.User]()), p.Budget(id.New[id.User]())
			reserve(t, slow, mails(50, 1), 50)
			time.Sleep(2 * time.Minute)
			reserve(t, other, mails(100, 1), 100)
			slow.Refund(t.Context(), 50, 50)
			if n, err := other.Reserve(t.Context(), mails(100, 1)); err == nil {
				t.Errorf("%d more than the minute has", n)
			}
		})
	}
}
