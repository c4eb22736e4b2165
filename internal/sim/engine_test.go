package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// engine is what runs the passes of a process.
type engine interface {
	syncNow(*box)
	pause(*box, bool)
	userChanged(*user)
	help(*box)
	drain()
	bury() // of a process that is dead
}

// loops is an engine without actors: one goroutine a mailbox.
type loops struct {
	p      *process
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newEngine(p *process) engine {
	ctx, cancel := context.WithCancel(context.Background())
	l := &loops{p: p, cancel: cancel}
	for _, b := range p.w.boxes {
		l.wg.Go(func() { l.run(ctx, b) })
	}
	return l
}

func (l *loops) run(ctx context.Context, b *box) {
	for ctx.Err() == nil {
		wait := l.pass(ctx, b)
		sleep(ctx, wait)
	}
}

func (l *loops) pass(ctx context.Context, b *box) (wait time.Duration) {
	wait = 5 * time.Minute
	defer func() { _ = recover() }()
	a := &accounts{l.p}
	acc, err := a.Open(ctx, b.u.id)
	if err != nil {
		return wait
	}
	j, err := acc.Prepare(ctx, b.id)
	if err != nil {
		return wait
	}
	_, err = bridge.Sync(ctx, j.Pass)
	if f, ok := errors.AsType[*mail.Fault](err); ok {
		if f.Class == mail.Revoked {
			_ = a.Revoked(ctx, b.u.id)
		}
		wait = max(wait, time.Until(f.Until))
	}
	return wait
}

func (l *loops) syncNow(*box)      {}
func (l *loops) pause(*box, bool)  {}
func (l *loops) userChanged(*user) {}
func (l *loops) help(*box)         {}
func (l *loops) drain()            { l.cancel(); l.wg.Wait() }
func (l *loops) bury()             { l.cancel(); l.wg.Wait() }
