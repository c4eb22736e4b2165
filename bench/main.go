package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var (
		role     = flag.String("role", "", "internal: what this process is")
		list     = flag.Bool("list", false, "list the scenarios")
		name     = flag.String("scenario", "throughput", "scenario to run")
		rounds   = flag.Int("rounds", 3, "interleaved rounds")
		messages = flag.Int("messages", 0, "messages a run; 0: the scenario's")
		ways     = flag.String("ways", "POP3S,IMAPS", "ways to the source")
		nets     = flag.String("networks", "loopback,distant", "loopback: as it is; distant: 20 ms to the source and 50 ms to Gmail")
		out      = flag.String("json", "", "write the figures to this file")
	)
	flag.Parse()
	var err error
	switch {
	case *role != "":
		err = play(ctx, *role, flag.Args())
	case *list:
		for _, s := range scenarios {
			fmt.Printf("%-12s %s\n", s.name, s.about)
		}
	default:
		err = run(ctx, *name, options{
			rounds: *rounds, messages: *messages,
			ways: strings.Split(*ways, ","), networks: strings.Split(*nets, ","), json: *out,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	rounds, messages int
	ways, networks   []string
	json             string
}

// scenario is a load.
type scenario struct {
	name, about string
	messages    int
	distant     int   // messages on the distant network, where each takes its time
	size        int64 // of each; 0: real mail, or generated where there is no corpus
}

var scenarios = []scenario{
	{"throughput", "small mail: the corpus where it is found, else generated (about 5.5 KB)", 12000, 1200, 0},
	{"large", "20 mails of 25 MB", 20, 8, 25 << 20},
}

func run(ctx context.Context, name string, o options) error {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return fmt.Errorf("no scenario %q: see -list", name)
	}
	figures, err := measure(ctx, scenarios[i], o)
	if err != nil {
		return err
	}
	print(os.Stdout, scenarios[i], figures)
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}
