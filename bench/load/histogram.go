package load

import (
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Longest is what a histogram can tell apart from anything longer.
const Longest = time.Hour

// Histogram counts durations. It may be used by many goroutines at once.
type Histogram struct {
	mu  sync.Mutex
	h   *hdr.Histogram
	sum time.Duration
}

// NewHistogram makes an empty one.
func NewHistogram() *Histogram {
	return &Histogram{h: hdr.New(1, Longest.Microseconds(), 3)}
}

// Record counts d; what is out of range counts as the end of the range.
func (h *Histogram) Record(d time.Duration) {
	d = min(max(d, time.Microsecond), Longest)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sum += d
	_ = h.h.RecordValue(d.Microseconds()) // in range
}

// Count is how many there are.
func (h *Histogram) Count() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.h.TotalCount()
}

// Quantile gives the duration that the share q (0 to 1) of all does not
// exceed; 0 of an empty histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := float64(h.h.TotalCount())
	switch {
	case n == 0:
		return 0
	case q*n < 1: // the library would round to the zeroth value
		return time.Duration(h.h.Min()) * time.Microsecond
	}
	return time.Duration(h.h.ValueAtQuantile(q*100)) * time.Microsecond
}

// Max is the longest, to three digits.
func (h *Histogram) Max() time.Duration { return h.Quantile(1) }

// Mean is the exact mean; 0 of an empty histogram.
func (h *Histogram) Mean() time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return h.sum / time.Duration(n)
}

// A Mark is one point of a distribution.
type Mark struct {
	Quantile float64 // 0 to 1
	Value    time.Duration
}

// marks are what a chart of a distribution shows.
var marks = []float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 1}

// Marks gives the distribution in a dozen points, none of an empty histogram.
func (h *Histogram) Marks() (out []Mark) {
	if h.Count() == 0 {
		return nil
	}
	for _, q := range marks {
		out = append(out, Mark{q, h.Quantile(q)})
	}
	return out
}
