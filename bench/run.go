package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// kinds are what can be done with a scenario.
var kinds map[string]func(context.Context, *run) error

func init() { // they read the scenario, which reads kinds
	kinds = map[string]func(context.Context, *run) error{
		"compare": compare, "idle": idle, "push": push, "quota": quota, "latency": latency,
		"neighbours": neighbours, "web": web, "soak": soak, "restart": restart, "drain": drain, "rules": rules,
	}
}

// options of a run.
type options struct {
	rounds         int
	ways, networks []string
	target         target
}

// run is one scenario under way.
type run struct {
	Scenario
	options
	result *report.Result
	began  time.Time
}

// perform runs a scenario. A failure is part of its result: what it was meant
// to show has not been measured.
func perform(ctx context.Context, s Scenario, o options, command string, m report.Machine) (report.Result, error) {
	r := &run{Scenario: s, options: o, began: time.Now(), result: &report.Result{
		Scenario: s.Name, About: s.About, Command: command, Machine: m,
		Store: "SQLite, synchronous=FULL, page encryption on",
	}}
	err := kinds[s.Kind](ctx, r)
	if err != nil {
		r.result.Note("It failed: %v", err)
	}
	r.result.Judge(s.Targets)
	return *r.result, err
}

// say tells whoever waits what is going on.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: %s, %3.0f s: %s\n", r.Name, time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// stageWorld makes a world with a double and mail servers, still empty.
func (r *run) stageWorld(ctx context.Context) (w *world.World, err error) {
	if w, err = world.New(ctx, r.target.product); err != nil {
		return nil, err
	}
	if err = errors.Join(w.StartDouble(ctx, r.target.gmail), w.StartHosts(ctx)); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// ask runs this program in a role that says one line of JSON.
func ask[T any](ctx context.Context, w *world.World, role string, order any) (answer T, err error) {
	b, err := json.Marshal(order)
	if err != nil {
		return answer, err
	}
	c, err := w.Role(ctx, role, string(b))
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal([]byte(c.Said), &answer); err != nil {
		return answer, fmt.Errorf("%s says %.80q: %w", role, c.Said, err)
	}
	return answer, nil
}
