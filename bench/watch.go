package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// watch looks at the product once a second.
type watch struct {
	mu         sync.Mutex
	samples    []world.Sample
	goroutines []float64
	stop       context.CancelFunc
	done       chan struct{}
}

func watching(ctx context.Context, p *world.Serve) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			w.look(ctx, p)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return w
}

func (w *watch) look(ctx context.Context, p *world.Serve) {
	s, err := world.Look(p.PID)
	if err != nil {
		return // between two lives of the product
	}
	m, err := p.Scrape(ctx)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, s)
	w.goroutines = append(w.goroutines, m.Sum("go_goroutines"))
}

// end stops looking and gives what was seen within a time.
func (w *watch) end(from, to time.Time) (samples []world.Sample, goroutines []float64) {
	w.stop()
	<-w.done
	for i, s := range w.samples {
		if !s.At.Before(from) && !s.At.After(to) {
			samples = append(samples, s)
			goroutines = append(goroutines, w.goroutines[i])
		}
	}
	return samples, goroutines
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// observed is what an open loop over some fleets has shown.
type observed struct {
	start, end time.Time // of the steady state
	samples    []world.Sample
	goroutines []float64
	truth      world.Truth
	state      hosts.State
	cpu        float64 // share of one core, in the steady state
}

// offer lets the generator deliver for warm-up and steady state, waits until
// all has come to rest and asks for the truth.
func (r *run) offer(ctx context.Context, w *world.World, p *world.Serve) (o observed, err error) {
	eyes := watching(ctx, p)
	defer eyes.stop()
	o.start = time.Now().Add(r.warmup())
	o.end = o.start.Add(r.steady())
	if err := w.Hosts.Offer(ctx, time.Until(o.end), r.Seed); err != nil {
		return o, err
	}
	if err := pause(ctx, time.Until(o.end)); err != nil {
		return o, err
	}
	o.samples, o.goroutines = eyes.end(o.start, o.end)
	o.cpu = cores(o.samples)
	if err := w.Settle(ctx, max(r.settle(), 20*time.Second)); err != nil {
		return o, err
	}
	if o.state, err = w.Hosts.State(ctx); err != nil {
		return o, err
	}
	o.truth, err = w.Truth(ctx)
	return o, err
}

// cores is the CPU time a second between the first and the last sample.
func cores(s []world.Sample) float64 {
	if len(s) < 2 {
		return 0
	}
	first, last := s[0], s[len(s)-1]
	return (last.CPU - first.CPU).Seconds() / last.At.Sub(first.At).Seconds()
}

// histogram is how long the messages of some fleets took that were to arrive
// in the steady state.
func (o observed) histogram(fleets []hosts.Fleet) *load.Histogram {
	h := load.NewHistogram()
	for f := range o.inSteadyState(fleets) {
		if !f.At.IsZero() {
			h.Record(f.Took())
		}
	}
	return h
}

func (o observed) inSteadyState(fleets []hosts.Fleet) func(func(world.Fate) bool) {
	names := map[string]bool{}
	for _, f := range fleets {
		names[f.Name] = true
	}
	return func(yield func(world.Fate) bool) {
		for _, f := range o.truth.Fates {
			in := names[f.Fleet] && !f.Intended.Before(o.start) && f.Intended.Before(o.end)
			if in && !yield(f) {
				return
			}
		}
	}
}

// byTime charts how long messages took, over the time of their delivery.
func (o observed) byTime(name string, fleets []hosts.Fleet) []report.Series {
	const parts = 30
	per := o.end.Sub(o.start) / parts
	hs := make([]*load.Histogram, parts)
	for i := range hs {
		hs[i] = load.NewHistogram()
	}
	for f := range o.inSteadyState(fleets) {
		if !f.At.IsZero() {
			hs[min(int(f.Intended.Sub(o.start)/max(per, 1)), parts-1)].Record(f.Took())
		}
	}
	series := []report.Series{{Name: name + ", p50"}, {Name: name + ", p99"}}
	for i, h := range hs {
		if h.Count() == 0 {
			continue
		}
		at := (time.Duration(i) * per).Seconds()
		series[0].Points = append(series[0].Points, report.Point{X: at, Y: ms(h.Quantile(0.5))})
		series[1].Points = append(series[1].Points, report.Point{X: at, Y: ms(h.Quantile(0.99))})
	}
	return series
}

// memory charts the resident memory.
func memory(name string, samples []world.Sample) report.Series {
	s := report.Series{Name: name}
	for _, m := range samples {
		s.Points = append(s.Points, report.Point{X: m.At.Sub(samples[0].At).Seconds(), Y: m.RSS / (1 << 20)})
	}
	return s
}

// tellTruth adds what was lost and doubled.
func (r *run) tellTruth(t world.Truth) {
	r.result.Add(
		report.Figure{Name: "delivered", Value: float64(len(t.Fates)), Unit: "messages"},
		report.Figure{Name: "lost", Value: float64(t.Lost)},
		report.Figure{Name: "doubled", Value: float64(t.Doubled)},
		report.Figure{Name: "altered or foreign", Value: float64(t.Strange)})
}

// tellGenerator says how late the load itself was.
func (r *run) tellGenerator(s hosts.State) {
	r.result.Note("The generator was late by %s ms at p99 and %s ms at most; latencies count from the intended time and contain that.",
		report.Number(s.LateP99), report.Number(s.LateMax))
}

// offeredBy puts the load of fleets into words.
func offeredBy(fleets []hosts.Fleet) string {
	text := ""
	for _, f := range fleets {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%s %s mailboxes of %d users (%s)", report.Number(float64(f.Mailboxes)), f.Protocol, f.Users(), f.Name)
		if f.Behaves != "" {
			text += " at servers that behave: " + f.Behaves
		}
		if f.Rate > 0 {
			text += fmt.Sprintf(", %s messages/s in all, Poisson", report.Number(f.Rate))
		}
		if f.Backlog > 0 {
			text += fmt.Sprintf(", %s messages in each at the start", report.Number(float64(f.Backlog)))
		}
	}
	return text
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
