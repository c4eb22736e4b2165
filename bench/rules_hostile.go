package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	fields "github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped/shippedtest"
)

// withHostile gives the worker every module that means harm, while this process
// collects its garbage again and again and a goroutine of it watches whether it
// is held up.
func withHostile(ctx context.Context, r *run, w *world.World) error {
	h, err := workerHost(ctx, w)
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	m := misdeeds{host: h}
	calm := heldUp(ctx, func() error { time.Sleep(2 * time.Second); return nil }, &err)
	r.say("%d hostile modules", len(gatetest.AllHostile())+len(gatetest.Slow()))
	busy := heldUp(ctx, func() error {
		for _, module := range slices.Concat(gatetest.AllHostile(), gatetest.Slow()) {
			if err := m.try(ctx, module); err != nil {
				return fmt.Errorf("%s: %w", module.Name, err)
			}
		}
		return nil
	}, &err)
	if err != nil {
		return err
	}
	r.result.Add(
		report.Figure{Name: "hostile module refused, the worst", Value: ms(m.refused.took), Unit: "ms"},
		report.Figure{Name: "hostile module stopped, the worst: CPU", Value: ms(m.stopped.took), Unit: "ms"},
		report.Figure{Name: "hostile module stopped, the worst: by the clock", Value: ms(m.waited.took), Unit: "ms"},
		report.Figure{Name: "another goroutine meanwhile, p99", Value: ms(busy), Unit: "ms", Beside: "with nothing hostile", BesideValue: ms(calm)})
	r.result.Note("%d modules were refused, the slowest: %s. %d were let in and stopped, the slowest: %s. Garbage was collected all the time. Above 8 ms: %s.",
		m.refused.n, m.refused.name, m.stopped.n, m.stopped.name, cmp.Or(strings.Join(m.close, "; "), "none"))
	return nil
}

// heldUp runs do beside a collector that never rests, and tells how late a goroutine
// comes that wants to run each millisecond: the 99th percentile.
func heldUp(ctx context.Context, do func() error, err *error) time.Duration {
	if *err != nil {
		return 0
	}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	var late []time.Duration
	all.Go(func() {
		for ctx.Err() == nil {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			start := time.Now()
			time.Sleep(time.Millisecond)
			late = append(late, time.Since(start)-time.Millisecond)
		}
	})
	*err = do()
	stop()
	all.Wait()
	slices.Sort(late)
	return late[len(late)*99/100]
}

// misdeeds are the worst of what was tried.
type misdeeds struct {
	host            *plugins.Host
	refused         worst    // by the clock
	close           []string // to the limit, or beyond
	stopped, waited worst    // of the worker's processor; by the clock
}

type worst struct {
	n    int
	name string
	took time.Duration
}

func (w *worst) see(name string, took time.Duration) {
	if w.n++; took > w.took {
		w.name, w.took = name, took
	}
}

// try is the median of three: what the machine does beside is not the module's.
func (m *misdeeds) try(ctx context.Context, hostile gatetest.Hostile) error {
	var took []time.Duration
	if !hostile.Runs {
		for range 3 {
			start := time.Now()
			if _, err := m.host.Load(ctx, hostile.Wasm); err == nil {
				return errors.New("it was let in")
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		m.refused.see(hostile.Name, took[1])
		return nil
	}
	p, err := m.host.Load(ctx, packed(hostile.Wasm))
	if err != nil {
		return err
	}
	rule, err := p.Rule(ctx, nil)
	if err != nil {
		return err
	}
	facts := fields.Of(mail.ParseHeader(shippedtest.Newsletter), mail.Ref{}, &fields.Mailbox{})
	var waited []time.Duration
	for range 3 {
		start, cpu := time.Now(), cpuOf(m.host.WorkerPID())
		_, err := rule.Run(ctx, facts)
		waited, took = append(waited, time.Since(start)), append(took, cpuOf(m.host.WorkerPID())-cpu)
		if fault, ok := errors.AsType[*plugins.Fault](err); !ok || fault.Class != plugins.OutOfFuel && fault.Class != plugins.Trap {
			return fmt.Errorf("it ended otherwise: %w", errors.Join(err, errors.New("no fault of its own")))
		}
	}
	slices.Sort(took)
	slices.Sort(waited)
	if took[1] > 8*time.Millisecond {
		m.close = append(m.close, fmt.Sprintf("%s %.1f ms", hostile.Name, ms(took[1])))
	}
	m.stopped.see(hostile.Name, took[1])
	m.waited.see(hostile.Name, waited[1])
	return m.host.Forget(ctx, p.Digest)
}

// cpuOf is the processor's time that a process of ours has used.
func cpuOf(pid int) time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) makes it
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// packed puts a manifest in that asks for no more memory than the module has:
// with less its fuel lasts longer.
func packed(wasm []byte) []byte {
	pages := 1
	if checked, err := gate.Check(wasm, plugins.ABI); err == nil {
		pages = max(pages, checked.Report.Pages)
	}
	out, err := gate.Pack(wasm, fmt.Appendf(nil, `{"abi":"smtpsync_v1","name":"hostile","version":"1.0.0","title":{"en":"x"},"limits":{"memory_pages":%d}}`, pages))
	if err != nil {
		return wasm
	}
	return out
}
