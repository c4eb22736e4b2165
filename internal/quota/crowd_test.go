package quota_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// published are Google's limits, for projects made before May 2026: so that the
// project's minute is what 200 users want more of, and not their own.
var published = quota.Limits{UnitsPerUserMinute: 15_000, UnitsPerProjectMinute: 1_200_000}

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
	again int           // of them, at the time that the one before had named,
	vain  int           // and refused all the same
	ended time.Duration // when the last of left went
}

// grant is when how many messages went.
type grant struct {
	at time.Duration
	n  int
}

// crowd runs the workers beside one project for so long.
func crowd(t *testing.T, p *quota.Project, lasts time.Duration, workers []*worker) {
	t.Helper()
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
			told := false
			for time.Since(start) < lasts {
				n := w.batch
				if w.left > 0 {
					n = min(n, w.left)
				}
				got, err := b.Reserve(t.Context(), make([]int64, n))
				w.asked++
				if told {
					w.again++
				}
				if told && err != nil {
					w.vain++
				}
				told = err != nil
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

// total sums up what all workers got from a time to another.
func total(workers []*worker, from, to time.Duration) (n int) {
	for _, w := range workers {
		n += w.between(from, to)
	}
	return n
}
