package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// Figure is one measured program in one setting: medians over the rounds.
type Figure struct {
	Scenario  string  `json:"scenario"`
	Way       string  `json:"way"`
	Network   string  `json:"network"`
	Program   string  `json:"program"`
	Messages  int     `json:"messages"`
	Octets    int64   `json:"octets"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"messages_per_second"`
	MBs       float64 `json:"mb_per_second"`
	CPU       float64 `json:"cpu_us_per_message"`
	RSS       float64 `json:"peak_rss_mb"`
}

// programs, in the order of a round.
const (
	bare  = "bare pipe"
	one   = "one-request pipe"
	whole = "smtp-sync sync"
)

var programs = []string{bare, one, whole}

// bench is what all runs share.
type bench struct {
	scenario
	self, product string // binaries
	dir           string
	source        *dovecot.Server
}

func measure(ctx context.Context, s scenario, o options) ([]Figure, error) {
	if o.messages > 0 {
		s.messages, s.distant = o.messages, o.messages
	}
	b := &bench{scenario: s}
	defer b.close()
	if err := b.setUp(); err != nil {
		return nil, err
	}
	var all []Figure
	for _, network := range o.networks {
		for _, w := range b.source.Ways() {
			if !slices.Contains(o.ways, w.Name) {
				continue
			}
			figures, err := b.compare(ctx, w, network, o.rounds)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", w.Name, network, err)
			}
			all = append(all, figures...)
		}
	}
	return all, nil
}

// setUp builds the product, starts the source and fills one mailbox a network.
func (b *bench) setUp() (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	b.product = filepath.Join(b.dir, "smtp-sync")
	build := exec.Command("go", "build", "-o", b.product, ".")
	build.Dir = testkit.Root(fatal{})
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	mail := filepath.Join(b.dir, "d")
	if err := os.Mkdir(mail, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if b.source, err = dovecot.Launch(mail); err != nil {
		return err
	}
	for network, n := range map[string]int{"loopback": b.messages, "distant": b.distant} {
		if err := b.source.AddUser(network, password); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "bench: %d messages into the mailbox %q\n", n, network)
		for i := range n {
			if err := b.source.DeliverFrom(network, "", b.mail(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

const password = "bench"

// mail gives the i-th message.
func (b *bench) mail(i int) io.Reader {
	if b.size > 0 {
		return testkit.Big(b.size, uint64(i))
	}
	if paths := testkit.Corpus(); len(paths) > 0 {
		if raw, err := os.ReadFile(paths[i%len(paths)]); err == nil && len(raw) < 100<<10 {
			return bytes.NewReader(raw)
		}
	}
	return bytes.NewReader(testkit.Message(uint64(i)))
}

func (b *bench) close() {
	if b.source != nil {
		b.source.Stop()
	}
	_ = os.RemoveAll(b.dir)
}

// compare runs the programs in turn, round after round, over one way.
func (b *bench) compare(ctx context.Context, w dovecot.Way, network string, rounds int) ([]Figure, error) {
	runs := make(map[string][]Figure)
	for round := range rounds {
		for i := range programs {
			p := programs[(i+round)%len(programs)] // nobody is always first
			fmt.Fprintf(os.Stderr, "bench: %s, %s, round %d: %s\n", w.Name, network, round+1, p)
			f, err := b.once(ctx, w, network, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			runs[p] = append(runs[p], f)
		}
	}
	var figures []Figure
	for _, p := range programs {
		figures = append(figures, median(runs[p]))
	}
	return figures, nil
}

// once runs one program with a fresh Gmail double.
func (b *bench) once(ctx context.Context, w dovecot.Way, network, program string) (f Figure, err error) {
	stage, err := b.stage(ctx, w, network)
	if err != nil {
		return f, err
	}
	defer stage.close()
	cmd := stage.command(ctx, b, w, network, program)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err = cmd.Run()
	elapsed := time.Since(start)
	if err != nil {
		return f, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	count, octets, err := stage.arrived(ctx)
	if err != nil {
		return f, err
	}
	want := b.messages
	if network == "distant" {
		want = b.distant
	}
	if count != want {
		return f, fmt.Errorf("%d of %d messages arrived\n%s", count, want, stderr.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return f, errors.New("no resource usage from the kernel")
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return Figure{
		Scenario: b.name, Way: w.Name, Network: network, Program: program,
		Messages: count, Octets: octets, Seconds: elapsed.Seconds(),
		PerSecond: float64(count) / elapsed.Seconds(),
		MBs:       float64(octets) / 1e6 / elapsed.Seconds(),
		CPU:       float64(cpu.Microseconds()) / float64(count),
		RSS:       float64(usage.Maxrss) / 1024,
	}, nil
}

// median takes the run with the median time, and the median of the rest.
func median(runs []Figure) Figure {
	f := runs[0]
	mid := func(get func(Figure) float64) float64 {
		var v []float64
		for _, r := range runs {
			v = append(v, get(r))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	f.Seconds = mid(func(f Figure) float64 { return f.Seconds })
	f.PerSecond = mid(func(f Figure) float64 { return f.PerSecond })
	f.MBs = mid(func(f Figure) float64 { return f.MBs })
	f.CPU = mid(func(f Figure) float64 { return f.CPU })
	f.RSS = mid(func(f Figure) float64 { return f.RSS })
	return f
}

// fatal lets testkit complain without a test.
type fatal struct{ testkit.TB }

func (fatal) Helper() {}
func (fatal) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	os.Exit(1)
}

func atoi(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		panic("bench: " + err.Error())
	}
	return n
}
