package main

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// soak looks for what grows.
func soak(ctx context.Context, r *run) error {
	r.result.Offered = offeredBy(r.Fleets)
	o, w, err := r.underLoad(ctx, nil)
	if err != nil {
		return err
	}
	w.Close()
	var at, rss []float64
	for _, s := range o.samples {
		at, rss = append(at, s.At.Sub(o.start).Hours()), append(rss, s.RSS/(1<<20))
	}
	r.result.Steady = r.Seconds
	r.result.Add(
		report.Figure{Name: "resident memory, last quarter to first", Value: growth(rss)},
		report.Figure{Name: "resident memory", Value: load.Median(rss), Unit: "MB"},
		report.Figure{Name: "memory slope", Value: load.Slope(at, rss), Unit: "MB/h"},
		report.Figure{Name: "goroutines, last quarter to first", Value: growth(o.goroutines)},
		report.Figure{Name: "goroutines", Value: load.Median(o.goroutines)},
		report.Figure{Name: "CPU", Value: o.cpu, Unit: "cores"})
	var hs []report.Named
	for i, f := range r.Fleets {
		if f.Rate == 0 {
			continue
		}
		took := o.histogram(r.Fleets[i : i+1])
		hs = append(hs, report.Named{Name: f.Name, Histogram: took})
		r.result.Add(
			report.Figure{Name: "p50, delivery to import, " + f.Name, Value: ms(took.Quantile(0.5)), Unit: "ms"},
			report.Figure{Name: "p99, delivery to import, " + f.Name, Value: ms(took.Quantile(0.99)), Unit: "ms"})
	}
	r.tellTruth(o.truth)
	r.tellGenerator(o.state)
	goroutines := report.Series{Name: "goroutines"}
	for i, n := range o.goroutines {
		goroutines.Points = append(goroutines.Points, report.Point{X: o.samples[i].At.Sub(o.start).Seconds(), Y: n})
	}
	r.result.Charts = append(r.result.Charts, report.Distribution("From delivery to import", hs...),
		report.Chart{Title: "Resident memory", X: "s", Y: "MB", Series: []report.Series{memory("smtp-sync serve", o.samples)}},
		report.Chart{Title: "Goroutines", X: "s", Y: "goroutines", Series: []report.Series{goroutines}})
	return nil
}

// growth is the median of the last quarter over that of the first.
func growth(v []float64) float64 {
	n := max(1, len(v)/4)
	if len(v) < 4 {
		return 1
	}
	return load.Median(v[len(v)-n:]) / load.Median(v[:n])
}

// restart kills the product under load, again and again.
func restart(ctx context.Context, r *run) error {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	n := mailboxes(r.Fleets)
	r.result.Offered = offeredBy(r.Fleets)
	r.say("%d mailboxes", n)
	if err := w.Populate(ctx, r.Fleets, r.pollEvery()); err != nil {
		return err
	}
	p, err := w.Serve(ctx, "", r.Settings)
	if err != nil {
		return err
	}
	defer func() { p.Kill() }()
	if err := w.Hosts.Offer(ctx, r.warmup()+r.steady(), r.Seed); err != nil {
		return err
	}
	if err := pause(ctx, r.warmup()); err != nil {
		return err
	}
	times := report.Series{Name: "95 % scheduled again"}
	worst, recovered := 0.0, 0.0
	for i := range r.Kills {
		if err := pause(ctx, r.steady()/time.Duration(r.Kills+1)); err != nil {
			return err
		}
		if m, err := p.Scrape(ctx); err == nil {
			recovered += m.Sum(metricRecovered)
		}
		took, next, err := r.kill(ctx, w, p, n)
		if err != nil {
			return err
		}
		p = next
		r.say("kill %d: 95 %% scheduled again after %s", i+1, took)
		times.Points = append(times.Points, report.Point{X: float64(i + 1), Y: took.Seconds()})
		worst = max(worst, took.Seconds())
	}
	r.result.Steady = r.Seconds
	if err := w.Settle(ctx, r.settle()); err != nil {
		return err
	}
	m, err := p.Scrape(ctx)
	if err != nil {
		return err
	}
	truth, err := w.Truth(ctx)
	if err != nil {
		return err
	}
	state, err := w.Hosts.State(ctx)
	if err != nil {
		return err
	}
	r.result.Add(
		report.Figure{Name: "95 % scheduled again, worst", Value: worst, Unit: "s"},
		report.Figure{Name: "kills", Value: float64(r.Kills)},
		report.Figure{Name: "claims that the next start found and settled", Value: recovered + m.Sum(metricRecovered)})
	r.tellTruth(truth)
	r.tellGenerator(state)
	r.result.Charts = append(r.result.Charts, report.Chart{Title: "From the start of the process to 95 % of the mailboxes scheduled", X: "kill", Y: "s", Series: []report.Series{times}})
	_, err = p.Stop(time.Minute)
	return err
}

// kill ends the product as a power cut would, starts it anew, and gives the
// time from that start until 95 % of n mailboxes have their time again.
func (r *run) kill(ctx context.Context, w *world.World, p *world.Serve, n int) (time.Duration, *world.Serve, error) {
	p.Kill()
	next, err := w.Serve(ctx, "", r.Settings)
	if err != nil {
		return 0, p, err
	}
	err = next.Until(ctx, 2*time.Minute, func(m world.Metrics) bool {
		return m.Sum(metricArmed)+m.Sum(metricRunning)+m.Sum(metricQueued) >= 0.95*float64(n)
	})
	return time.Since(next.Started), next, err
}
