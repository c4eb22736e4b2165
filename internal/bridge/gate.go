package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Gate bounds the Gmail requests in flight of one user. It may be shared by
// many passes. An adaptive one starts at two, goes up by one after each round
// of successes and is halved by a refusal; Google publishes no number for the
// concurrency of one user. Whoever brings new mail goes in before those who
// bring history.
type Gate struct {
	mu        sync.Mutex
	limit     int
	ceiling   int
	adapt     bool
	used      int
	successes int
	waiting   [2][]chan struct{} // with new mail, with history
}

// defaultCeiling of an adaptive gate.
const defaultCeiling = 8

// NewGate makes one with a fixed bound or, with parallel 0, an adaptive one
// that goes up to ceiling (0: 8).
func NewGate(parallel, ceiling int) *Gate {
	if parallel > 0 {
		return &Gate{limit: parallel, ceiling: parallel}
	}
	if ceiling <= 0 {
		ceiling = defaultCeiling
	}
	return &Gate{limit: min(2, ceiling), ceiling: ceiling, adapt: true}
}

// turn says who wants to go in.
type turn struct {
	history bool
	// atMost is how long the wait may last, asked when it begins: a maildrop
	// may be locked meanwhile. Nil, or 0: as long as it takes.
	atMost func() time.Duration
}

// errPatience: the wait has lasted long enough.
var errPatience = errors.New("bridge: waited long enough with the mailbox open")

func (g *Gate) enter(ctx context.Context, who turn) error {
	lane := &g.waiting[boolInt(who.history)]
	g.mu.Lock()
	if g.used < g.limit && len(g.waiting[0])+len(g.waiting[1]) == 0 {
		g.used++
		g.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	*lane = append(*lane, mine)
	g.mu.Unlock()
	err := await(ctx, mine, who.atMost)
	if err == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(*lane, mine); i >= 0 {
		*lane = slices.Delete(*lane, i, i+1)
	} else {
		g.leaveLocked() // the turn came in the same moment
	}
	return err
}

// await waits for c, or for the end of ctx or of its patience.
func await(ctx context.Context, c <-chan struct{}, atMost func() time.Duration) error {
	var enough <-chan time.Time
	if atMost != nil {
		if d := atMost(); d > 0 {
			t := time.NewTimer(d)
			defer t.Stop()
			enough = t.C
		}
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-enough:
		return errPatience
	}
}

func (g *Gate) leave() {
	g.mu.Lock()
	g.leaveLocked()
	g.mu.Unlock()
}

func (g *Gate) leaveLocked() {
	g.used--
	for lane := range g.waiting {
		for g.used < g.limit && len(g.waiting[lane]) > 0 {
			close(g.waiting[lane][0])
			g.waiting[lane] = g.waiting[lane][1:]
			g.used++
		}
	}
}

// succeeded lets the limit creep up, one step a round.
func (g *Gate) succeeded() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.adapt {
		return
	}
	if g.successes++; g.successes >= g.limit && g.limit < g.ceiling {
		g.limit, g.successes = g.limit+1, 0
	}
}

// refused halves the limit.
func (g *Gate) refused() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.successes = max(1, g.limit/2), 0
	g.adapt = true
}

// enter waits for the turn of one Gmail request, at the gate of this pass
// alone, where it has one, and at that of the user.
func (r *run) enter(ctx context.Context, who turn) error {
	if r.own != nil {
		if err := r.own.enter(ctx, who); err != nil {
			return err
		}
	}
	err := r.gate.enter(ctx, who)
	if err != nil && r.own != nil {
		r.own.leave()
	}
	return err
}

// inside makes the request whose turn it is. The place is free afterwards, also
// when a panic is on its way up: others share the gate.
func (r *run) inside(request func() error) error {
	defer func() {
		r.gate.leave()
		if r.own != nil {
			r.own.leave()
		}
	}()
	return request()
}
