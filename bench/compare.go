package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// measured is one measured program in one setting: medians over the rounds.
type measured struct {
	way, network, program string
	messages              int
	octets                int64
	perSecond, mbs        float64
	cpu                   float64 // µs a message
	rss                   float64 // peak, MB
}

// programs, in the order of a round.
const (
	bare  = "bare pipe"
	one   = "one-request pipe"
	whole = "smtp-sync sync"
)

var programs = []string{bare, one, whole}

// comparison is what all its runs share.
type comparison struct {
	*run
	world  *world.World
	source *dovecot.Server // nil with a source of the user's own
	ways   []way
}

// compare measures smtp-sync sync beside the two pipes, on a real Dovecot.
func compare(ctx context.Context, r *run) error {
	w, err := world.New(ctx, r.target.product)
	if err != nil {
		return err
	}
	defer w.Close()
	c := &comparison{run: r, world: w}
	defer c.close()
	if err := c.setUp(); err != nil {
		return err
	}
	r.result.Store = "SQLite, synchronous=FULL, one fresh store a run"
	r.result.Offered = fmt.Sprintf("as fast as it goes, %d uploads in flight, %d rounds", parallel, r.rounds)
	var all []measured
	for _, network := range r.networks {
		for _, w := range c.ways {
			cases, err := c.rounds(ctx, w, network)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, network, err)
			}
			all = append(all, cases...)
		}
	}
	c.tell(all)
	return nil
}

// setUp starts the source and fills one mailbox a network.
func (c *comparison) setUp() (err error) {
	if c.target.source != "" {
		w, err := c.target.way()
		c.ways, c.networks = []way{w}, []string{"own"}
		c.world.Roots = os.Getenv("SMTPSYNC_TLS_CA_FILE")
		return err
	}
	dir := filepath.Join(c.world.Dir, "d")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(c.world.Dir, 0o755)); err != nil {
		return err
	}
	if c.source, err = dovecot.Launch(dir); err != nil {
		return err
	}
	c.world.Roots = filepath.Join(c.world.Dir, "roots.pem")
	if err := c.source.CA.WriteFile(c.world.Roots); err != nil {
		return err
	}
	for _, w := range c.source.Ways() {
		if slices.Contains(c.run.ways, w.Name) {
			c.ways = append(c.ways, wayOf(w))
		}
	}
	for _, network := range c.networks {
		if err := c.source.AddUser(network, password); err != nil {
			return err
		}
		n := c.count(network)
		c.say("%d messages into the mailbox %q", n, network)
		for i := range n {
			if err := c.source.DeliverFrom(network, "", c.mail(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// count is how many messages the mailbox of a network holds; 0: not known.
func (c *comparison) count(network string) int {
	switch {
	case c.target.source != "":
		return 0
	case network == "distant":
		return c.Distant
	}
	return c.Messages
}

// mail gives the i-th message.
func (c *comparison) mail(i int) io.Reader {
	if c.Size > 0 {
		return testkit.Big(c.Size, uint64(i))
	}
	if paths := testkit.Corpus(); len(paths) > 0 {
		if raw, err := os.ReadFile(paths[i%len(paths)]); err == nil && len(raw) < 100<<10 {
			return bytes.NewReader(raw)
		}
	}
	return bytes.NewReader(testkit.Message(uint64(i)))
}

func (c *comparison) close() {
	if c.source != nil {
		c.source.Stop()
	}
}

// rounds runs the programs in turn, round after round, over one way.
func (c *comparison) rounds(ctx context.Context, w way, network string) ([]measured, error) {
	runs := make(map[string][]measured)
	for round := range c.run.rounds {
		for i := range programs {
			p := programs[(i+round)%len(programs)] // nobody is always first
			c.say("%s, %s, round %d: %s", w.name, network, round+1, p)
			one, err := c.once(ctx, w, network, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			runs[p] = append(runs[p], one)
		}
	}
	var cases []measured
	for _, p := range programs {
		cases = append(cases, median(runs[p]))
	}
	return cases, nil
}

// once runs one program with a fresh Gmail account and a fresh store.
func (c *comparison) once(ctx context.Context, w way, network, program string) (f measured, err error) {
	s, err := c.stage(ctx, w, network)
	if err != nil {
		return f, err
	}
	defer s.close()
	cmd, err := s.command(ctx, program)
	if err != nil {
		return f, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err = cmd.Run()
	elapsed := time.Since(start).Seconds()
	if err != nil {
		return f, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	stored, err := s.double.Messages(ctx, s.email)
	if err != nil {
		return f, err
	}
	f = measured{way: w.name, network: network, program: program, messages: len(stored)}
	for _, m := range stored {
		f.octets += m.Size
	}
	if want := c.count(network); want > 0 && f.messages != want || f.messages == 0 {
		return f, fmt.Errorf("%d of %d messages arrived\n%s", f.messages, want, stderr.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return f, errors.New("no resource usage from the kernel")
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	f.perSecond = float64(f.messages) / elapsed
	f.mbs = float64(f.octets) / 1e6 / elapsed
	f.cpu = float64(cpu.Microseconds()) / float64(f.messages)
	f.rss = float64(usage.Maxrss) / 1024
	return f, nil
}

// median takes the median of each measure.
func median(runs []measured) measured {
	f := runs[0]
	mid := func(get func(measured) float64) float64 {
		var v []float64
		for _, r := range runs {
			v = append(v, get(r))
		}
		return load.Median(v)
	}
	f.perSecond = mid(func(f measured) float64 { return f.perSecond })
	f.mbs = mid(func(f measured) float64 { return f.mbs })
	f.cpu = mid(func(f measured) float64 { return f.cpu })
	f.rss = mid(func(f measured) float64 { return f.rss })
	return f
}

// tell makes the table, with each figure beside the bare pipe's, and the
// figures that have targets.
func (c *comparison) tell(all []measured) {
	t := report.Table{Title: "Each program, medians of the rounds", Header: []string{
		"way", "network", "program", "messages", "messages/s", "MB/s", "to bare pipe", "CPU µs a message", "to bare pipe", "peak RSS MB"}}
	var base measured
	for _, f := range all {
		if f.program == bare {
			base = f
		}
		t.Rows = append(t.Rows, []string{
			f.way, f.network, f.program, fmt.Sprint(f.messages),
			fmt.Sprintf("%.1f", f.perSecond), fmt.Sprintf("%.1f", f.mbs), fmt.Sprintf("%.2f", f.perSecond/base.perSecond),
			fmt.Sprintf("%.0f", f.cpu), fmt.Sprintf("%.2f", f.cpu/base.cpu), fmt.Sprintf("%.1f", f.rss),
		})
		if f.program != whole {
			continue
		}
		at := f.way + ", " + f.network + ": "
		c.result.Add(
			report.Figure{Name: at + "messages/s to bare pipe", Value: f.perSecond / base.perSecond, Beside: "bare pipe", BesideValue: 1},
			report.Figure{Name: at + "MB/s", Value: f.mbs, Unit: "MB/s", Beside: "bare pipe", BesideValue: base.mbs},
			report.Figure{Name: at + "CPU to bare pipe", Value: f.cpu / base.cpu, Beside: "bare pipe", BesideValue: 1},
			report.Figure{Name: at + "CPU a message", Value: f.cpu, Unit: "µs", Beside: "bare pipe", BesideValue: base.cpu},
			report.Figure{Name: at + "peak memory", Value: f.rss, Unit: "MB", Beside: "bare pipe", BesideValue: base.rss})
	}
	c.result.Tables = append(c.result.Tables, t)
}
