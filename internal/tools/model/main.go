// Command model checks docs/model/exactly_once.pml with spin: every variant of
// the protocol must pass a search of its whole state space, and every shortcut
// must be caught with a broken assertion, which shows that the model can see
// the difference. Run it at the root of the module (make model); -all searches
// the rejected alternatives as well.
//
// It needs spin and gcc. Where they are missing it says so and is done, except
// under CI=true, where that is a failure.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

const model = "docs/model/exactly_once.pml"

func main() {
	all := flag.Bool("all", false, "search the rejected alternatives as well")
	flag.Parse()
	if *all {
		variants = append(variants, rejected...)
	}
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("model: skipped: %s is missing: apt-get install spin gcc libc6-dev\n", tool)
			if os.Getenv("CI") == "true" {
				os.Exit(1)
			}
			return
		}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	source, err := filepath.Abs(model)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "smtp-sync-model-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	results := make([]result, len(variants))
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.NumCPU())
	for i, v := range variants {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			results[i] = check(ctx, source, filepath.Join(dir, fmt.Sprint(i)), v)
		})
	}
	wg.Wait()
	return report(results)
}

// result is what the search of one variant found.
type result struct {
	states  string
	broken  string // the assertion that failed, "" = none
	err     error  // the search itself failed or was not complete
	seconds float64
}

var (
	statesLine = regexp.MustCompile(`(?m)^\s*(\d+) states, stored`)
	errorsLine = regexp.MustCompile(`errors: (\d+)`)
	assertLine = regexp.MustCompile(`assertion violated (.*) \(at depth`)
)

// check builds the verifier of one variant in a directory of its own and runs it.
func check(ctx context.Context, source, dir string, v variant) (r result) {
	start := time.Now()
	defer func() { r.seconds = time.Since(start).Seconds() }()
	if r.err = os.Mkdir(dir, 0o700); r.err != nil {
		return r
	}
	var defines []string
	for d := range strings.FieldsSeq(v.defines) {
		defines = append(defines, "-D"+d)
	}
	for _, command := range [][]string{
		append(append([]string{"spin"}, defines...), "-a", source),
		{"gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"},
		{"./pan", "-m200000"},
	} {
		c := exec.CommandContext(ctx, command[0], command[1:]...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if command[0] == "./pan" { // its exit status differs between versions: its report decides
			r.read(string(out))
		} else if err != nil {
			r.err = fmt.Errorf("%s: %w\n%s", command[0], err, out)
			return r
		}
	}
	return r
}

// read takes the verifier's report apart.
func (r *result) read(report string) {
	states, errors, assert := statesLine.FindStringSubmatch(report), errorsLine.FindStringSubmatch(report), assertLine.FindStringSubmatch(report)
	if states == nil || errors == nil {
		r.err = fmt.Errorf("no result in the report:\n%s", report)
		return
	}
	r.states = states[1]
	switch {
	case assert != nil:
		r.broken = assert[1]
	case errors[1] != "0":
		r.err = fmt.Errorf("an error that is no assertion:\n%s", report)
	case strings.Contains(report, "Search not completed") || strings.Contains(report, "max search depth too small"):
		r.err = fmt.Errorf("the search was not complete:\n%s", report)
	}
}

// report prints the table and says what is not as it must be.
func report(results []result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "variant\tmust\tfound\tstates\tseconds\twhat it is")
	var wrong []string
	for i, r := range results {
		v := variants[i]
		must, found := "hold", "holds"
		if !v.holds {
			must = "break"
		}
		if r.broken != "" {
			found = "breaks " + r.broken
		}
		if r.err != nil {
			found = "failed"
			wrong = append(wrong, fmt.Sprintf("%s: %v", v.name(), r.err))
		} else if v.holds != (r.broken == "") {
			wrong = append(wrong, fmt.Sprintf("%s must %s, but it %s", v.name(), must, found))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f\t%s\n", v.name(), must, found, r.states, r.seconds, v.what)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "\n"))
	}
	return nil
}
