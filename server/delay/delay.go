// Package delay remembers how long messages were on their way: from the moment
// that their transfer began until they were in Gmail.
//
// It is memory of this process and nothing is written down: the log has a
// closed set of columns, and this is none of them. Durations are counted in
// buckets, each two fifths wider than the one before, in steps of three sizes (for
// a day, a week and a month), so that a mailbox costs some kilobytes however
// much mail it has, and the longest unused is forgotten for a new one.
package delay

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Spans are the lengths of the windows that there are figures for.
var Spans = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// Quantiles are of one step; 0 where nothing was measured.
type Quantiles struct{ P50, P95 time.Duration }

const (
	most    = 1000 // mailboxes; 15 KB each if all their steps have mail
	first   = 10 * time.Millisecond
	wider   = 1.4
	buckets = 32 // the last ends at 5 minutes, and has what takes longer
)

// Keeper keeps them. Its zero value is ready.
type Keeper struct {
	mu    sync.Mutex
	boxes map[id.Mailbox]*box
}

type box struct {
	used  time.Time
	steps []map[int64]*counts // of each span, by the number of the step since 1970
}

type counts [buckets]uint16

// Note counts a message that has reached Gmail at some time.
func (k *Keeper) Note(m id.Mailbox, at time.Time, took time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.boxes[m]
	if b == nil {
		b = k.add(m)
	}
	b.used = at
	for i, span := range Spans {
		w := audit.WindowOf(at, span)
		if b.steps[i] == nil {
			b.steps[i] = map[int64]*counts{}
		}
		n := number(w.At(w.Steps-1), w.Step)
		c := b.steps[i][n]
		if c == nil {
			c = new(counts)
			b.steps[i][n] = c
			for old := range b.steps[i] {
				if old < number(w.From, w.Step) {
					delete(b.steps[i], old)
				}
			}
		}
		if j := bucket(took); c[j] < math.MaxUint16 {
			c[j]++
		}
	}
}

func (k *Keeper) add(m id.Mailbox) *box {
	if k.boxes == nil {
		k.boxes = map[id.Mailbox]*box{}
	}
	if len(k.boxes) >= most {
		var oldest id.Mailbox
		for o, b := range k.boxes {
			if at := k.boxes[oldest]; at == nil || b.used.Before(at.used) {
				oldest = o
			}
		}
		delete(k.boxes, oldest)
	}
	b := &box{steps: make([]map[int64]*counts, len(Spans))}
	k.boxes[m] = b
	return b
}

// Forget forgets a mailbox.
func (k *Keeper) Forget(m id.Mailbox) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.boxes, m)
}

// Of gives the quantiles of each step of a window that is as long as one of
// Spans; nil if there is nothing.
func (k *Keeper) Of(m id.Mailbox, w audit.Window) []Quantiles {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.boxes[m]
	i := slices.IndexFunc(Spans, func(s time.Duration) bool { return audit.WindowOf(w.From, s).Step == w.Step })
	if b == nil || i < 0 {
		return nil
	}
	out, found := make([]Quantiles, w.Steps), false
	for step := range out {
		if c := b.steps[i][number(w.At(step), w.Step)]; c != nil {
			out[step], found = Quantiles{c.quantile(.5), c.quantile(.95)}, true
		}
	}
	if !found {
		return nil
	}
	return out
}

// number gives the step that begins at t.
func number(t time.Time, step time.Duration) int64 { return t.Unix() / int64(step/time.Second) }

func bucket(took time.Duration) int {
	if took <= first {
		return 0
	}
	return min(buckets-1, int(math.Log(float64(took)/float64(first))/math.Log(wider))+1)
}

// quantile gives the upper end of the bucket in which it lies.
func (c *counts) quantile(q float64) time.Duration {
	all := 0
	for _, n := range c {
		all += int(n)
	}
	rank, seen := int(math.Ceil(q*float64(all))), 0
	for i, n := range c {
		if seen += int(n); seen >= rank {
			return time.Duration(float64(first) * math.Pow(wider, float64(i)))
		}
	}
	return 0
}
