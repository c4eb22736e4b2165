package sim

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// book is the ledger of a mailbox as one process has it: the twin in memory,
// with a store beneath it that fails.
type book struct {
	p *process
	b *box
	l *ledger.MemoryBox
	m *actors.Marker
}

// write makes one transaction.
func (s *book) write(ctx context.Context, at step, do func() error) error {
	f, err := s.p.strike(ctx, s.b.name, at)
	if err != nil {
		return err
	}
	if f == storeFails {
		return errStore
	}
	taken := s.p.w.current.Load() != s.p
	if err := do(); err != nil {
		return err
	}
	if taken && !s.p.w.unfenced {
		s.b.sin("a process that was taken over from has written: %s", at)
	}
	s.b.watch.wrote(at)
	s.b.tell(string(at), string(f))
	if f == storeLate {
		return errStore
	}
	return nil
}

func (s *book) read(ctx context.Context, at step) error {
	f, err := s.p.strike(ctx, s.b.name, at)
	if f == storeFails {
		return errStore
	}
	return err
}

func (s *book) Entries(ctx context.Context) ([]ledger.Entry, error) {
	if err := s.read(ctx, "entries"); err != nil {
		return nil, err
	}
	return s.l.Entries(ctx)
}

func (s *book) Claims(ctx context.Context) ([]ledger.Claim, error) {
	if err := s.read(ctx, "claims"); err != nil {
		return nil, err
	}
	return s.l.Claims(ctx)
}

func (s *book) Claim(ctx context.Context, c ledger.Claim) error {
	if err := s.m.Begin(ctx); err != nil {
		return err
	}
	s.b.opened(c.Session, c.Verdict)
	return s.write(ctx, "claim", func() error { return s.l.Claim(ctx, c) })
}

func (s *book) Renew(ctx context.Context, k ledger.Key, old, next vault.Secret) error {
	claims, _ := s.l.Claims(ctx)
	for _, c := range claims {
		if c.Key == k {
			s.b.opened(next, c.Verdict)
		}
	}
	return s.write(ctx, "renew", func() error { return s.l.Renew(ctx, k, old, next) })
}

func (s *book) Checkpoint(ctx context.Context, k ledger.Key, c ledger.Checkpoint) error {
	return s.write(ctx, "checkpoint", func() error { return s.l.Checkpoint(ctx, k, c) })
}

func (s *book) Settle(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	return s.write(ctx, "settle", func() error { return s.l.Settle(ctx, k, o) })
}

func (s *book) Record(ctx context.Context, k ledger.Key, o ledger.Outcome) error {
	return s.write(ctx, "record", func() error { return s.l.Record(ctx, k, o) })
}

func (s *book) Remap(ctx context.Context, m []ledger.Move) error {
	return s.write(ctx, "remap", func() error { return s.l.Remap(ctx, m) })
}

func (s *book) Listed(ctx context.Context, absent, present []ledger.Key) error {
	return s.write(ctx, "listed", func() error { return s.l.Listed(ctx, absent, present) })
}

// registry is the durable side of the schedule. It outlives the processes.
type registry struct {
	mu   sync.Mutex
	rows map[id.Mailbox]*row
}

type row struct {
	user  id.User
	box   *box
	state schedule.State
	dirty bool
}

func newRegistry() *registry { return &registry{rows: make(map[id.Mailbox]*row)} }

func (g *registry) add(u *user, b *box) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rows[b.id] = &row{user: u.id, box: b}
}

func (g *registry) state(box id.Mailbox) schedule.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rows[box].state
}

// ahead makes all times of the store those of a clock that was ahead, and is
// right again.
func (g *registry) ahead(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.rows {
		for _, t := range []*time.Time{&r.state.Until, &r.state.First, &r.state.LastSync} {
			if !t.IsZero() {
				*t = t.Add(d)
			}
		}
	}
}

// desk is the registry of one process: actors.Registry.
type desk struct {
	*registry
	p *process
}

func (d *desk) All(ctx context.Context) iter.Seq2[schedule.Registered, error] {
	return func(yield func(schedule.Registered, error) bool) {
		var dirty, clean []schedule.Registered
		d.mu.Lock()
		for box, r := range d.rows {
			reg := schedule.Registered{
				User: r.user, Mailbox: box, Lane: r.box.lane, Phase: r.state.Phase,
				Until: r.state.Until, Every: r.state.Interval, Dirty: r.dirty,
			}
			if r.dirty {
				dirty = append(dirty, reg)
			} else {
				clean = append(clean, reg)
			}
		}
		d.mu.Unlock()
		for _, reg := range append(dirty, clean...) {
			if !yield(reg, d.p.alive(ctx)) {
				return
			}
		}
	}
}

// write makes one transaction, if this process still owns the rows.
func (d *desk) write(ctx context.Context, at step, boxes []id.Mailbox, change func(*row)) error {
	first := d.p.w.box(boxes[0])
	f, err := d.p.strike(ctx, first.name, at)
	if err != nil {
		return err
	}
	if f == storeFails || f == storeLate {
		first.watch.owes()
	}
	if f == storeFails {
		return errStore
	}
	if d.p.w.current.Load() != d.p {
		return ledger.ErrFenced
	}
	d.mu.Lock()
	for _, b := range boxes {
		r := d.rows[b]
		if r == nil {
			d.mu.Unlock()
			return account.ErrNone
		}
		change(r)
		r.box.watch.wrote(at)
	}
	d.mu.Unlock()
	if f == storeLate {
		return errStore
	}
	return nil
}

func (d *desk) Schedule(ctx context.Context, _ id.User, box id.Mailbox) (schedule.State, error) {
	if err := d.p.alive(ctx); err != nil {
		return schedule.State{}, err
	}
	return d.state(box), nil
}

func (d *desk) Save(ctx context.Context, _ id.User, box id.Mailbox, s schedule.State) error {
	if s.Phase == schedule.Waiting || s.Phase == schedule.Failing { // of a try that did not get as far as a job, say
		d.p.w.box(box).watch.excuse()
	}
	return d.write(ctx, "save", []id.Mailbox{box}, func(r *row) {
		r.box.tell("save", s.Phase.String()+" "+s.Reason.Code)
		r.state = s
	})
}

func (d *desk) Begin(ctx context.Context, _ id.User, box id.Mailbox) error {
	return d.write(ctx, "begin", []id.Mailbox{box}, func(r *row) { r.dirty = true })
}

func (d *desk) Clean(ctx context.Context, boxes []id.Mailbox) error {
	if len(boxes) == 0 {
		return nil
	}
	return d.write(ctx, "clean", boxes, func(r *row) { r.dirty = false })
}
