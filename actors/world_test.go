package actors

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// world is a Registry and Accounts in memory, and what a test does in a pass.
type world struct {
	mu     sync.Mutex
	rows   map[id.Mailbox]*row
	opened map[id.User]int // accounts open now
	opens  int
	passes int
	now    int // passes that run
	most   int
	byUser map[id.User]int
	byLane map[uint64]int
	peak   struct{ user, lane int }
	saves  int
	cleans int

	do      func(ctx context.Context, b *row, p bridge.Pass) (bridge.Report, error) // a pass; nil: 100 ms, nothing new
	open    func(id.User) error
	prepare func(*row, *Job) error
	revoked func(id.User) error
	full    error // of every Save

	log bytes.Buffer
	*Engine
}

type row struct {
	schedule.Registered
	state   schedule.State
	begun   []time.Time
	running int
	overlap bool
	marker  *Marker
	park    func() Parked // nil: no push
	resumed int
	err     error // of every pass
}

func newWorld() *world {
	return &world{rows: make(map[id.Mailbox]*row), opened: make(map[id.User]int), byUser: make(map[id.User]int), byLane: make(map[uint64]int)}
}

func (w *world) add(user id.User, lane uint64) *row {
	b := &row{Registered: schedule.Registered{User: user, Mailbox: id.New[id.Mailbox](), Lane: lane}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows[b.Mailbox] = b
	return b
}

func (w *world) start(o Options, more ...func(*Options)) *world {
	o.Log = slog.New(slog.NewTextHandler(lockedWriter{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Registry, o.Accounts = w, accounts{w}
	o.sync = w.sync
	for _, f := range more {
		f(&o)
	}
	w.Engine = Start(o)
	return w
}

type lockedWriter struct{ w *world }

func (l lockedWriter) Write(b []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(b)
}

func (w *world) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := w.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.rows {
		if b.overlap {
			t.Error("two passes over one mailbox ran at once")
		}
		if b.running != 0 {
			t.Error("a pass runs after drain")
		}
	}
	for u, n := range w.opened {
		if n != 0 {
			t.Errorf("user %v has %d accounts open after drain", u, n)
		}
	}
}

// count is how often a mailbox has been passed over.
func (w *world) count(b *row) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(b.begun)
}

// accounts is how many accounts of a user are open, and how many were opened.
func (w *world) accounts(u id.User) (open, opens int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened[u], w.opens
}

// total is how many passes there were, and how many saves.
func (w *world) total() (passes, saves int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passes, w.saves
}

// dirty is whether a mailbox is marked.
func (w *world) dirty(b *row) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return b.Dirty
}

func (w *world) state(b *row) schedule.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return b.state
}

type passKey struct{}

func (w *world) sync(ctx context.Context, p bridge.Pass) (bridge.Report, error) {
	b := p.Dialer.(dialer).row
	w.mu.Lock()
	w.passes++
	b.begun = append(b.begun, time.Now())
	b.running++
	b.overlap = b.overlap || b.running > 1
	w.now++
	w.most = max(w.most, w.now)
	w.byUser[b.User]++
	w.byLane[b.Lane] += p.Connections
	w.peak.user = max(w.peak.user, w.byUser[b.User])
	w.peak.lane = max(w.peak.lane, w.byLane[b.Lane])
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		b.running--
		w.now--
		w.byUser[b.User]--
		w.byLane[b.Lane] -= p.Connections
	}()
	if w.do != nil {
		return w.do(ctx, b, p)
	}
	return bridge.Report{Unchanged: true}, errors.Join(nap(ctx, 100*time.Millisecond), b.err)
}

func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rest lets time pass and what happens in it end.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

type dialer struct{ row *row }

func (dialer) Dial(context.Context) (bridge.Source, error) { panic("not dialled in these tests") }

// The Registry.

func (w *world) All(context.Context) iter.Seq2[schedule.Registered, error] {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []schedule.Registered
	for _, b := range w.rows {
		all = append(all, b.Registered)
	}
	slices.SortFunc(all, func(a, b schedule.Registered) int {
		if a.Dirty != b.Dirty && a.Dirty {
			return -1
		}
		return bytes.Compare(a.Mailbox[:], b.Mailbox[:])
	})
	return func(yield func(schedule.Registered, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (w *world) row(box id.Mailbox) (*row, error) {
	if b := w.rows[box]; b != nil {
		return b, nil
	}
	return nil, account.ErrNone
}

func (w *world) Schedule(_ context.Context, _ id.User, box id.Mailbox) (schedule.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := w.row(box)
	if err != nil {
		return schedule.State{}, err
	}
	return b.state, nil
}

func (w *world) Save(_ context.Context, _ id.User, box id.Mailbox, s schedule.State) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := w.row(box)
	if err != nil {
		return err
	}
	if w.full != nil {
		return w.full
	}
	w.saves++
	b.state = s
	b.Phase, b.Until, b.Every = s.Phase, s.Until, s.Interval
	return nil
}

func (w *world) Begin(_ context.Context, _ id.User, box id.Mailbox) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := w.row(box)
	if err == nil {
		b.Dirty = true
	}
	return err
}

func (w *world) Clean(_ context.Context, boxes []id.Mailbox) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cleans++
	for _, box := range boxes {
		if b := w.rows[box]; b != nil {
			b.Dirty = false
		}
	}
	return nil
}

// The Accounts.

type accounts struct{ w *world }

func (a accounts) Open(_ context.Context, user id.User) (Account, error) {
	if a.w.open != nil {
		if err := a.w.open(user); err != nil {
			return nil, err
		}
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.opens++
	a.w.opened[user]++
	return &openAccount{a.w, user}, nil
}

type openAccount struct {
	w    *world
	user id.User
}

func (a *openAccount) Revoked(context.Context) error {
	if a.w.revoked != nil {
		return a.w.revoked(a.user)
	}
	return nil
}

func (a *openAccount) Close() {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.opened[a.user]--
}

func (a *openAccount) Prepare(_ context.Context, box id.Mailbox) (Job, error) {
	a.w.mu.Lock()
	b, err := a.w.row(box)
	if err != nil {
		a.w.mu.Unlock()
		return Job{}, err
	}
	m := &Marker{}
	b.marker = m
	j := Job{Pass: bridge.Pass{Dialer: dialer{b}, Connections: 2, Digest: b.state.Digest}, State: b.state, Marker: m}
	if b.park != nil {
		j.Settings.Push = true
		j.Park = func(context.Context) (Parked, error) { return b.park(), nil }
		j.Resume = func(Parked) bridge.Dialer { b.resumed++; return dialer{b} }
	}
	a.w.mu.Unlock()
	if a.w.prepare != nil {
		if err := a.w.prepare(b, &j); err != nil {
			return Job{}, err
		}
	}
	return j, nil
}

// parked waits until it is told something.
type parked struct {
	news   chan error
	closed chan struct{}
	once   sync.Once
}

func newParked() *parked { return &parked{news: make(chan error, 1), closed: make(chan struct{})} }

func (p *parked) Wait(ctx context.Context) error {
	select {
	case err := <-p.news:
		return err
	case <-p.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *parked) Close() { p.once.Do(func() { close(p.closed) }) }

func (p *parked) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// noLimits lets everything through at once but sessions.
func noLimits() Limits {
	return Limits{Sessions: 512, PerUser: 1 << 20, PerLane: 1 << 20, LoginsPerSecond: -1}
}

func fault(c mail.Class, code string) *mail.Fault {
	return &mail.Fault{Class: c, Code: code, Text: code}
}
