package ledger

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Memory is one user's ledger in memory: the twin of a real store for tests
// under fake time. It keeps the same rules and passes the same suite
// (ledgertest), which is what makes it trustworthy.
type Memory struct {
	mu    sync.Mutex
	epoch uint64
	boxes map[id.Mailbox]map[Key]*row
	lines []Line
}

// Line is what a settled or recorded outcome leaves in the audit log.
type Line struct {
	Mailbox id.Mailbox
	At      time.Time
	Outcome
}

type row struct {
	Entry
	claim Claim // zero unless State is Claimed
}

// NewMemory makes an empty ledger.
func NewMemory() *Memory { return &Memory{boxes: map[id.Mailbox]map[Key]*row{}} }

// Take takes the store over: every handle given out before is fenced.
func (m *Memory) Take() *MemoryOwner {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	return &MemoryOwner{m: m, epoch: m.epoch}
}

// Lines gives the audit lines of a mailbox, oldest first.
func (m *Memory) Lines(box id.Mailbox) []Line {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.lines), func(l Line) bool { return l.Mailbox != box })
}

// MemoryOwner is a hold on a Memory under one epoch.
type MemoryOwner struct {
	m     *Memory
	epoch uint64
}

// Mailbox gives the ledger of one mailbox, which satisfies bridge.Ledger.
func (o *MemoryOwner) Mailbox(box id.Mailbox) *MemoryBox {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if o.m.boxes[box] == nil {
		o.m.boxes[box] = map[Key]*row{}
	}
	return &MemoryBox{o: o, box: box, rows: o.m.boxes[box]}
}

// MemoryBox is the ledger of one mailbox under one epoch.
type MemoryBox struct {
	o    *MemoryOwner
	box  id.Mailbox
	rows map[Key]*row
}

// write runs f as one transaction: f either changes everything or fails.
func (b *MemoryBox) write(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.o.m.mu.Lock()
	defer b.o.m.mu.Unlock()
	if b.o.epoch != b.o.m.epoch {
		return ErrFenced
	}
	return f()
}

// Entries gives everything known about the mailbox.
func (b *MemoryBox) Entries(ctx context.Context) ([]Entry, error) {
	b.o.m.mu.Lock()
	defer b.o.m.mu.Unlock()
	out := make([]Entry, 0, len(b.rows))
	for _, r := range b.rows {
		out = append(out, r.Entry)
	}
	return out, ctx.Err()
}

// Claims gives the entries in state Claimed, oldest first.
func (b *MemoryBox) Claims(ctx context.Context) ([]Claim, error) {
	b.o.m.mu.Lock()
	defer b.o.m.mu.Unlock()
	var out []Claim
	for _, r := range b.rows {
		if r.State == Claimed {
			c := r.claim
			c.Verdict.Labels = slices.Clone(c.Verdict.Labels)
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Claim) int { return a.At.Compare(b.At) })
	return out, ctx.Err()
}

// enter finds or makes the row of k for a Claim or a Record, with the number
// of failed tries so far. A Failed row of the same id whose header was never
// seen (zero content) becomes this row. It changes nothing if it fails.
func (b *MemoryBox) enter(k Key) (*row, error) {
	r := b.rows[k]
	if r == nil {
		r = &row{Entry: Entry{Key: k}}
	} else if r.State != Failed {
		return nil, ErrTaken
	}
	unseen := Key{ID: k.ID}
	if u := b.rows[unseen]; u != nil && u != r && u.State == Failed {
		r.Attempts += u.Attempts
		delete(b.rows, unseen)
	}
	r.Absent = false
	b.rows[k] = r
	return r, nil
}

// Claim inserts the intent, if the pair is unknown or Failed; else ErrTaken.
func (b *MemoryBox) Claim(ctx context.Context, c Claim) error {
	return b.write(ctx, func() error {
		r, err := b.enter(c.Key)
		if err != nil {
			return err
		}
		if c.At.IsZero() {
			c.At = time.Now()
		}
		c.Attempts = r.Attempts // what the store counted, not what the caller thinks
		c.Verdict.Labels = slices.Clone(c.Verdict.Labels)
		r.State, r.claim, r.Day = Claimed, c, 0
		return nil
	})
}

// claimed runs f on the row of k, if it is claimed; else ErrTaken.
func (b *MemoryBox) claimed(ctx context.Context, k Key, f func(*row) error) error {
	return b.write(ctx, func() error {
		if r := b.rows[k]; r != nil && r.State == Claimed {
			return f(r)
		}
		return ErrTaken
	})
}

// Renew swaps the session from old to next. The checkpoint goes with the old
// session: it says what was stored there.
func (b *MemoryBox) Renew(ctx context.Context, k Key, old, next vault.Secret) error {
	return b.claimed(ctx, k, func(r *row) error {
		if !r.claim.Session.Equal(old) {
			return ErrTaken
		}
		r.claim.Session, r.claim.Checkpoint = next, Checkpoint{}
		return nil
	})
}

// Checkpoint saves a position of a claimed entry.
func (b *MemoryBox) Checkpoint(ctx context.Context, k Key, cp Checkpoint) error {
	return b.claimed(ctx, k, func(r *row) error {
		r.claim.Checkpoint = cp
		return nil
	})
}

// Settle ends a claimed entry with its audit line.
func (b *MemoryBox) Settle(ctx context.Context, k Key, o Outcome) error {
	return b.claimed(ctx, k, func(r *row) error {
		b.end(r, o)
		return nil
	})
}

// Record writes an outcome without a claim, with its audit line.
func (b *MemoryBox) Record(ctx context.Context, k Key, o Outcome) error {
	return b.write(ctx, func() error {
		r, err := b.enter(k)
		if err == nil {
			b.end(r, o)
		}
		return err
	})
}

func (b *MemoryBox) end(r *row, o Outcome) {
	r.State, r.claim, r.Day = StateOf(o.Status), Claim{}, DayOf(time.Now())
	if o.Status == mail.Failed {
		r.Attempts++
	}
	b.o.m.lines = append(b.o.m.lines, Line{Mailbox: b.box, At: time.Now(), Outcome: o})
}

// Listed notes what a complete listing showed; unknown keys are passed over.
func (b *MemoryBox) Listed(ctx context.Context, absent, present []Key) error {
	return b.write(ctx, func() error {
		for _, k := range absent {
			if r := b.rows[k]; r != nil {
				r.Absent = true
			}
		}
		for _, k := range present {
			if r := b.rows[k]; r != nil {
				r.Absent = false
			}
		}
		return nil
	})
}

// Remap gives entries the ids they have now, all moves at once, so that
// entries may trade places. ErrTaken, and nothing is changed, if an entry is
// unknown or claimed, or a new place is held by an entry that does not move.
func (b *MemoryBox) Remap(ctx context.Context, moves []Move) error {
	return b.write(ctx, func() error {
		next := make(map[Key]*row, len(moves))
		leaving := make(map[Key]bool, len(moves))
		for _, m := range moves {
			r, to := b.rows[m.Old], Key{ID: m.New, Content: m.Old.Content}
			if r == nil || r.State == Claimed || leaving[m.Old] || next[to] != nil {
				return ErrTaken
			}
			leaving[m.Old], next[to] = true, r
		}
		for to := range next {
			if b.rows[to] != nil && !leaving[to] {
				return ErrTaken
			}
		}
		for k := range leaving {
			delete(b.rows, k)
		}
		for to, r := range next {
			r.Key, r.Absent = to, false
			b.rows[to] = r
		}
		return nil
	})
}
