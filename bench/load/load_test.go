package load

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestArrivalsComeAtTheOfferedRate(t *testing.T) {
	t.Parallel()
	const rate, d = 200.0, time.Minute
	times := slices.Collect(Arrivals(rate, d, 1))
	want := rate * d.Seconds()
	if got := float64(len(times)); math.Abs(got-want) > 4*math.Sqrt(want) {
		t.Errorf("%v arrivals, want %v give or take four standard deviations", got, want)
	}
	if !slices.IsSorted(times) || times[len(times)-1] >= d {
		t.Error("the times are not in order, or beyond the end")
	}
	// In a Poisson process the gaps vary as much as their mean.
	var gaps []float64
	for i := range len(times) - 1 {
		gaps = append(gaps, (times[i+1] - times[i]).Seconds())
	}
	var mean, dev float64
	for _, g := range gaps {
		mean += g / float64(len(gaps))
	}
	for _, g := range gaps {
		dev += (g - mean) * (g - mean) / float64(len(gaps))
	}
	if ratio := math.Sqrt(dev) / mean; ratio < 0.95 || ratio > 1.05 {
		t.Errorf("the gaps vary by %.2f of their mean, want about 1", ratio)
	}
}

func TestEqualSeedsGiveEqualArrivals(t *testing.T) {
	t.Parallel()
	collect := func(seed uint64) []time.Duration { return slices.Collect(Arrivals(50, time.Minute, seed)) }
	if !slices.Equal(collect(7), collect(7)) {
		t.Error("one seed gave two schedules")
	}
	if slices.Equal(collect(7), collect(8)) {
		t.Error("two seeds gave one schedule")
	}
	if len(slices.Collect(Arrivals(0, time.Minute, 1))) != 0 {
		t.Error("a rate of 0 offers something")
	}
}

// A system that stalls must be charged for all that was due meanwhile.
func TestLatencyCountsFromTheIntendedTimeThroughAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		stallEnds := start.Add(10 * time.Second)
		took := NewHistogram()
		late := Run(t.Context(), start, Arrivals(100, 20*time.Second, 3), func(_ int, intended time.Time) {
			time.Sleep(time.Until(stallEnds)) // nobody is served before
			took.Record(time.Since(intended))
		})
		if p50 := took.Quantile(0.5); p50 > time.Second {
			t.Errorf("p50 is %v; half of the load came after the stall", p50)
		}
		if p25 := took.Quantile(0.75); p25 < 4*time.Second {
			t.Errorf("p75 is %v: the stall is missing from the figures", p25)
		}
		if m := late.Max(); m > time.Millisecond {
			t.Errorf("the generator waited for the system: it was late by %v", m)
		}
	})
}

// A generator that is late itself says so, and does not move what was intended.
func TestALateGeneratorKeepsTheIntendedTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		slow := func(yield func(time.Duration) bool) {
			if yield(time.Second) {
				time.Sleep(5 * time.Second)
				yield(2 * time.Second)
			}
		}
		var second time.Time
		late := Run(t.Context(), start, slow, func(i int, intended time.Time) {
			if i == 1 {
				second = intended
			}
		})
		if got := second.Sub(start); got != 2*time.Second {
			t.Errorf("the second piece was intended at %s, want 2s", got)
		}
		if m := late.Max(); m < 3900*time.Millisecond {
			t.Errorf("the generator says it was late by %s, want 4s", m)
		}
	})
}

func TestRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var n atomic.Int64
		Run(ctx, time.Now(), Arrivals(10, time.Hour, 1), func(int, time.Time) { n.Add(1) })
		if got := n.Load(); got < 20 || got > 100 {
			t.Errorf("%d pieces of work in 5 s at 10 a second", got)
		}
	})
}

func TestQuantilesAreRightToThreeDigits(t *testing.T) {
	t.Parallel()
	h := NewHistogram()
	for i := 1; i <= 10000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 5 * time.Second, 0.99: 9900 * time.Millisecond, 1: 10 * time.Second} {
		if got := h.Quantile(q); math.Abs(float64(got-want)) > float64(want)/500 {
			t.Errorf("p%v is %v, want %v", q*100, got, want)
		}
	}
	if got, want := h.Mean(), 5000500*time.Microsecond; got != want {
		t.Errorf("the mean is %v, want %v", got, want)
	}
	if h.Count() != 10000 || len(h.Marks()) != len(marks) {
		t.Errorf("%d counted, %d marks", h.Count(), len(h.Marks()))
	}
}

func TestAnHistogramCountsWhatIsOutOfRange(t *testing.T) {
	t.Parallel()
	h := NewHistogram()
	h.Record(-time.Second) // clocks of two processes
	h.Record(48 * time.Hour)
	if h.Count() != 2 || h.Max() < Longest-time.Minute {
		t.Errorf("%d counted, the longest %v", h.Count(), h.Max())
	}
	few := NewHistogram()
	few.Record(time.Second)
	few.Record(time.Minute)
	if min, low := few.Quantile(0), few.Quantile(0.01); min < 999*time.Millisecond || low != min {
		t.Errorf("of a second and a minute the least is %v, and %v at p1", min, low)
	}
	if e := NewHistogram(); e.Quantile(0.5) != 0 || e.Mean() != 0 || e.Marks() != nil {
		t.Error("an empty histogram has values")
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	near("all equal", Jain([]float64{3, 3, 3, 3}), 1)
	near("one has all", Jain([]float64{9, 0, 0, 0}), 0.25)
	near("two to one", Jain([]float64{2, 1}), 0.9)
	near("nobody has anything", Jain([]float64{0, 0}), 0)
	near("nobody there", Jain(nil), 0)
	near("median of three", Median([]float64{9, 1, 5}), 5)
	near("median of four", Median([]float64{9, 1, 5, 7}), 6)
	near("median of none", Median(nil), 0)
	near("slope", Slope([]float64{0, 1, 2, 3}, []float64{5, 7, 9, 11}), 2)
	near("slope of noise without trend", Slope([]float64{0, 1, 2, 3}, []float64{1, 3, 3, 1}), 0)
	near("slope at one place", Slope([]float64{4, 4}, []float64{1, 9}), 0)
}
