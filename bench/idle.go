package main

import (
	"context"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// The product's metrics that scenarios read.
const (
	metricArmed   = "smtpsync_actors_armed_mailboxes"
	metricParked  = "smtpsync_actors_parked_connections"
	metricRunning = "smtpsync_actors_running_passes"
	metricQueued  = "smtpsync_actors_queued_mailboxes"
	metricLag     = "smtpsync_actors_lag_duration_seconds"
	metricPasses  = "smtpsync_actors_passes_total"
	metricWrites  = "smtpsync_store_writes_total"

	metricRecovered = "smtpsync_bridge_recovered_claims_total"
)

// idle measures what registered mailboxes cost: first none, then the sleepers,
// then the polled ones among them.
func idle(ctx context.Context, r *run) error {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	n := mailboxes(r.Fleets)
	r.result.Offered = fmt.Sprintf("%s registered mailboxes that are not due; %s, each polled every %s, nothing new in them",
		report.Number(float64(r.Sleepers)), offeredBy(r.Fleets), r.PollEvery)
	r.say("serve with no mailbox")
	empty, err := r.atRest(ctx, w)
	if err != nil {
		return err
	}
	r.say("%d mailboxes that are not due", r.Sleepers)
	if err := w.Sleepers(ctx, r.Sleepers, time.Now().Add(24*time.Hour)); err != nil {
		return err
	}
	full, err := r.atRest(ctx, w)
	if err != nil {
		return err
	}
	r.result.Add(report.Figure{
		Name: "resident memory a registered mailbox", Value: (full - empty) / float64(r.Sleepers), Unit: "B",
		Beside: "of user id, mailbox id, lane and due time", BesideValue: 48,
	}, report.Figure{Name: "resident memory with them", Value: full / (1 << 20), Unit: "MB", Beside: "with no mailbox", BesideValue: empty / (1 << 20)})

	r.say("%d polled mailboxes", n)
	if err := w.Populate(ctx, r.Fleets, r.pollEvery()); err != nil {
		return err
	}
	return r.polls(ctx, w, n)
}

// atRest starts the product, gives it time to come to rest, and takes its
// resident memory.
func (r *run) atRest(ctx context.Context, w *world.World) (rss float64, err error) {
	p, err := w.Serve(ctx, "", r.Settings)
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	if err := pause(ctx, r.settle()); err != nil {
		return 0, err
	}
	s, err := world.Look(p.PID)
	if err != nil {
		return 0, err
	}
	_, err = p.Stop(time.Minute)
	return s.RSS, err
}

// polls measures passes over mailboxes with nothing new.
func (r *run) polls(ctx context.Context, w *world.World, n int) error {
	p, err := w.Serve(ctx, "", r.Settings)
	if err != nil {
		return err
	}
	defer p.Kill()
	r.say("until each has been looked at twice: only then nothing is left to note")
	err = p.Until(ctx, 5*r.pollEvery()+5*time.Minute, func(m world.Metrics) bool {
		return m.Sum(metricPasses, `result="unchanged"`) >= float64(n)
	})
	if err != nil {
		return err
	}
	if err := w.Hosts.Forget(ctx); err != nil {
		return err
	}
	before, err := p.Scrape(ctx)
	if err != nil {
		return err
	}
	eyes := watching(ctx, p)
	defer eyes.stop()
	start := time.Now()
	if err := pause(ctx, r.steady()); err != nil {
		return err
	}
	after, err := p.Scrape(ctx)
	if err != nil {
		return err
	}
	end := time.Now()
	samples, _ := eyes.end(start, end)
	seen, err := w.Hosts.Seen(ctx)
	if err != nil {
		return err
	}
	if _, err := p.Stop(time.Minute); err != nil {
		return err
	}
	r.result.Steady = end.Sub(start).Seconds()
	r.result.Charts = append(r.result.Charts, report.Chart{Title: "Resident memory during the passes", X: "s", Y: "MB",
		Series: []report.Series{memory("smtp-sync serve", samples)}})
	r.tellPolls(samples, after.Minus(before), seen, n)
	return r.besideBarePolls(ctx, w, samples, seen, end.Sub(start))
}

func (r *run) tellPolls(samples []world.Sample, d world.Metrics, seen map[string]hosts.Seen, n int) {
	boxes := 0
	for _, s := range seen {
		boxes += s.Boxes
		if len(s.Gaps) == 5 {
			r.result.Note("Between two polls of a mailbox, as its server saw them: %s s at p1, %s s in the median, %s s at p99, %s s at most.",
				report.Number(s.Gaps[1]), report.Number(s.Gaps[2]), report.Number(s.Gaps[3]), report.Number(s.Gaps[4]))
		}
	}
	quarter := max(1, len(samples)/4)
	r.result.Add(
		report.Figure{Name: "mailboxes polled at least once", Value: 100 * float64(boxes) / float64(n), Unit: "%"},
		report.Figure{Name: "lag, p50", Value: ms(d.Quantile(metricLag, 0.5)), Unit: "ms"},
		report.Figure{Name: "lag, p99", Value: ms(d.Quantile(metricLag, 0.99)), Unit: "ms"},
		report.Figure{Name: "store writes during the passes", Value: d.Sum(metricWrites)},
		report.Figure{Name: "passes that were not empty", Value: d.Sum(metricPasses) - d.Sum(metricPasses, `result="unchanged"`)},
		report.Figure{Name: "memory after the passes to before", Value: meanRSS(samples[len(samples)-quarter:]) / meanRSS(samples[:quarter])})
}

func meanRSS(samples []world.Sample) (mean float64) {
	for _, s := range samples {
		mean += s.RSS / float64(len(samples))
	}
	return mean
}

// besideBarePolls measures the same exchanges, at the same rate, by themselves.
func (r *run) besideBarePolls(ctx context.Context, w *world.World, samples []world.Sample, seen map[string]hosts.Seen, took time.Duration) error {
	f := w.Placed[0]
	polls := float64(seen[f.Name].Polls)
	rate := polls / took.Seconds()
	r.say("the bare exchange, %.0f times a second", rate)
	alone, err := ask[polled](ctx, w, "poller", pollWork{Placed: f, Rate: rate, Seconds: min(took.Seconds(), 60), Seed: r.Seed})
	if err != nil {
		return err
	}
	cpu := cores(samples) * took.Seconds() * 1e6 / polls
	r.result.Add(
		report.Figure{Name: "polls", Value: rate, Unit: "polls/s"},
		report.Figure{Name: "CPU of an empty poll", Value: cpu, Unit: "µs", Beside: "the bare exchange", BesideValue: alone.CPU},
		report.Figure{Name: "CPU of an empty poll to the bare exchange", Value: cpu / alone.CPU, Beside: "the bare exchange", BesideValue: 1})
	r.result.Note("CPU is all that the process used, the schedule of all mailboxes and one look at its metrics a second included.")
	return nil
}

// push measures what a mailbox costs whose connection waits in IDLE.
func push(ctx context.Context, r *run) error {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	n := mailboxes(r.Fleets)
	r.result.Offered = offeredBy(r.Fleets)
	r.say("serve with no mailbox")
	empty, err := r.atRest(ctx, w)
	if err != nil {
		return err
	}
	r.say("%d mailboxes", n)
	if err := w.Populate(ctx, r.Fleets, r.pollEvery()); err != nil {
		return err
	}
	p, err := w.Serve(ctx, "", r.Settings)
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := r.untilParked(ctx, p, n); err != nil {
		r.say("%v", err)
	}
	took := time.Since(p.Started)
	if err := pause(ctx, r.settle()); err != nil {
		return err
	}
	eyes := watching(ctx, p)
	start := time.Now()
	if err := pause(ctx, r.steady()); err != nil {
		return err
	}
	samples, goroutines := eyes.end(start, time.Now())
	m, err := p.Scrape(ctx)
	if err != nil {
		return err
	}
	seen, err := w.Hosts.Seen(ctx)
	if err != nil {
		return err
	}
	open := 0
	for _, s := range seen {
		open += s.Connections
	}
	if _, err := p.Stop(time.Minute); err != nil {
		return err
	}
	r.say("as many bare TLS connections, or some of them")
	alone, err := ask[float64](ctx, w, "wait", w.Placed[0])
	if err != nil {
		return err
	}
	last := samples[len(samples)-1]
	r.result.Steady = r.Seconds
	r.result.Add(
		report.Figure{Name: "connections parked", Value: 100 * m.Sum(metricParked) / float64(n), Unit: "%", Beside: "open at the servers", BesideValue: 100 * float64(open) / float64(n)},
		report.Figure{Name: "resident memory a parked mailbox", Value: (last.RSS - empty) / float64(n) / 1024, Unit: "KB", Beside: "a goroutine that waits on a TLS connection", BesideValue: alone / 1024},
		report.Figure{Name: "goroutines a parked mailbox", Value: goroutines[len(goroutines)-1] / float64(n)},
		report.Figure{Name: "until all were parked", Value: took.Seconds(), Unit: "s"},
		report.Figure{Name: "CPU while nothing happens", Value: 100 * cores(samples), Unit: "% of a core"},
		report.Figure{Name: "file descriptors", Value: float64(last.FDs)})
	r.result.Charts = append(r.result.Charts, report.Chart{Title: "Resident memory, all parked", X: "s", Y: "MB", Series: []report.Series{memory("smtp-sync serve", samples)}})
	return nil
}

// untilParked waits until n connections wait for push.
func (r *run) untilParked(ctx context.Context, p *world.Serve, n int) error {
	r.say("until %d connections are parked", n)
	err := p.Until(ctx, 10*time.Minute, func(m world.Metrics) bool { return m.Sum(metricParked) >= float64(n) })
	if err != nil {
		return fmt.Errorf("until %d connections are parked: %w", n, err)
	}
	return nil
}
