package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// flags of the command.
type flags struct {
	role, scenario, file, ways, networks, json, html string

	list, own       bool
	rounds          int
	messages        int
	seconds, factor float64
	target          target
}

func parse(args []string) (f flags, rest []string, err error) {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.StringVar(&f.role, "role", "", "internal: what this process is")
	set.BoolVar(&f.list, "list", false, "list the scenarios")
	set.StringVar(&f.scenario, "scenario", "", "scenarios to run, comma-separated, or all")
	set.StringVar(&f.file, "file", "", "run the scenario in this file")
	set.Float64Var(&f.factor, "scale", 1, "multiply mailboxes, messages and rates, for a quick try")
	set.Float64Var(&f.seconds, "seconds", 0, "steady state that is measured; 0: the scenario's")
	set.StringVar(&f.json, "json", "", "write the results to this file")
	set.StringVar(&f.html, "html", "", "write a report with charts to this file")
	set.IntVar(&f.rounds, "rounds", 3, "interleaved rounds of a comparison")
	set.IntVar(&f.messages, "messages", 0, "messages a run of a comparison; 0: the scenario's")
	set.StringVar(&f.ways, "ways", "POP3S,IMAPS", "ways to the source of a comparison")
	set.StringVar(&f.networks, "networks", "loopback,distant", "loopback: as it is; distant: 20 ms to the source and 50 ms to Gmail")
	set.StringVar(&f.target.source, "source", "", "mailbox of your own for a comparison: pop3s://user@host:port or imaps://…")
	set.StringVar(&f.target.passwordFile, "password-file", "", "file with the password of -source")
	set.StringVar(&f.target.gmail, "gmail", "", "base address of a Gmail double of your own")
	set.StringVar(&f.target.product, "product", "", "absolute path of the smtp-sync to measure, of the same schema as this tree; default: built from it")
	set.BoolVar(&f.own, "i-own-this-host", false, "put load on -source or -gmail although it is not this machine")
	err = set.Parse(args)
	return f, set.Args(), err
}

func command(ctx context.Context, args []string) error {
	f, rest, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case f.role != "":
		return play(ctx, f.role, rest)
	case f.factor <= 0 || f.rounds < 1 || f.seconds < 0:
		return errors.New("-scale and -rounds are above 0, and -seconds is not below")
	}
	if err := f.target.check(ctx, f.own); err != nil {
		return err
	}
	all, err := scenarios()
	if err != nil {
		return err
	}
	if f.list || f.scenario == "" && f.file == "" {
		for _, s := range all {
			fmt.Printf("%-12s %s\n", s.Name, s.About)
		}
		return nil
	}
	chosen, err := f.choose(all)
	if err != nil {
		return err
	}
	return f.perform(ctx, chosen, args)
}

// choose finds the scenarios that are wanted, in their sizes.
func (f flags) choose(all []Scenario) (chosen []Scenario, err error) {
	if f.file != "" {
		s, err := scenarioFile(f.file)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, s)
	}
	for name := range strings.SplitSeq(f.scenario, ",") {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		switch {
		case name == "all":
			chosen = append(chosen, all...)
		case i >= 0:
			chosen = append(chosen, all[i])
		case name != "":
			return nil, fmt.Errorf("no scenario %q: see -list", name)
		}
	}
	for i := range chosen {
		s := chosen[i].scaled(f.factor)
		if f.factor < 1 { // a quick try does not rest long either
			s.Settle, s.Warmup = min(s.Settle, 20), min(s.Warmup, 10)
		}
		if f.seconds > 0 {
			s.Seconds = f.seconds
		}
		if f.messages > 0 {
			s.Messages, s.Distant = f.messages, f.messages
		}
		chosen[i] = s
	}
	return chosen, nil
}

// perform runs them one after the other and writes what came of it. One that
// fails does not keep the others from running.
func (f flags) perform(ctx context.Context, chosen []Scenario, args []string) error {
	root, err := world.Root()
	if err != nil {
		return err
	}
	m := report.ThisMachine(root)
	o := options{rounds: f.rounds, ways: strings.Split(f.ways, ","), networks: strings.Split(f.networks, ","), target: f.target}
	var results []report.Result
	var failed []error
	for _, s := range chosen {
		r, err := perform(ctx, s, o, "go run ./bench "+strings.Join(args, " "), m)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.Name, err))
		}
		results = append(results, r)
		report.Markdown(os.Stdout, results[len(results)-1:])
		if ctx.Err() != nil {
			break
		}
	}
	if f.json != "" {
		b, err := json.MarshalIndent(results, "", "  ")
		if err == nil {
			err = os.WriteFile(f.json, append(b, '\n'), 0o644)
		}
		failed = append(failed, err)
	}
	if f.html != "" {
		failed = append(failed, writeHTML(f.html, results))
	}
	fmt.Fprintf(os.Stderr, "bench: %d targets missed or not measured\n", report.Missed(results))
	return errors.Join(failed...)
}

func writeHTML(path string, results []report.Result) error {
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.HTML(w, results), w.Close())
}
