package quota_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

func refusal(scope string, until time.Time) *mail.Fault {
	return &mail.Fault{Class: mail.RateLimited, Scope: scope, Until: until}
}

func TestATimeNamedByGmailStopsAllGrantsUntilThen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope      string
		stopsOther bool
	}{{"user", false}, {"concurrent", false}, {"day", false}, {"project", true}} {
		t.Run(c.scope, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := quota.New(quota.Limits{}, nil)
				a, b := p.Budget(id.New[id.User]()), p.Budget(id.New[id.User]())
				until := time.Now().Add(3 * time.Hour)
				a.Throttled(refusal(c.scope, until.Add(-time.Hour)))
				a.Throttled(refusal(c.scope, until)) // moved further out
				a.Throttled(refusal(c.scope, time.Now()))
				if c.scope != "day" {
					a.Throttled(refusal(c.scope, time.Time{}))
				}
				scope := map[bool]string{true: "project", false: "user"}[c.stopsOther]
				f := refused(t, a, 1, scope, until)
				if !strings.Contains(f.Help, until.UTC().Format(time.RFC3339)) {
					t.Errorf("help = %q, does not name the time", f.Help)
				}
				if c.stopsOther {
					refused(t, b, 1, scope, until)
				} else {
					reserve(t, b, mails(9, 1), 9)
				}
				time.Sleep(3*time.Hour - 1)
				refused(t, a, 1, scope, until)
				time.Sleep(time.Nanosecond)
				reserve(t, a, mails(9, 1), 9)
			})
		})
	}
}

func TestANamedTimeIsBelievedForADayAtMostAndASecondAtLeast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{}, nil)
		b := p.Budget(id.New[id.User]())
		b.Throttled(refusal("user", time.Now().AddDate(20, 0, 0)))
		refused(t, b, 1, "user", time.Now().Add(24*time.Hour))
		b = p.Budget(id.New[id.User]())
		b.Throttled(refusal("user", time.Now().Add(-time.Hour)))
		refused(t, b, 1, "user", time.Now().Add(time.Second))
	})
}

func TestADayRefusedWithoutATimeEndsWithTheDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{}, nil).Budget(id.New[id.User]())
		b.Throttled(refusal("day", time.Time{}))
		refused(t, b, 1, "user", time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC))
	})
}

func TestOtherFaultsTeachNothing(t *testing.T) {
	t.Parallel()
	b := quota.New(quota.Limits{}, nil).Budget(id.New[id.User]())
	later := time.Now().Add(time.Hour)
	b.Throttled(nil)
	b.Throttled(&mail.Fault{Class: mail.Transient, Scope: "user", Until: later})
	b.Throttled(refusal("source", later))
	b.Throttled(refusal("minute", later))
	reserve(t, b, mails(3, 1), 3)
}

// pause asks until it is let in and says how long that took.
func pause(t *testing.T, b *quota.Budget) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		_, err := b.Reserve(t.Context(), []int64{1})
		if err == nil {
			b.Refund(t.Context(), 1, 1)
			return time.Since(start)
		}
		f, _ := mail.AsFault(err)
		time.Sleep(time.Until(f.Until))
	}
}

func TestRefusalsWithoutATimeDoubleThePauseAndHalveTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{UnitsPerUserMinute: 1600}, nil).Budget(id.New[id.User]())
		// Eight uploads under way are refused together: that counts once.
		for range 8 {
			b.Throttled(refusal("user", time.Time{}))
		}
		want := time.Second
		for i := range 9 {
			if got := pause(t, b); got < want || got > want+want/4 {
				t.Errorf("pause %d = %v, want %v and a quarter at most", i+1, got, want)
			}
			if i == 0 {
				reserve(t, b, mails(64, 1), 32)
				b.Refund(t.Context(), 32, 32)
			}
			want = min(2*want, 64*time.Second)
			b.Throttled(refusal("user", time.Time{}))
		}
		pause(t, b)
		// Never below a sixteenth, and each quiet minute a tenth comes back.
		got, err := b.Reserve(t.Context(), mails(64, 1))
		if err != nil || got != 4 {
			t.Errorf("after many refusals Reserve = %d, %v; want 4 of 64", got, err)
		}
		b.Refund(t.Context(), got, 0)
		time.Sleep(10 * time.Minute)
		reserve(t, b, mails(99, 1), 64)

		time.Sleep(2 * time.Minute)
		// After a quiet time the pauses begin again at a second.
		b.Throttled(refusal("user", time.Time{}))
		if got := pause(t, b); got > 2*time.Second {
			t.Errorf("pause after quiet = %v, want about a second", got)
		}
	})
}

func TestAProjectsRefusalHalvesTheProjectsMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{UnitsPerUserMinute: 1000, UnitsPerProjectMinute: 1000}, nil)
		a, b := p.Budget(id.New[id.User]()), p.Budget(id.New[id.User]())
		a.Throttled(refusal("project", time.Time{}))
		pause(t, b)
		reserve(t, b, mails(99, 1), 20)
		if _, err := a.Reserve(t.Context(), mails(1, 1)); err == nil {
			t.Error("a second user went over the project's halved minute")
		}
	})
}

func TestATimeNamedByGmailOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := id.New[id.User]()
		b := quota.New(quota.Limits{}, nil).Budget(u)
		if until, ok := b.Held(); ok {
			t.Errorf("held until %v from the start", until)
		}
		b.Throttled(refusal("user", time.Time{}))
		if until, ok := b.Held(); ok {
			t.Errorf("our own pause until %v is to be kept", until)
		}
		named := time.Now().Add(3 * time.Hour)
		b.Throttled(refusal("user", named))
		until, ok := b.Held()
		if !ok || !until.Equal(named) {
			t.Fatalf("held until %v, %v; want %v", until, ok, named)
		}
		b = quota.New(quota.Limits{}, nil).Budget(u)
		b.Hold(until)
		b.Hold(time.Now().Add(time.Hour)) // makes it no shorter
		b.Hold(time.Time{})
		refused(t, b, 1, "user", named)
		time.Sleep(3 * time.Hour)
		if _, ok := b.Held(); ok {
			t.Error("held when the time has come")
		}
		reserve(t, b, mails(1, 1), 1)
		b.Hold(time.Now().Add(-time.Hour)) // past: nothing
		reserve(t, b, mails(1, 1), 1)
	})
}
