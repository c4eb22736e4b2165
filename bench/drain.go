package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
)

// drain ends the product while large mails are on their way.
func drain(ctx context.Context, r *run) error {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	n := mailboxes(r.Fleets)
	r.result.Offered = fmt.Sprintf("%s, one mail of %s octets in each; %s octets/s and %s round trip to Gmail", offeredBy(r.Fleets),
		report.Number(float64(r.Fleets[0].Size)), report.Number(r.GmailRate), r.Gmail)
	if err := w.Populate(ctx, r.Fleets, r.pollEvery()); err != nil {
		return err
	}
	for _, f := range r.Fleets {
		if err := w.Hosts.Drop(ctx, f.Name); err != nil {
			return err
		}
	}
	slow, err := w.Role(ctx, "delay", strings.TrimPrefix(w.Double.URL, "http://"), r.Gmail, fmt.Sprint(r.GmailRate))
	if err != nil {
		return err
	}
	p, err := w.Serve(ctx, "http://"+slow.Said, r.Settings)
	if err != nil {
		return err
	}
	defer func() { p.Kill() }()
	r.say("until %d uploads are under way", n)
	stats, err := r.underWay(ctx, w, n)
	if err != nil {
		return err
	}
	r.say("SIGTERM")
	took, err := p.Stop(time.Minute)
	if err != nil {
		return err
	}
	after, err := w.Double.Stats(ctx)
	if err != nil {
		return err
	}
	r.result.Add(
		report.Figure{Name: "mails in flight at SIGTERM", Value: 100 * float64(inFlight(stats)) / float64(n), Unit: "%"},
		report.Figure{Name: "SIGTERM to the end", Value: took.Seconds(), Unit: "s"},
		report.Figure{Name: "completed while it drained", Value: float64(after.Committed - stats.Committed), Unit: "messages"})
	r.say("it ended after %s; the next start completes the rest", took)
	if p, err = w.Serve(ctx, "http://"+slow.Said, r.Settings); err != nil {
		return err
	}
	start := time.Now()
	if err := w.Settle(ctx, r.settle()); err != nil {
		return err
	}
	r.result.Add(report.Figure{Name: "until the rest was there, after the next start", Value: time.Since(start).Seconds(), Unit: "s"})
	truth, err := w.Truth(ctx)
	if err != nil {
		return err
	}
	r.tellTruth(truth)
	final, err := w.Double.Stats(ctx)
	if err != nil {
		return err
	}
	size := float64(n) * float64(r.Fleets[0].Size)
	r.result.Add(report.Figure{Name: "octets sent to Gmail", Value: float64(final.Octets) / 1e6, Unit: "MB", Beside: "the mail itself", BesideValue: size / 1e6})
	_, err = p.Stop(time.Minute)
	return err
}

// underWay waits until n uploads are in flight, and a good part of each has
// been sent.
func (r *run) underWay(ctx context.Context, w *world.World, n int) (s gmailtest.Stats, err error) {
	patience, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if s, err = w.Double.Stats(patience); err != nil {
			return s, fmt.Errorf("%d of %d uploads are in flight: %w", inFlight(s), n, err)
		}
		if inFlight(s) >= n && s.Octets > int64(n)*1_000_000 {
			return s, nil
		}
		if err := pause(patience, 100*time.Millisecond); err != nil {
			return s, fmt.Errorf("%d of %d uploads are in flight: %w", inFlight(s), n, err)
		}
	}
}

// inFlight is how many uploads have begun and not ended.
func inFlight(s gmailtest.Stats) int { return s.Requests[gmailtest.Put] - s.Committed }
