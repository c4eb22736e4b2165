package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	stored "github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins"
	fields "github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
	"github.com/smtp-sync/smtp-sync/plugins/shipped/shippedtest"
)

// fiveRules are those of a mailbox with rules on: none of them skips the mail that
// it is asked about.
var fiveRules = []string{"label-by-list-id", "label-by-domain", "mark-important-from", "mark-read-notifications", "subject-regex"}

// rules measures what rules cost: the shipped ones beside the same in Go, through
// the worker that strangers' rules run in, where nothing happens, and where
// somebody means harm.
func rules(ctx context.Context, r *run) error {
	w, err := world.New(ctx, r.target.product)
	if err != nil {
		return err
	}
	defer w.Close()
	r.result.Store = "none"
	r.result.Offered = fmt.Sprintf("a header section of %d octets; lists have 101 domains, of which the last fits", len(shippedtest.Newsletter))
	for _, part := range []func(context.Context, *run, *world.World) error{besideGo, throughWorker, waiting, withHostile} {
		if err := part(ctx, r, w); err != nil {
			return err
		}
	}
	return nil
}

// spent is how long something takes a message: of the processor, collector included.
func (r *run) spent(do func() error) (µs float64, err error) {
	var all []float64
	for range max(r.rounds, 3) {
		n, before, start := 0, ownCPU(), time.Now()
		for time.Since(start) < r.steady()/100 {
			for range 100 {
				if err := do(); err != nil {
					return 0, err
				}
			}
			n += 100
		}
		all = append(all, float64((ownCPU()-before).Nanoseconds())/1e3/float64(n))
	}
	return load.Median(all), nil
}

// besideGo compares each shipped rule with its twin.
func besideGo(ctx context.Context, r *run, _ *world.World) error {
	h, err := plugins.New(ctx, plugins.Options{})
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	header, box := mail.ParseHeader(shippedtest.Newsletter), &fields.Mailbox{Name: "Work", Authserv: []string{"mx.example.net"}}
	t := report.Table{Title: "One message through one rule, on one core", Header: []string{"rule", "µs CPU", "messages/s a core", "fuel", "plain Go, µs", "messages/s a core", "to plain Go"}}
	slowest, besides := math.Inf(1), 0.0
	for _, rule := range shipped.All() {
		r.say("%s", rule.Name)
		wasm, err := filtertest.Wasm(ctx, h, rule.Wasm)
		if err != nil {
			return err
		}
		var µs [2]float64
		var fuel int64
		for i, plugin := range []filtertest.Plugin{wasm, filtertest.Native(rule.Manifest, shippedtest.Twins[rule.Name])} {
			filter, err := plugin.With(ctx, json.RawMessage(shippedtest.Settings[rule.Name]))
			if err != nil {
				return err
			}
			µs[i], err = r.spent(func() error {
				out, err := filter.Run(ctx, fields.Of(header, mail.Ref{Size: 40_000}, box))
				fuel = max(fuel, out.Fuel)
				return err
			})
			if err != nil {
				return err
			}
		}
		t.Rows = append(t.Rows, []string{rule.Name, report.Number(µs[0]), report.Number(math.Round(1e6 / µs[0])), report.Number(float64(fuel)),
			report.Number(µs[1]), report.Number(math.Round(1e6 / µs[1])), report.Number(µs[1] / µs[0])})
		if 1e6/µs[0] < slowest {
			slowest, besides = 1e6/µs[0], 1e6/µs[1]
		}
	}
	chain, err := chainOf(ctx, h)
	if err != nil {
		return err
	}
	five, err := r.spent(func() error {
		_, err := chain.Decide(ctx, header, mail.Ref{Size: 40_000})
		return err
	})
	r.result.Tables = append(r.result.Tables, t)
	r.result.Add(
		report.Figure{Name: "the slowest shipped rule", Value: slowest, Unit: "messages/s a core", Beside: "the same in Go", BesideValue: besides},
		report.Figure{Name: "five rules, one after the other", Value: 1e6 / five, Unit: "messages/s a core"})
	return err
}

// chainOf is the five rules in a host.
func chainOf(ctx context.Context, h *plugins.Host) (*plugins.Chain, error) {
	var specs []plugins.Spec
	for _, name := range fiveRules {
		rule, _ := shipped.Named(name)
		specs = append(specs, plugins.Spec{Name: name, Wasm: rule.Wasm, Settings: json.RawMessage(shippedtest.Settings[name])})
	}
	return h.Chain(ctx, "u", fields.Mailbox{Name: "Work"}, specs)
}

// throughWorker asks shipped rules in the process that uploaded ones run in: one
// after the other, and by the clock.
func throughWorker(ctx context.Context, r *run, w *world.World) error {
	h, err := workerHost(ctx, w)
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	header, box := mail.ParseHeader(shippedtest.Newsletter), &fields.Mailbox{Name: "Work"}
	var all []*plugins.Rule
	for _, s := range shipped.All() {
		p, err := h.Load(ctx, s.Wasm)
		if err != nil {
			return err
		}
		rule, err := p.Rule(ctx, json.RawMessage(shippedtest.Settings[s.Name]))
		if err != nil {
			return err
		}
		all = append(all, rule)
	}
	one := func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := all[i%len(all)].Run(ctx, fields.Of(header, mail.Ref{Size: 40_000}, box))
		return time.Since(start), err
	}
	r.say("through the worker, one after the other")
	took := make([]time.Duration, 0, 1<<20)
	for start := time.Now(); time.Since(start) < r.steady() && len(took) < cap(took); {
		d, err := one(len(took))
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	r.say("through the worker, %v a second by the clock", r.Rate)
	open := make([]time.Duration, 0, 1<<20)
	next := time.Now()
	for at := range load.Arrivals(r.Rate, r.steady(), r.Seed) {
		time.Sleep(time.Until(next.Add(at))) // how late that ends is the generator's
		d, err := one(len(open))
		if err != nil {
			return err
		}
		open = append(open, d)
	}
	for what, d := range map[string][]time.Duration{"one after the other": took, "by the clock": open} {
		slices.Sort(d)
		r.result.Add(
			report.Figure{Name: "through the worker, " + what + ": p50", Value: µsOf(d[len(d)/2]), Unit: "µs"},
			report.Figure{Name: "through the worker, " + what + ": p99", Value: µsOf(d[len(d)*99/100]), Unit: "µs"})
	}
	return nil
}

func µsOf(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func workerHost(ctx context.Context, w *world.World) (*plugins.Host, error) {
	return plugins.New(ctx, plugins.Options{Worker: []string{w.Product, "plugin-worker"}})
}

// everybody has the five rules, which costs a store of everybody's nothing.
type everybody struct {
	rulebook.Store
	rules []stored.Rule
}

func (e everybody) Rules(context.Context, id.User) ([]stored.Rule, error) { return e.rules, nil }
func (everybody) CountRuns(context.Context, id.User, map[id.Rule]stored.Runs) error {
	return nil
}

// waiting measures what is left in memory of a mailbox whose rules were asked, and
// that waits since.
func waiting(ctx context.Context, r *run, _ *world.World) error {
	h, err := plugins.New(ctx, plugins.Options{Budget: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	var e everybody
	for _, name := range fiveRules {
		e.rules = append(e.rules, stored.Rule{ID: id.New[id.Rule](), Name: name, Plugin: name, Config: json.RawMessage(shippedtest.Settings[name]), Everywhere: true, Enabled: true})
	}
	book := rulebook.New(e, h, true)
	header := mail.ParseHeader(shippedtest.Newsletter)
	few, many := 3000, 3000+r.Sleepers
	r.say("%d mailboxes, each of another user, whose five rules are asked once", many)
	var heap [2]int64
	for i := range many {
		chain, err := book.Chain(ctx, id.New[id.User](), account.Mailbox{ID: id.New[id.Mailbox](), Name: "Work"})
		if err != nil {
			return err
		}
		if _, err := chain.Decide(ctx, header, mail.Ref{Size: 40_000}); err != nil {
			return err
		}
		if i+1 == few {
			heap[0] = liveHeap()
		}
	}
	heap[1] = liveHeap()
	r.result.Add(report.Figure{Name: "each idle mailbox with five rules", Value: math.Round(max(0, float64(heap[1]-heap[0])/float64(many-few))), Unit: "B",
		Beside: "all that rules hold", BesideValue: float64(heap[1])})
	runtime.KeepAlive(book)
	return nil
}

func liveHeap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
