package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Web is the load of kind web.
type Web struct {
	Users       int     `json:"users"`       // each with a token, a paused mailbox and Lines
	Lines       int     `json:"lines"`       // of the audit of each
	Connections int     `json:"connections"` // of the load
	Rate        float64 `json:"rate"`        // pages of the audit a second in the open loop
	Beside      float64 `json:"beside"`      // the same while the engine imports
	Streams     int     `json:"streams"`     // of events, at most one for each user
}

func (w Web) check() error {
	if w.Users < 2 || w.Lines < 1 || w.Connections < 1 || w.Rate <= 0 || w.Beside <= 0 || w.Streams < 1 || w.Streams > w.Users {
		return errors.New("web: all its numbers are above 0, there are two users at least, and no more streams than users")
	}
	return nil
}

// scaled keeps so many users that the limit of each is not reached: the rate
// that a machine can do does not become less.
func (w Web) scaled(by float64) Web {
	scale := func(n, least int) int { return min(n, max(least, int(float64(n)*by))) }
	w.Users, w.Lines, w.Streams = scale(w.Users, 300), scale(w.Lines, 100), scale(w.Streams, 100)
	return w
}

// web measures API and files under load, in three lives of the product: by
// itself, with event streams, and while it imports.
func web(ctx context.Context, r *run) error {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	r.result.Offered = fmt.Sprintf("%s users with a token each and %s lines of audit each, %d connections; while it imports: %s",
		report.Number(float64(r.Web.Users)), report.Number(float64(r.Web.Lines)), r.Web.Connections, offeredBy(r.Fleets))
	r.result.Steady = r.Seconds
	r.say("%d users with %d lines of audit each", r.Web.Users, r.Web.Lines)
	tokens, err := w.Readers(ctx, r.Web.Users, r.Web.Lines)
	if err != nil {
		return err
	}
	for _, life := range []func(context.Context, *world.World, *world.Serve, []vault.Secret) error{r.webAlone, r.webStreams} {
		if err := r.oneLife(ctx, w, tokens, life); err != nil {
			return err
		}
	}
	r.say("%d mailboxes with their mail", mailboxes(r.Fleets))
	if err := w.Populate(ctx, r.Fleets, r.pollEvery()); err != nil {
		return err
	}
	return r.oneLife(ctx, w, tokens, r.webBesideImports)
}

// oneLife starts the product, measures and ends it.
func (r *run) oneLife(ctx context.Context, w *world.World, tokens []vault.Secret, measure func(context.Context, *world.World, *world.Serve, []vault.Secret) error) error {
	p, err := w.Serve(ctx, "", r.Settings)
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := measure(ctx, w, p, tokens); err != nil {
		return fmt.Errorf("%w\n%s", err, p.LogTail())
	}
	_, err = p.Stop(time.Minute)
	return err
}

// webAlone measures pages of the audit and files, each beside programs that
// write the same octets from memory.
func (r *run) webAlone(ctx context.Context, w *world.World, p *world.Serve, tokens []vault.Secret) error {
	audit := asking("/api/v1/audit", tokens...)
	r.say("every user's first page, which opens his database")
	if _, err := pound(ctx, p.Web, audit, r.Web.Connections, time.Minute, len(audit)); err != nil {
		return err
	}
	page, err := answerTo(ctx, p.Web, audit[0])
	if err != nil {
		return err
	}
	asset, err := anAsset(ctx, p.Web)
	if err != nil {
		return err
	}
	file, err := answerTo(ctx, p.Web, asking(asset)[0])
	if err != nil {
		return err
	}
	t := &webTable{run: r, world: w}
	got := map[string]pounded{}
	for _, row := range []struct {
		name     string
		requests [][]byte
		octets   []byte
	}{
		{name: "a page of the audit", requests: audit, octets: page},
		{name: "a file", requests: asking(asset), octets: file},
		{name: "/healthz", requests: asking("/healthz")},
	} {
		r.say("%s", row.name)
		if got[row.name], err = t.row(ctx, "smtp-sync serve: "+row.name, p.PID, p.Web, row.requests); err != nil {
			return err
		}
		for _, kind := range []string{"net/http", "bare loop"} {
			if row.octets == nil {
				continue
			}
			if got[kind+row.name], err = t.hello(ctx, kind, row.name, row.octets); err != nil {
				return err
			}
		}
	}
	r.result.Tables = append(r.result.Tables, t.table())
	both := func(what, name string) {
		g, beside := got[name], got["bare loop"+name]
		r.result.Add(report.Figure{Name: what, Value: g.rate(), Unit: "req/s", Beside: "a bare loop over TCP with the same octets", BesideValue: beside.rate()},
			report.Figure{Name: what + ", p99", Value: ms(g.took.Quantile(0.99)), Unit: "ms", Beside: "a bare loop over TCP with the same octets", BesideValue: ms(beside.took.Quantile(0.99))})
	}
	both("audit", "a page of the audit")
	both("static", "a file")
	r.result.Note("A page of the audit has 50 lines in %s octets, head included; the file has %s. The limits are on: 1,200 reads a minute and user.",
		report.Number(float64(len(page))), report.Number(float64(len(file))))
	if err := r.byTheClock(ctx, p, audit); err != nil {
		return err
	}
	return r.greed(ctx, p, tokens)
}

// byTheClock offers pages of the audit at a constant rate.
func (r *run) byTheClock(ctx context.Context, p *world.Serve, audit [][]byte) error {
	r.say("pages of the audit by the clock, %.0f a second", r.Web.Rate)
	o, err := offerPages(ctx, p.Web, audit, r.Web.Connections, r.Web.Rate, r.steady(), r.Seed)
	if err != nil {
		return err
	}
	r.result.Add(report.Figure{Name: "audit by the clock, p50", Value: ms(o.took.Quantile(0.5)), Unit: "ms"},
		report.Figure{Name: "audit by the clock, p99", Value: ms(o.took.Quantile(0.99)), Unit: "ms"},
		report.Figure{Name: "audit by the clock, refused or failed", Value: float64(o.other())})
	r.result.Note("By the clock: %s pages a second, Poisson, from the intended time; the generator was late by %s ms at p99.",
		report.Number(r.Web.Rate), report.Number(ms(o.late.Quantile(0.99))))
	return nil
}

// greed lets the first user ask as fast as two connections can, while the
// others ask at half the rate of the open loop.
func (r *run) greed(ctx context.Context, p *world.Serve, tokens []vault.Secret) error {
	r.say("a greedy user beside the others")
	greedy := make(chan pounded, 1)
	failed := make(chan error, 1)
	go func() {
		g, err := pound(ctx, p.Web, asking("/api/v1/audit", tokens[0]), 2, r.steady(), 0)
		greedy <- g
		failed <- err
	}()
	o, err := offerPages(ctx, p.Web, asking("/api/v1/audit", tokens[1:]...), r.Web.Connections, r.Web.Rate/2, r.steady(), r.Seed+1)
	g := <-greedy
	if err := errors.Join(err, <-failed); err != nil {
		return err
	}
	const beside = "allowed: a burst of 1,200 and 20 a second"
	r.result.Add(
		report.Figure{Name: "greedy user: answered", Value: float64(g.status[200]), Unit: "pages", Beside: beside, BesideValue: 1200 + 20*r.Seconds},
		report.Figure{Name: "greedy user: 429", Value: float64(g.status[429])},
		report.Figure{Name: "greedy user: 429 without Retry-After, or anything else", Value: float64(g.mute + g.other() - g.status[429])},
		report.Figure{Name: "the others beside him: refused or failed", Value: float64(o.other())},
		report.Figure{Name: "the others beside him: p99", Value: ms(o.took.Quantile(0.99)), Unit: "ms"})
	return nil
}

// webBesideImports measures the API while the engine imports as fast as it can.
func (r *run) webBesideImports(ctx context.Context, w *world.World, p *world.Serve, tokens []vault.Secret) error {
	if err := pause(ctx, r.warmup()); err != nil {
		return err
	}
	r.say("pages of the audit while the engine imports, %.0f a second", r.Web.Beside)
	before, err := w.Double.Stats(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	o, err := offerPages(ctx, p.Web, asking("/api/v1/audit", tokens...), r.Web.Connections, r.Web.Beside, r.steady(), r.Seed+2)
	if err != nil {
		return err
	}
	after, err := w.Double.Stats(ctx)
	if err != nil {
		return err
	}
	r.result.Add(
		report.Figure{Name: "audit while the engine imports, p50", Value: ms(o.took.Quantile(0.5)), Unit: "ms"},
		report.Figure{Name: "audit while the engine imports, p99", Value: ms(o.took.Quantile(0.99)), Unit: "ms"},
		report.Figure{Name: "imports meanwhile", Value: float64(after.Committed-before.Committed) / time.Since(start).Seconds(), Unit: "messages/s"})
	r.result.Note("While the engine imports: %s pages a second, Poisson, from the intended time; the generator was late by %s ms at p99.",
		report.Number(r.Web.Beside), report.Number(ms(o.late.Quantile(0.99))))
	return nil
}
