package sim

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// process is one life of the program. Once it is dead nothing that it does has
// an effect; until then all of its calls go through here.
type process struct {
	w       *world
	dead    atomic.Bool
	asleep  atomic.Int64 // until then the machine sleeps: Unix nanoseconds
	doomed  atomic.Bool  // somebody takes over, or will
	owners  map[id.User]*ledger.MemoryOwner
	project *quota.Project
	engine  *actors.Engine
	memory  *bridge.Memory
}

// death is what befalls a process.
type death struct {
	p   *process
	how fault
}

// boot starts a process: it takes every ledger and the registry over. Where
// there is no fence it shares the ledgers with those before: the fence spares
// trouble, but exactly once is the compare-and-set's doing (docs/model).
func (w *world) boot() *process {
	p := &process{w: w, owners: make(map[id.User]*ledger.MemoryOwner), project: quota.New(w.limits, &w.days), memory: bridge.NewMemory(8 << 20)}
	before := w.current.Load()
	for _, u := range w.users {
		if w.unfenced && before != nil {
			p.owners[u.id] = before.owners[u.id]
		} else {
			p.owners[u.id] = u.ledger.Take()
		}
	}
	w.budget.disturbed(nil) // what was spent in this minute is forgotten with the old process
	w.current.Store(p)
	w.tell("boot", "")
	p.start()
	return p
}

// die ends the process at once, or dooms it to go on beside its successor. It
// reports whether it has: one that somebody takes over from already lives on.
func (p *process) die(how fault) bool {
	if p.doomed.Swap(true) {
		return false
	}
	if how == kill {
		p.dead.Store(true)
	}
	p.w.tell("dies", string(how))
	p.w.dying <- death{p, how}
	return true
}

// may keeps from a doomed process what would doom it.
func (p *process) may(f fault) bool { return f != kill && f != zombie || !p.doomed.Load() }

// alive lets a call of the process through: not while the machine sleeps, and
// never again once it is dead.
func (p *process) alive(ctx context.Context) error {
	for {
		d := time.Duration(p.asleep.Load() - time.Now().UnixNano())
		if p.dead.Load() {
			return errDead
		}
		if ctx.Err() != nil {
			return &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: context.Cause(ctx)}
		}
		if d <= 0 {
			return nil
		}
		sleep(ctx, d)
	}
}

// pause takes time.
func (p *process) pause(ctx context.Context, d time.Duration) error {
	sleep(ctx, d)
	return p.alive(ctx)
}

// sleeps reports whether the machine does.
func (p *process) sleeps() bool { return p.asleep.Load() > time.Now().UnixNano() }

// freeze makes the machine sleep for some hours: for the process the clock
// jumps. It comes back to a world that has gone on.
func (p *process) freeze(ctx context.Context) error {
	until := time.Now().Add(3 * time.Hour)
	p.w.tell("sleeps", "")
	p.w.budget.sleeps(until)
	p.asleep.Store(until.UnixNano())
	return p.alive(ctx)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// hook is called before and after each step of a pass over the mailbox.
func (p *process) hook(b *box, v *visit) bridge.Hook {
	return func(s bridge.Step, _ bridge.When) error {
		if p.dead.Load() {
			return errDead
		}
		if s == bridge.StepRead {
			v.read.Store(true)
		}
		f := p.w.faults.strike(b.name, step("in "+s.String()), p.may)
		if f != none {
			b.tell("in "+s.String(), string(f))
		}
		switch f {
		case panics:
			panic("sim: a bug")
		case kill:
			if p.die(kill) {
				return errDead
			}
		case zombie:
			p.die(zombie)
		}
		return nil
	}
}

// strike passes a step that is nobody's mailbox in particular.
func (p *process) strike(ctx context.Context, who string, at step) (fault, error) {
	if err := p.alive(ctx); err != nil {
		return none, err
	}
	f := p.w.faults.strike(who, at, p.may)
	switch {
	case f == panics:
		panic("sim: a bug")
	case f == kill && p.die(kill):
		return none, errDead
	}
	return f, nil
}

var errStore = &mail.Fault{Class: mail.Transient, Code: "store", Text: "the store does not answer"}
