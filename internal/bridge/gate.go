package bridge

import (
	"context"
	"sync"
)

// gate bounds the Gmail requests in flight. With adapt it starts at two, goes
// up by one after each round of successes and is halved by a refusal; Google
// publishes no number for the concurrency of one user.
type gate struct {
	mu        sync.Mutex
	limit     int
	ceiling   int
	adapt     bool
	used      int
	successes int
	waiting   []chan struct{}
}

func newGate(parallel, ceiling int) *gate {
	if parallel > 0 {
		return &gate{limit: parallel, ceiling: parallel}
	}
	return &gate{limit: min(2, ceiling), ceiling: ceiling, adapt: true}
}

func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if g.used < g.limit && len(g.waiting) == 0 {
		g.used++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		for i, w := range g.waiting {
			if w == turn {
				g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
				return context.Cause(ctx)
			}
		}
		g.leaveLocked() // the turn came in the same moment
		return context.Cause(ctx)
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	g.leaveLocked()
	g.mu.Unlock()
}

func (g *gate) leaveLocked() {
	g.used--
	for g.used < g.limit && len(g.waiting) > 0 {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.used++
	}
}

// succeeded lets the limit creep up, one step a round.
func (g *gate) succeeded() {
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
func (g *gate) refused() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.successes = max(1, g.limit/2), 0
	g.adapt = true
}
