package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// flights counts the Gmail requests that are under way at once.
type flights struct {
	mu        sync.Mutex
	now, most int
}

func (f *flights) at(p *Pass) {
	p.Gmail = oddGmail{Importer: p.Gmail, put: func(ctx context.Context, _ mail.Chunk) error {
		f.mu.Lock()
		f.now++
		f.most = max(f.most, f.now)
		f.mu.Unlock()
		defer func() { f.mu.Lock(); f.now--; f.mu.Unlock() }()
		return sleep(ctx, time.Second)
	}}
}

func TestPassesOfOneUserShareTheGate(t *testing.T) {
	for name, c := range map[string]struct{ gate, parallel, most int }{
		"the gate alone":              {3, 0, 3},
		"and a bound of each":         {3, 1, 2},
		"the bound is above the gate": {2, 9, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				gate, f := NewGate(c.gate, 0), &flights{}
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() {
						w := numbers(t, pop3, 12)
						w.sync(Leave, func(p *Pass) { f.at(p); p.Gate, p.Parallel = gate, c.parallel })
						w.arrived(Leave)
					})
				}
				both.Wait()
				if f.most != c.most {
					t.Errorf("%d requests at once, want %d", f.most, c.most)
				}
				if gate.used != 0 || len(gate.waiting[0])+len(gate.waiting[1]) != 0 {
					t.Errorf("the gate is left with %d inside, %d waiting", gate.used, len(gate.waiting))
				}
			})
		})
	}
}

func TestNewMailIsLetInBeforeHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := NewGate(1, 0)
		_ = g.enter(t.Context(), turn{})
		var order []string
		var all sync.WaitGroup
		for _, who := range []string{"old 1", "old 2", "new 1", "new 2"} {
			all.Go(func() {
				_ = g.enter(t.Context(), turn{history: who[0] == 'o'})
				order = append(order, who)
				g.leave()
			})
			synctest.Wait()
		}
		g.leave()
		all.Wait()
		if got, want := fmt.Sprint(order), "[new 1 new 2 old 1 old 2]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestAWaitAtTheGateEndsWithItsPatience(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := NewGate(1, 0)
		_ = g.enter(t.Context(), turn{})
		begin := time.Now()
		err := g.enter(t.Context(), turn{atMost: func() time.Duration { return time.Minute }})
		if !errors.Is(err, errPatience) || time.Since(begin) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		g.leave()
		if err := g.enter(t.Context(), turn{}); err != nil || g.used != 1 {
			t.Errorf("got %v, %d inside", err, g.used)
		}
	})
}

// watch notes how long each session had the maildrop.
type watch struct {
	odd
	longest time.Duration
	began   time.Time
}

func timed() *watch {
	w := &watch{}
	w.quit = func(quit func() error) error {
		w.longest = max(w.longest, time.Since(w.began))
		return quit()
	}
	return w
}

func (w *watch) at(p *Pass) {
	w.odd.at(p)
	p.Dialer = beginning{p.Dialer, w}
}

type beginning struct {
	Dialer
	w *watch
}

func (d beginning) Dial(ctx context.Context) (Source, error) {
	d.w.began = time.Now()
	return d.Dialer.Dial(ctx)
}

// TestNoMaildropIsKeptLockedForOthers: the gate is full, or there is no
// memory, for half an hour. The maildrop is left meanwhile, and everything
// arrives in the end.
func TestNoMaildropIsKeptLockedForOthers(t *testing.T) {
	const long = 30 * time.Minute
	gate := func(p *Pass) {
		p.Gate, p.Parallel = NewGate(1, 0), 0
		_ = p.Gate.enter(context.Background(), turn{})
		time.AfterFunc(long, p.Gate.leave)
	}
	memory := func(p *Pass) {
		p.Memory = NewMemory(window)
		_ = p.Memory.take(context.Background())
		time.AfterFunc(long, func() { p.Memory.release() })
	}
	for name, c := range map[string]struct {
		busy  func(*Pass)
		sizes []int
		most  time.Duration
	}{
		"gate, small mail":        {gate, []int{300, 300, 300, 300, 300}, maxSession},
		"gate, large mail":        {gate, []int{900_000, 300, 900_000}, maxSession},
		"gate, more than a place": {gate, make([]int, inFlight+20), maxSession},
		"memory":                  {memory, []int{300, 900_000, 300}, 0},
	} {
		for _, policy := range []Disposal{Leave, Delete} {
			t.Run(fmt.Sprint(name, "/", policy), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, pop3)
					for i, size := range c.sizes {
						w.drop.add(message(i, size))
					}
					begin, server := time.Now(), timed()
					w.sync(policy, func(p *Pass) { c.busy(p); server.at(p) })
					if server.longest > c.most+linger || time.Since(begin) < long {
						t.Errorf("the maildrop was locked for %v, want %v at most; %v in all", server.longest, c.most+linger, time.Since(begin))
					}
					if server.dials > 20 {
						t.Errorf("%d logins", server.dials)
					}
					w.arrived(policy)
				})
			})
		}
	}
}

// TestAPassWithOneWindowGetsThrough: it waits for its own uploads only.
func TestAPassWithOneWindowGetsThrough(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		for _, free := range []int64{1, 2} {
			t.Run(fmt.Sprint(k, "/", free), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, k, load(false)...)
					for i := range 70 { // enough for a second connection
						w.drop.add(message(10+i, 100))
					}
					memory := NewMemory((free + 3) * window)
					for range 3 { // others have it, for ever
						_ = memory.take(t.Context())
					}
					server := timed()
					w.sync(Leave, func(p *Pass) { p.Memory = memory; server.at(p) })
					w.arrived(Leave)
					if used := memory.Used(); used != 3*window {
						t.Errorf("%d octets are held, and only the others' %d should be", used, 3*window)
					}
				})
			})
		}
	}
}

// TestAPassWithNothingToDoTakesNoMemory: a poll must not wait for anybody's uploads.
func TestAPassWithNothingToDoTakesNoMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &poll{world: newWorld(t, pop3, load(false)...), policy: Leave}
		p.must()
		memory := NewMemory(window)
		_ = memory.take(t.Context())
		p.unchanged(func(q *Pass) { q.Memory = memory })
		p.digest = mail.Key{}
		p.want(p.must(func(q *Pass) { q.Memory = memory }), Report{Listed: 5, Already: 5})
	})
}

// patient is a server that asks for a pause between logins.
type patient struct{ Dialer }

func (d patient) Dial(ctx context.Context) (Source, error) {
	s, err := d.Dialer.Dial(ctx)
	return delaying{s}, err
}

type delaying struct{ Source }

func (delaying) LoginDelay() time.Duration { return time.Hour }

func TestTheServersLoginDelayIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3)
		if rep := w.sync(Leave, func(p *Pass) { p.Dialer = patient{p.Dialer} }); rep.LoginDelay != time.Hour {
			t.Errorf("got %v, want an hour", rep.LoginDelay)
		}
	})
}
