package load

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// Arrivals gives the times of a Poisson process of rate arrivals a second, as
// distances from the start and below d. Equal arguments give equal times.
func Arrivals(rate float64, d time.Duration, seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if rate <= 0 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0xa11))
		at := 0.0 // seconds
		for {
			at += r.ExpFloat64() / rate
			t := time.Duration(at * float64(time.Second))
			if t >= d || !yield(t) {
				return
			}
		}
	}
}

// Run begins do at each arrival after start, in a goroutine of its own, and
// returns when all have ended. It gives how late the pieces were begun, which
// is the generator's own fault and part of every latency that is counted from
// the intended time.
func Run(ctx context.Context, start time.Time, arrivals iter.Seq[time.Duration], do func(i int, intended time.Time)) *Histogram {
	late := NewHistogram()
	var running sync.WaitGroup
	defer running.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	i := 0
	for at := range arrivals {
		intended := start.Add(at)
		if wait := time.Until(intended); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return late
			}
		} else if ctx.Err() != nil {
			return late
		}
		late.Record(time.Since(intended))
		n := i
		running.Go(func() { do(n, intended) })
		i++
	}
	return late
}
