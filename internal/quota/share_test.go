package quota_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

func TestBusyUsersUseTheWholeMinuteOfTheProjectFairly(t *testing.T) {
	t.Parallel()
	batches := []int{10, 30, 64, 100}
	busy := worker{batch: 100, takes: 2 * time.Second, late: time.Second}
	project := func(units int64) quota.Limits { return quota.Limits{UnitsPerProjectMinute: units} }
	for _, c := range []struct {
		name    string
		limits  quota.Limits
		workers []*worker
		first   float64 // Jain's index in the first minute: all come at one instant, and nobody knows how many
		later   float64 // and in each other: where a share is 24 messages or 48, one turn more is much
	}{
		{"alike", published, many(200, busy, nil), 0.98, 0.99},
		{"punctual", published, many(200, worker{batch: 100, takes: 2 * time.Second}, nil), 0.98, 0.99},
		{"batches", published, many(200, busy, func(i int, w *worker) {
			w.batch = batches[i%4]
			w.takes = time.Duration(w.batch) * 20 * time.Millisecond
		}), 0.98, 0.99},
		{"latencies", published, many(200, busy, func(i int, w *worker) {
			w.takes = time.Duration(i%8) * time.Second
			w.late = time.Duration(i%5) * 500 * time.Millisecond
		}), 0.98, 0.99},
		{"history", published, many(200, busy, func(_ int, w *worker) { w.history = true }), 0.98, 0.99},
		{"no limit of a user", project(1_200_000), many(200, busy, nil), 0.98, 0.99},
		{"few", project(120_000), many(7, busy, nil), 0.98, 0.99},
		{"small project", project(120_000), many(200, busy, nil), 0.85, 0.98},
		{"a thousand", published, many(1000, busy, nil), 0.75, 0.98},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const lasts = 10
				crowd(t, quota.New(c.limits, nil), lasts*time.Minute, c.workers)
				judge(t, c.limits, c.workers, lasts, c.first, c.later)
			})
		})
	}
}

// judge holds a crowd of so many minutes to the targets.
func judge(t *testing.T, limits quota.Limits, workers []*worker, lasts int, first, later float64) {
	t.Helper()
	perMinute := int(limits.UnitsPerProjectMinute / quota.ImportUnits)
	google(t, "project", workers, perMinute)
	asked, again, vain := 0, 0, 0
	for _, w := range workers {
		asked, again, vain = asked+w.asked, again+w.again, vain+w.vain
		if user := limits.UnitsPerUserMinute; user > 0 {
			google(t, "user", []*worker{w}, int(user/quota.ImportUnits))
		}
	}
	end := time.Duration(lasts) * time.Minute
	all := total(workers, 0, end)
	used := float64(all) / float64(lasts*perMinute)
	t.Logf("used %.2f %%, Jain %.4f; %d messages, %d calls, %d in time, %d of them in vain", 100*used, jain(workers, 0, end), all, asked, again, vain)
	if used < 0.98 {
		t.Errorf("used %.2f %% of the minute, want 98", 100*used)
	}
	if got := jain(workers, 0, end); got < 0.99 {
		t.Errorf("Jain's index = %.4f, want 0.99", got)
	}
	if 6*vain > again { // 3 to 13 % in 40 runs
		t.Errorf("%d of %d who came at the time named were refused, want at most a sixth", vain, again)
	}
	for m := range time.Duration(lasts) {
		want := later
		if m == 0 {
			want = first
		}
		if got := jain(workers, m*time.Minute, (m+1)*time.Minute); got < want {
			t.Errorf("Jain's index in minute %d = %.4f, want %.2f", m+1, got, want)
		}
	}
}

func TestALateJoinerHasHisShareAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		workers := many(250, worker{batch: 100, takes: time.Second, late: time.Second}, func(i int, w *worker) {
			if i >= 200 {
				w.joins = 2*time.Minute + time.Duration(i%7)*time.Second
			}
		})
		crowd(t, quota.New(published, nil), 5*time.Minute, workers)
		google(t, "project", workers, 48_000)
		for m := 2 * time.Minute; m < 5*time.Minute; m += time.Minute {
			if got := jain(workers, m+10*time.Second, m+time.Minute); got < 0.98 {
				t.Errorf("Jain's index after %v = %.4f, want 0.98", m, got)
			}
		}
		for _, w := range workers[200:] {
			if got := w.between(w.joins, w.joins+15*time.Second); got == 0 {
				t.Errorf("who joined at %v had nothing for 15 seconds", w.joins)
			}
		}
	})
}

func TestAGreedyUserKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]quota.Limits{
		"published": published, "no limit of a user": {UnitsPerProjectMinute: 1_200_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				workers := many(1001, worker{batch: 1, left: 1, joins: 90 * time.Second}, nil)
				greedy := &worker{batch: 100, left: 250_000, takes: 20 * time.Millisecond}
				workers[0] = greedy
				crowd(t, quota.New(limits, nil), 4*time.Minute, workers)
				google(t, "project", workers, 48_000)
				for _, w := range workers[1:] {
					if wait := w.ended - w.joins; w.ended == 0 || wait > 3*time.Second {
						t.Fatalf("one message beside 100,000 waited %v, want 3 s at most", wait)
					}
				}
				want := 600
				if limits.UnitsPerUserMinute == 0 {
					want = 47_000
				}
				if got := greedy.between(3*time.Minute, 4*time.Minute); got < want {
					t.Errorf("alone again, the greedy one had %d of a minute, want %d", got, want)
				}
			})
		})
	}
}

func TestNewMailGoesBeforeHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := worker{batch: 100, takes: time.Second, late: time.Second}
		old := many(200, busy, func(_ int, w *worker) { w.history = true })
		young := many(150, busy, func(_ int, w *worker) { w.joins = 3 * time.Minute })
		// One new mail, while only history wants more than there is.
		single := many(60, worker{batch: 1, left: 1}, func(i int, w *worker) { w.joins = time.Minute + time.Duration(i)*time.Second })
		all := append(append(append([]*worker{}, old...), young...), single...)
		crowd(t, quota.New(published, nil), 6*time.Minute, all)
		google(t, "project", all, 48_000)
		for _, w := range single {
			if w.ended != w.joins {
				t.Errorf("a new mail waited %v for history", w.ended-w.joins)
			}
		}
		o := float64(total(old, 4*time.Minute, 6*time.Minute)) / 200
		y := float64(total(young, 4*time.Minute, 6*time.Minute)) / 150
		if y < 8*o || o == 0 {
			t.Errorf("a user's new mail had %.0f, his history %.0f; want about a tenth and not nothing", y, o)
		}
	})
}

func TestHistoryLeavesATenthOfTheUsersMinuteToNewMail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := quota.New(quota.Limits{UnitsPerUserMinute: 6000}, nil).Budget(id.New[id.User]())
		old := b.History()
		reserve(t, old, mails(300, 1), 216)
		refused(t, old, 1, "minute", time.Now().Add(time.Minute+100*time.Millisecond))
		time.Sleep(time.Second)
		reserve(t, b, mails(300, 1), 24)
		time.Sleep(59*time.Second + 100*time.Millisecond)
		reserve(t, old, mails(300, 1), 192)
		reserve(t, b, mails(300, 1), 24)
		if again := old.History(); again == nil {
			t.Error("the history of history")
		}
	})
}

func TestUsersRefusedTogetherDoNotComeBackTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{UnitsPerProjectMinute: 120_000}, nil)
		times := map[time.Time]int{}
		for range 400 {
			b := p.Budget(id.New[id.User]())
			for {
				_, err := b.Reserve(t.Context(), mails(100, 1))
				if err == nil {
					continue
				}
				f, _ := mail.AsFault(err)
				times[f.Until.Truncate(time.Millisecond)]++
				// Who asks too early learns the same again.
				_, err = b.Reserve(t.Context(), mails(100, 1))
				if g, _ := mail.AsFault(err); g == nil || !g.Until.Equal(f.Until) {
					t.Fatalf("asked again: %v, want %v", g, f.Until)
				}
				break
			}
		}
		for at, n := range times {
			if n > 4 {
				t.Errorf("%d users were told %v", n, at)
			}
		}
	})
}

func TestAfterAHoldOfTheProjectUsersComeBackOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(published, nil)
		end := time.Now().Add(time.Minute)
		p.Budget(id.New[id.User]()).Throttled(refusal("project", end))
		seen := map[time.Time]bool{}
		for i := range 200 {
			_, err := p.Budget(id.New[id.User]()).Reserve(t.Context(), mails(100, 1))
			f, ok := mail.AsFault(err)
			if !ok || f.Until.Before(end) || f.Until.After(end.Add(time.Minute)) || seen[f.Until] {
				t.Fatalf("user %d: %v; want a time of his own in the minute after %v", i, f, end)
			}
			seen[f.Until] = true
		}
	})
}

func TestARefusedProjectSlowsDownForAllAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(published, nil)
		workers := many(200, worker{batch: 100, takes: time.Second, late: time.Second}, nil)
		go func() {
			time.Sleep(2 * time.Minute)
			p.Budget(id.New[id.User]()).Throttled(refusal("project", time.Time{}))
		}()
		crowd(t, p, 10*time.Minute, workers)
		google(t, "project", workers, 48_000)
		for m, want := range map[time.Duration]int{3: 24_000 + 4800, 5: 24_000 + 3*4800, 9: 48_000} {
			got := total(workers, m*time.Minute, (m+1)*time.Minute)
			if got > want || float64(got) < 0.95*float64(want-4800) {
				t.Errorf("imports in minute %d = %d, want about %d at most", m+1, got, want)
			}
			if j := jain(workers, m*time.Minute, (m+1)*time.Minute); j < 0.98 {
				t.Errorf("Jain's index in minute %d = %.4f", m+1, j)
			}
		}
	})
}

func TestUsageShowsLimitsAndWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quota.New(quota.Limits{UnitsPerProjectMinute: 100, UnitsPerProjectDay: 10_000}, new(quota.Memory))
		a, b := p.Budget(id.New[id.User]()), p.Budget(id.New[id.User]())
		reserve(t, a, mails(4, 1), 4)
		refused(t, b, 1, "minute", time.Now().Add(time.Minute+100*time.Millisecond))
		want := quota.Usage{
			Minute: quota.Spent{Used: 100, Allowed: 100, Limit: 100},
			Day:    quota.Spent{Used: 100, Allowed: 10_000, Limit: 10_000}, Active: 1, Waiting: 1,
		}
		if got := p.Usage(); got != want {
			t.Errorf("usage = %+v, want %+v", got, want)
		}
		time.Sleep(2 * time.Minute)
		want.Minute.Used, want.Active, want.Waiting = 0, 0, 0
		if got := p.Usage(); got != want {
			t.Errorf("usage later = %+v, want %+v", got, want)
		}
	})
}
