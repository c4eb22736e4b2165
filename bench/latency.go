package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// latency measures from the delivery of a message to its import.
func latency(ctx context.Context, r *run) error {
	r.result.Offered = offeredBy(r.Fleets)
	o, w, err := r.underLoad(ctx, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	took := o.histogram(r.Fleets)
	pipe, err := r.barePush(ctx, w)
	if err != nil {
		return err
	}
	alone, err := r.gmailAlone(ctx, w)
	if err != nil {
		return err
	}
	r.result.Steady = r.Seconds
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}} {
		all, least := took.Quantile(q.at), alone.Quantile(q.at)
		r.result.Add(
			report.Figure{Name: q.name + ", delivery to import", Value: ms(all), Unit: "ms", Beside: "bare pipe over IDLE", BesideValue: ms(pipe.Quantile(q.at))},
			report.Figure{Name: q.name + ", beyond Gmail's own time", Value: ms(all - least), Unit: "ms", Beside: "two Gmail requests alone, taken off", BesideValue: ms(least)})
	}
	r.result.Add(report.Figure{Name: "messages measured", Value: float64(took.Count())}, report.Figure{Name: "CPU", Value: o.cpu, Unit: "cores"})
	r.tellTruth(o.truth)
	r.tellGenerator(o.state)
	r.result.Note("The source's network is loopback and nothing is taken off for it.")
	r.result.Charts = append(r.result.Charts,
		report.Distribution("From delivery to import", report.Named{Name: "smtp-sync serve", Histogram: took},
			report.Named{Name: "bare pipe over IDLE", Histogram: pipe}, report.Named{Name: "two Gmail requests alone", Histogram: alone}),
		report.Chart{Title: "Over the time of the run", X: "s", Y: "ms", Log: true, Series: o.byTime("smtp-sync serve", r.Fleets)})
	return nil
}

// underLoad makes a world with the scenario's fleets and more, waits until the
// good ones among them that can push are parked, and offers the load. The
// caller closes the world.
func (r *run) underLoad(ctx context.Context, more []hosts.Fleet) (observed, *world.World, error) {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return observed{}, nil, err
	}
	o, err := r.loaded(ctx, w, more)
	if err != nil {
		w.Close()
		return observed{}, nil, err
	}
	return o, w, nil
}

func (r *run) loaded(ctx context.Context, w *world.World, more []hosts.Fleet) (o observed, err error) {
	// The data directory belongs to the product while it runs: neighbours move
	// in between two lives of it.
	lives := [][]hosts.Fleet{r.Fleets}
	if len(more) > 0 {
		lives = append(lives, more)
	}
	for i, fleets := range lives {
		r.say("%d mailboxes", mailboxes(fleets))
		if err := w.Populate(ctx, fleets, r.pollEvery()); err != nil {
			return o, err
		}
		p, err := w.Serve(ctx, "", r.Settings)
		if err != nil {
			return o, err
		}
		defer p.Kill()
		if err := r.untilParked(ctx, p, pushed(r.Fleets)); err != nil {
			return o, err
		}
		if i == len(lives)-1 {
			r.say("the load begins")
			if o, err = r.offer(ctx, w, p); err != nil {
				return o, err
			}
		}
		if _, err := p.Stop(time.Minute); err != nil {
			return o, err
		}
	}
	return o, nil
}

// pushed counts the mailboxes whose servers push, and behave.
func pushed(fleets []hosts.Fleet) (n int) {
	for _, f := range fleets {
		if f.Protocol == "imap" && f.Behaves == "" {
			n += f.Mailboxes
		}
	}
	return n
}

// gmailAlone is the two requests a message at the same rate, without us.
func (r *run) gmailAlone(ctx context.Context, w *world.World) (*load.Histogram, error) {
	rate := 0.0
	for _, f := range r.Fleets {
		rate += f.Rate
	}
	r.say("the two Gmail requests alone, %.0f times a second", rate)
	t, err := w.Double.User(ctx, "alone@gmail.example")
	if err != nil {
		return nil, err
	}
	took, err := ask[[]int64](ctx, w, "gmail", gmailWork{API: w.Double.URL, Token: t.Access, Rate: rate, Seconds: min(r.Seconds, 60), Seed: r.Seed})
	if err != nil {
		return nil, err
	}
	h := load.NewHistogram()
	for _, µs := range took {
		h.Record(time.Duration(µs) * time.Microsecond)
	}
	return h, nil
}

// barePush offers the same load to the bare pipe over IDLE, the product being
// at an end.
func (r *run) barePush(ctx context.Context, w *world.World) (*load.Histogram, error) {
	const email = "pipe@gmail.example"
	t, err := w.Double.User(ctx, email)
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(pushWork{Placed: w.Placed, API: w.Double.URL, Token: t.Access})
	if err != nil {
		return nil, err
	}
	r.say("the bare pipe over IDLE")
	c, err := w.Role(ctx, "pushpipe", string(order))
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	o := observed{start: time.Now(), end: time.Now().Add(min(r.steady(), time.Minute))}
	if err := w.Hosts.Offer(ctx, time.Until(o.end), r.Seed+100); err != nil {
		return nil, err
	}
	if err := pause(ctx, time.Until(o.end)); err != nil {
		return nil, err
	}
	if err := w.Settle(ctx, 10*time.Second); err != nil {
		return nil, err
	}
	delivered, err := w.Hosts.Deliveries(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := w.Double.Messages(ctx, email)
	if err != nil {
		return nil, err
	}
	var arrived []world.Arrival
	for _, m := range stored {
		arrived = append(arrived, world.Arrival{Email: email, Stored: m})
	}
	o.truth = world.Compare(delivered, arrived)
	return o.histogram(r.Fleets), nil
}

// neighbours measures the healthy mailboxes twice: by themselves, and beside
// the fleets of the noise.
func neighbours(ctx context.Context, r *run) error {
	r.result.Offered = offeredBy(r.Fleets) + "; the neighbours: " + offeredBy(r.Noise)
	r.result.Steady = r.Seconds
	var charts [2]report.Chart
	charts[0] = report.Chart{Title: "Resident memory", X: "s", Y: "MB"}
	charts[1] = report.Chart{Title: "Over the time of the run", X: "s", Y: "ms", Log: true}
	var alone *load.Histogram
	var quiet observed
	var hs []report.Named
	for _, c := range []struct {
		name string
		more []hosts.Fleet
	}{{"without the neighbours", nil}, {"with the neighbours", r.Noise}} {
		r.say("%s", c.name)
		o, w, err := r.underLoad(ctx, c.more)
		if err != nil {
			return err
		}
		w.Close()
		h := o.histogram(r.Fleets)
		hs = append(hs, report.Named{Name: c.name, Histogram: h})
		charts[0].Series = append(charts[0].Series, memory(c.name, o.samples))
		charts[1].Series = append(charts[1].Series, o.byTime(c.name, r.Fleets)...)
		if c.more == nil {
			alone, quiet = h, o
			continue
		}
		r.tellNeighbours(alone, h, quiet, o)
	}
	r.result.Charts = append(r.result.Charts, report.Distribution("From delivery to import, of the healthy", hs...), charts[1], charts[0])
	return nil
}

func (r *run) tellNeighbours(alone, with *load.Histogram, quiet, loud observed) {
	const without = "without the neighbours"
	r.result.Add(
		report.Figure{Name: "p50 of the healthy, with the neighbours", Value: ms(with.Quantile(0.5)), Unit: "ms", Beside: without, BesideValue: ms(alone.Quantile(0.5))},
		report.Figure{Name: "p99 of the healthy, with the neighbours", Value: ms(with.Quantile(0.99)), Unit: "ms", Beside: without, BesideValue: ms(alone.Quantile(0.99))},
		report.Figure{Name: "messages measured", Value: float64(with.Count()), Beside: without, BesideValue: float64(alone.Count())},
		report.Figure{Name: "CPU", Value: loud.cpu, Unit: "cores", Beside: without, BesideValue: quiet.cpu},
		report.Figure{Name: "resident memory", Value: meanRSS(loud.samples) / (1 << 20), Unit: "MB", Beside: without, BesideValue: meanRSS(quiet.samples) / (1 << 20)})
	imported, left := 0, 0
	for _, f := range loud.truth.Fates {
		switch {
		case !slices.ContainsFunc(r.Noise, func(n hosts.Fleet) bool { return n.Name == f.Fleet }):
		case f.At.After(loud.start) && f.At.Before(loud.end):
			imported++
		case f.At.IsZero() || f.At.After(loud.end):
			left++
		}
	}
	if imported+left > 0 {
		r.result.Add(
			report.Figure{Name: "imports of the neighbours meanwhile", Value: float64(imported) / loud.end.Sub(loud.start).Seconds(), Unit: "messages/s"},
			report.Figure{Name: "left to the neighbours at the end", Value: float64(left), Unit: "messages"})
	}
	r.tellTruth(loud.truth)
	r.tellGenerator(loud.state)
}
