package quota_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// worker is a user at work in a crowd: he asks for a batch, moves what he got,
// and comes again; told to wait, he comes back late by some.
type worker struct {
	batch   int
	takes   time.Duration // a batch, to move
	late    time.Duration // at most, after the time that he was told
	joins   time.Duration
	left    int // messages that he has; 0: more than he can move
	history bool

	got   []grant
	asked int           // calls of Reserve
	ended time.Duration // when the last of left went
}

// grant is when how many messages went.
type grant struct {
	at time.Duration
	n  int
}

// crowd runs the workers beside one project for so long.
func crowd(t *testing.T, limits quota.Limits, lasts time.Duration, workers []*worker) {
	t.Helper()
	p := quota.New(limits, new(quota.Memory))
	start := time.Now()
	var wg sync.WaitGroup
	for i, w := range workers {
		b := p.Budget(id.New[id.User]())
		if w.history {
			b = b.History()
		}
		r := rand.New(rand.NewPCG(uint64(i), 7))
		wg.Go(func() {
			time.Sleep(w.joins)
			for time.Since(start) < lasts {
				n := w.batch
				if w.left > 0 {
					n = min(n, w.left)
				}
				got, err := b.Reserve(t.Context(), make([]int64, n))
				w.asked++
				if err != nil {
					f, ok := mail.AsFault(err)
					if !ok || !f.Until.After(time.Now()) {
						t.Errorf("Reserve = %v: no time to come back", err)
						return
					}
					late := time.Duration(0)
					if w.late > 0 {
						late = time.Duration(r.Int64N(int64(w.late)))
					}
					time.Sleep(time.Until(f.Until) + late)
					continue
				}
				w.got = append(w.got, grant{time.Since(start), got})
				if w.left > 0 {
					if w.left -= got; w.left == 0 {
						w.ended = time.Since(start)
						return
					}
				}
				time.Sleep(w.takes * time.Duration(got) / time.Duration(w.batch))
			}
		})
	}
	wg.Wait()
}

// between sums up what a worker got from a time to another.
func (w *worker) between(from, to time.Duration) (n int) {
	for _, g := range w.got {
		if g.at >= from && g.at < to {
			n += g.n
		}
	}
	return n
}

// jain is Jain's index of fairness: 1 when all have the same.
func jain(workers []*worker, from, to time.Duration) float64 {
	var sum, squares float64
	for _, w := range workers {
		x := float64(w.between(from, to))
		sum, squares = sum+x, squares+x*x
	}
	return sum * sum / (float64(len(workers)) * squares)
}

// google judges a history of grants as strictly as Google might count: by any
// 60 seconds, and by a bucket of one minute's worth that refills evenly.
func google(t *testing.T, what string, workers []*worker, perMinute int) {
	t.Helper()
	var all []grant
	for _, w := range workers {
		all = append(all, w.got...)
	}
	slices.SortFunc(all, func(a, b grant) int { return int(a.at - b.at) })
	used, old := 0, 0
	tokens, last := float64(perMinute), time.Duration(0)
	for _, g := range all {
		for ; all[old].at <= g.at-time.Minute; old++ {
			used -= all[old].n
		}
		if used += g.n; used > perMinute {
			t.Fatalf("%s: %d imports in the minute that ends at %v, want at most %d", what, used, g.at, perMinute)
		}
		tokens = min(float64(perMinute), tokens+float64(perMinute)*(g.at-last).Minutes()) - float64(g.n)
		if last = g.at; tokens < -1e-6 {
			t.Fatalf("%s: the bucket was empty at %v", what, g.at)
		}
	}
}

// many makes n workers, each changed by its number.
func many(n int, w worker, change func(i int, w *worker)) []*worker {
	all := make([]*worker, n)
	for i := range all {
		c := w
		if change != nil {
			change(i, &c)
		}
		all[i] = &c
	}
	return all
}

func TestTwoHundredBusyUsersUseTheProjectsMinuteFairly(t *testing.T) {
	t.Parallel()
	published := quota.Limits{UnitsPerUserMinute: 15_000, UnitsPerProjectMinute: 1_200_000}
	batches := []int{10, 30, 64, 100}
	for _, c := range []struct {
		name    string
		limits  quota.Limits
		workers []*worker
	}{
		{"alike", published, many(200, worker{batch: 100, takes: 2 * time.Second, late: time.Second}, nil)},
		{"punctual", published, many(200, worker{batch: 100, takes: 2 * time.Second}, nil)},
		{"batches", published, many(200, worker{takes: time.Second, late: time.Second}, func(i int, w *worker) {
			w.batch = batches[i%4]
			w.takes = time.Duration(w.batch) * 20 * time.Millisecond
		})},
		{"latencies", published, many(200, worker{batch: 100}, func(i int, w *worker) {
			w.takes = time.Duration(i%8) * time.Second
			w.late = time.Duration(i%5) * 500 * time.Millisecond
		})},
		{"history", published, many(200, worker{batch: 100, takes: 2 * time.Second, late: time.Second, history: true}, nil)},
		{"no limit of a user", quota.Limits{UnitsPerProjectMinute: 1_200_000}, many(200, worker{batch: 100, takes: time.Second, late: time.Second}, nil)},
		{"small project", quota.Limits{UnitsPerProjectMinute: 120_000}, many(200, worker{batch: 100, takes: time.Second, late: time.Second}, nil)},
		{"few", quota.Limits{UnitsPerProjectMinute: 120_000}, many(7, worker{batch: 100, takes: time.Second, late: time.Second}, nil)},
		{"a thousand", published, many(1000, worker{batch: 100, takes: time.Second, late: time.Second}, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const minutes = 10
				crowd(t, c.limits, minutes*time.Minute, c.workers)
				perMinute := int(c.limits.UnitsPerProjectMinute / quota.ImportUnits)
				google(t, "project", c.workers, perMinute)
				asked, grants := 0, 0
				for _, w := range c.workers {
					asked, grants = asked+w.asked, grants+len(w.got)
					if user := c.limits.UnitsPerUserMinute; user > 0 {
						google(t, "user", []*worker{w}, int(user/quota.ImportUnits))
					}
				}
				total := 0
				for _, w := range c.workers {
					total += w.between(0, minutes*time.Minute)
				}
				used := float64(total) / minutes / float64(perMinute)
				over := jain(c.workers, 0, minutes*time.Minute)
				t.Logf("used %.2f %%, Jain %.4f; %d calls, %d grants, %.1f messages each", 100*used, over, asked, grants, float64(total)/float64(grants))
				if used < 0.98 {
					t.Errorf("used %.2f %% of the minute, want 98", 100*used)
				}
				if over < 0.99 {
					t.Errorf("Jain overall = %.4f, want 0.99", over)
				}
				for m := range time.Duration(minutes) {
					j := jain(c.workers, m*time.Minute, (m+1)*time.Minute)
					u := 0
					for _, w := range c.workers {
						u += w.between(m*time.Minute, (m+1)*time.Minute)
					}
					t.Logf("minute %d: used %.2f %%, Jain %.4f", m+1, 100*float64(u)/float64(perMinute), j)
					if j < 0.99 {
						t.Errorf("Jain in minute %d = %.4f, want 0.99", m+1, j)
					}
				}
			})
		})
	}
}
