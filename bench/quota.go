package main

import (
	"context"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// unitsEach is what an import costs.
const unitsEach = 25

// quota measures how much of the project's budget many busy users get used,
// and how they share it.
func quota(ctx context.Context, r *run) error {
	w, err := r.stageWorld(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	limit := float64(r.Quota.ProjectUnitsPerMinute)
	r.result.Offered = fmt.Sprintf("%s; the project may use %s units a minute, a user %s", offeredBy(r.Fleets),
		report.Number(limit), report.Number(float64(r.Quota.UserUnitsPerMinute)))
	r.say("%d mailboxes with their mail", mailboxes(r.Fleets))
	if err := w.Populate(ctx, r.Fleets, r.pollEvery()); err != nil {
		return err
	}
	if err := w.Double.Quota(ctx, r.Quota); err != nil {
		return err
	}
	p, err := w.Serve(ctx, "", r.Settings, world.Settings{
		"GMAIL_UNITS_PER_USER_MINUTE":    fmt.Sprint(r.Quota.UserUnitsPerMinute),
		"GMAIL_UNITS_PER_PROJECT_MINUTE": fmt.Sprint(r.Quota.ProjectUnitsPerMinute),
	})
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := pause(ctx, r.warmup()); err != nil {
		return err
	}
	r.say("the steady state begins")
	eyes := watching(ctx, p)
	defer eyes.stop()
	before, err := w.Double.Stats(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := pause(ctx, r.steady()); err != nil {
		return err
	}
	after, err := w.Double.Stats(ctx)
	if err != nil {
		return err
	}
	end := time.Now()
	samples, _ := eyes.end(start, end)
	if _, err := p.Stop(time.Minute); err != nil {
		return err
	}
	arrived, err := w.Arrived(ctx)
	if err != nil {
		return err
	}
	shares := map[string]float64{}
	perSecond := make([]float64, int(end.Sub(start).Seconds())+1)
	for _, a := range arrived {
		if a.At.After(start) && a.At.Before(end) {
			shares[a.Email]++
			perSecond[int(a.At.Sub(start).Seconds())]++
		}
	}
	var each []float64
	for _, p := range w.People { // who got nothing counts as well
		each = append(each, shares[p.Email])
	}
	rate := float64(after.Committed-before.Committed) / end.Sub(start).Seconds()
	r.result.Steady = end.Sub(start).Seconds()
	r.result.Add(
		report.Figure{Name: "units used of the budget", Value: 100 * float64(after.Units-before.Units) / (limit * end.Sub(start).Minutes()), Unit: "%", Beside: "the budget", BesideValue: 100},
		report.Figure{Name: "imports", Value: rate, Unit: "messages/s", Beside: "what the budget allows", BesideValue: limit / 60 / unitsEach},
		report.Figure{Name: "refusals by Gmail", Value: float64(after.RateRefused)},
		report.Figure{Name: "Jain's index over users", Value: load.Jain(each), Beside: "all get the same", BesideValue: 1},
		report.Figure{Name: "CPU", Value: cores(samples), Unit: "cores"})
	chart := report.Series{Name: "imports a second"}
	for i, n := range perSecond[:len(perSecond)-1] {
		chart.Points = append(chart.Points, report.Point{X: float64(i), Y: n})
	}
	r.result.Charts = append(r.result.Charts, report.Chart{Title: "Imports in each second of the steady state", X: "s", Y: "messages/s", Series: []report.Series{chart}})
	truth, err := w.Truth(ctx)
	if err != nil {
		return err
	}
	if truth.Lost == 0 {
		r.result.Note("All mail had been imported before the end: the users were not busy throughout, and the share of the budget says too little.")
	}
	r.result.Add(report.Figure{Name: "doubled", Value: float64(truth.Doubled)})
	return nil
}
