package sim

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// start brings the real engine up in a process.
func (p *process) start() {
	p.engine = actors.Start(actors.Options{
		Log: slog.New(slog.DiscardHandler), Registry: &desk{p.w.registry, p}, Accounts: &accounts{p},
		Policy: schedule.Policy{Rand: p.w.numbers()},
	})
}

// numbers are the seeded ones of the schedule, for many goroutines.
func (w *world) numbers() func(int64) int64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(w.seed, 2))
	return func(n int64) int64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Int64N(n)
	}
}

// drain ends a process as SIGTERM does.
func (p *process) drain() {
	p.w.tell("drain", "")
	ctx, cancel := context.WithTimeout(p.w.t.Context(), 20*time.Second)
	defer cancel()
	asleep := p.sleeps()
	if err := p.engine.Drain(ctx); err != nil && !asleep && !p.sleeps() {
		p.w.sin("drain: %v", err)
	}
	if err := p.project.Close(p.w.t.Context()); err != nil {
		p.w.sin("the day's budget was not given back: %v", err)
	}
	p.dead.Store(true)
}

// bury ends the goroutines of a process that is dead: the simulator's business,
// which has no effect on its world.
func (p *process) bury() {
	p.w.tell("buried", "")
	p.dead.Store(true)
	p.w.budget.disturbed(nil) // by two processes, or by one that did not give back
	ctx, cancel := context.WithCancel(p.w.t.Context())
	cancel()
	_ = p.engine.Drain(ctx)
}

// press is a person pressing a button at one mailbox.
func (p *process) press(b *box, button func(context.Context, *actors.Engine) error) {
	b.watch.excuse()
	ctx, cancel := context.WithTimeout(p.w.t.Context(), time.Minute)
	defer cancel()
	if err := button(ctx, p.engine); err != nil { // people press again, some day
		b.tell("pressed", err.Error())
	}
}

func (p *process) syncNow(b *box) {
	p.press(b, func(ctx context.Context, e *actors.Engine) error { return e.SyncNow(ctx, b.u.id, b.id) })
}

func (p *process) pauseOrResume(b *box) {
	p.press(b, func(ctx context.Context, e *actors.Engine) error {
		if p.w.registry.state(b.id).Phase == schedule.Paused {
			return e.Resume(ctx, b.u.id, b.id)
		}
		return e.Pause(ctx, b.u.id, b.id)
	})
}

// help is what a person does about a mailbox that waits for one.
func (p *process) help(b *box) {
	s := p.w.registry.state(b.id)
	if s.Phase == schedule.Paused || s.Phase == schedule.Failing && s.Until.IsZero() {
		p.press(b, func(ctx context.Context, e *actors.Engine) error { return e.Resume(ctx, b.u.id, b.id) })
	}
}
