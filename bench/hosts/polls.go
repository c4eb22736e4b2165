package hosts

import (
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
)

// polls notes when each mailbox was looked at.
type polls struct {
	mu   sync.Mutex
	last []time.Time
	seen []bool // since the last forget
	n    int64
	gaps *load.Histogram
}

func newPolls(boxes int) *polls {
	return &polls{last: make([]time.Time, boxes), seen: make([]bool, boxes), gaps: load.NewHistogram()}
}

func (p *polls) note(box int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last[box].IsZero() {
		p.gaps.Record(at.Sub(p.last[box]))
	}
	p.last[box], p.seen[box] = at, true
	p.n++
}

// forget begins anew; the next gap of a mailbox still counts from its last poll.
func (p *polls) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.seen)
	p.n, p.gaps = 0, load.NewHistogram()
}

// report fills in what was noted.
func (p *polls) report(s *Seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Polls = p.n
	for _, seen := range p.seen {
		if seen {
			s.Boxes++
		}
	}
	if p.gaps.Count() > 0 {
		for _, q := range []float64{0, 0.01, 0.5, 0.99, 1} {
			s.Gaps = append(s.Gaps, p.gaps.Quantile(q).Seconds())
		}
	}
}
