package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/jobs"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/telemetry"
)

type serveCmd struct{}

// graceful is what books and pages get after the drain. With the second that
// cancelled uploads have, the process has ended two seconds after its drain time.
const graceful = 800 * time.Millisecond

// Run is the service, until SIGTERM.
func (serveCmd) Run(a *app) error {
	cfg, err := a.config("serve")
	if err != nil {
		return err
	}
	metrics := telemetry.NewMetrics()
	p, err := a.assemble(cfg, exclusive, metrics)
	if err != nil {
		return ended(a.ctx, err)
	}
	defer p.close()
	pages, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return listening("SMTPSYNC_LISTEN", err)
	}
	defer pages.Close()
	var numbers net.Listener
	if cfg.MetricsListen != "off" {
		if numbers, err = net.Listen("tcp", cfg.MetricsListen); err != nil {
			return listening("SMTPSYNC_METRICS_LISTEN", err)
		}
		defer numbers.Close()
	}
	p.log.Info("serving", "addr", pages.Addr().String())
	return ended(a.ctx, p.serve(a.ctx, pages, numbers))
}

// ended is why a service ended: SIGTERM is how it does, in the start as well,
// where what was under way fails for it.
func ended(ctx context.Context, why error) error {
	if errors.Is(context.Cause(ctx), errTerminated) && (errors.Is(why, errTerminated) || errors.Is(why, context.Canceled)) {
		return nil
	}
	return why
}

// serve runs engine and HTTP until ctx ends or one of them fails, and says why
// it ended. numbers may be nil: no metrics.
func (p *parts) serve(ctx context.Context, pages, numbers net.Listener) error {
	closeRules, err := p.openRules(ctx)
	if err != nil {
		return err
	}
	defer closeRules()
	engine := p.engine()
	if err := p.openOffice(engine); err != nil {
		return errors.Join(err, engine.Drain(context.WithoutCancel(ctx)))
	}
	p.openDesk(engine)
	failed := make(chan error, 2)
	var web sync.WaitGroup
	front, shut := context.WithCancel(context.WithoutCancel(ctx))
	defer shut()
	site, err := p.web(engine, func() bool {
		return ctx.Err() == nil && engine.Err() == nil && p.store.Ping(front) == nil && started(engine)
	})
	if err != nil {
		return errors.Join(err, engine.Drain(context.WithoutCancel(ctx)))
	}
	queue, err := p.startJobs(front, engine)
	if err != nil {
		return errors.Join(err, engine.Drain(context.WithoutCancel(ctx)))
	}
	run := func(f func(context.Context) error) {
		web.Go(func() {
			if err := f(front); err != nil {
				failed <- err
			}
		})
	}
	run(func(ctx context.Context) error { return site.Serve(ctx, pages) })
	if numbers != nil {
		run(func(ctx context.Context) error { return serveMetrics(ctx, numbers, p.metrics) })
	}
	web.Go(func() { p.figures(front) })
	web.Go(func() { giveBack(front) })

	var why error
	select {
	case <-ctx.Done():
		why = context.Cause(ctx)
	case why = <-failed:
	case <-engine.Failed():
		why = engine.Err()
	}
	p.log.Info("draining")
	after := context.WithoutCancel(ctx)
	p.drain(after, queue, engine)
	shut()
	rest, end := context.WithTimeout(after, graceful)
	defer end()
	within(rest, func() {
		p.office.Close(rest)
		p.tokens.Close(rest)
		if err := p.project.Close(rest); err != nil {
			p.log.Warn("budget not given back", "err", err)
		}
		web.Wait()
	})
	return why
}

// engine starts the engine over every mailbox in the store.
func (p *parts) engine() *actors.Engine {
	cfg := p.cfg
	return actors.Start(actors.Options{
		Log: p.log, Registry: p.store, Accounts: accounts{p}, Metrics: p.metrics,
		Policy: schedule.Policy{
			Default: cfg.PollEvery, UnitsPerUserMinute: cfg.UnitsPerUserMinute, BytesPerUserDay: int64(cfg.BytesPerUserDay),
		},
		Limits: actors.Limits{
			PollEvery: cfg.PollEvery, Sessions: int(cfg.Sessions),
			PerLane: unlimited(cfg.SourceConnections), LoginsPerSecond: float64(unlimited(cfg.SourceLogins)),
		},
	})
}

// drain ends the jobs and the engine. What a job has not ended is done after the
// next start.
func (p *parts) drain(ctx context.Context, queue *jobs.Queue, engine *actors.Engine) {
	drain, cancel := context.WithTimeout(ctx, p.cfg.DrainTimeout)
	defer cancel()
	var aside sync.WaitGroup
	defer aside.Wait()
	aside.Go(func() {
		soon, cancel := context.WithTimeout(drain, graceful)
		defer cancel()
		if err := queue.Stop(soon); err != nil {
			p.log.Warn("a job was cut", "err", err)
		}
	})
	if err := engine.Drain(drain); err != nil {
		p.log.Warn("drain cut short", "err", err)
	}
}

// within runs f, and leaves it alone when ctx ends.
func within(ctx context.Context, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// started reports whether every mailbox has its place in the schedule.
func started(e *actors.Engine) bool {
	select {
	case <-e.Ready():
		return true
	default:
		return false
	}
}

// figures brings what nobody else counts into the metrics, until ctx ends.
func (p *parts) figures(ctx context.Context) {
	for wait(ctx, 5*time.Second) {
		u := p.project.Usage()
		p.metrics.Budget("project_minute", u.Minute.Used, u.Minute.Limit)
		p.metrics.Budget("project_day", u.Day.Used, u.Day.Limit)
		if p.memory != nil {
			p.metrics.Budget("memory", p.memory.Used(), int64(p.cfg.MemoryForTransfers))
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// unlimited turns the setting's 0, no limit, into the engine's.
func unlimited(setting int64) int {
	if setting == 0 {
		return -1
	}
	return int(setting)
}

func listening(key string, err error) error {
	return usageError{fmt.Errorf("%s: %w: end the program that uses this address, or choose another", key, err)}
}

// serveMetrics answers Prometheus until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, m *telemetry.Metrics) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
