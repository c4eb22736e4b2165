package actors

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// bomb panics, with a secret, in the messages of one kind of actor while it is
// armed.
type bomb struct {
	kind string
	left atomic.Int32
	hits atomic.Int32
}

const canary = "hunter2-canary"

func (b *bomb) hook(kind string) {
	if kind == b.kind && b.left.Load() > 0 && b.left.Add(-1) >= 0 {
		b.hits.Add(1)
		panic(canary)
	}
}

// After a panic in any actor every mailbox goes on, and no neighbour of the
// worker's lanes is throttled for ever.
func TestAPanicInAnyActorForgetsNoMailbox(t *testing.T) {
	for _, kind := range []string{"wheel", "governor", "shard", "user", "mailbox"} {
		for _, times := range []int32{1, 3} {
			t.Run(fmt.Sprintf("%s %d", kind, times), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					b := &bomb{kind: kind}
					var boxes []*row
					for i := range 40 {
						r := w.add(id.New[id.User](), uint64(i%4+1))
						if i%5 == 0 {
							r.park = func() Parked { return newParked() }
						}
						boxes = append(boxes, r)
					}
					w.start(Options{hook: b.hook, Limits: Limits{Sessions: 4, PerLane: 2, LoginsPerSecond: -1}})
					rest(10 * time.Minute)
					b.left.Store(times)
					for _, r := range boxes[:10] {
						_ = w.SyncNow(t.Context(), r.User, r.Mailbox)
					}
					rest(time.Hour)
					if b.hits.Load() != times {
						t.Fatalf("%d panics, want %d", b.hits.Load(), times)
					}
					before := make(map[*row]int)
					for _, r := range boxes {
						before[r] = w.count(r)
					}
					rest(3 * time.Hour)
					for i, r := range boxes {
						if w.count(r) == before[r] {
							s, ok := w.Status(r.User, r.Mailbox)
							t.Errorf("mailbox %d is forgotten: %+v %v", i, s, ok)
						}
					}
					select {
					case <-w.Failed():
						t.Error("the engine failed")
					default:
					}
					w.stop(t)
					if strings.Contains(w.log.String(), canary) {
						t.Error("the reason of a panic was logged")
					}
				})
			})
		}
	}
}

func TestAScheduleThatCannotBeCuredEndsTheEngineVisibly(t *testing.T) {
	for _, kind := range []string{"wheel", "governor", "node"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				for range 40 {
					w.add(id.New[id.User](), 1).Dirty = true
				}
				b := &bomb{kind: kind}
				w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
					return bridge.Report{}, nap(ctx, time.Minute)
				}
				w.start(Options{hook: b.hook})
				rest(time.Minute)
				b.left.Store(1 << 30)
				if kind == "node" {
					b.left.Store(1) // nobody restarts it
				}
				_, _ = w.Sync(t.Context(), id.New[id.User](), id.New[id.Mailbox](), func(context.Context) (bridge.Report, error) {
					return bridge.Report{}, nil
				})
				select {
				case <-w.Failed():
				case <-time.After(time.Hour):
					t.Error("it runs on")
				}
				if w.Err() == nil {
					t.Error("no reason")
				}
				w.stop(t)
				if strings.Contains(w.log.String(), canary) {
					t.Error("the reason of a panic was logged")
				}
			})
		})
	}
}

func TestAUserWhoseActorAlwaysPanicsIsGivenUpVisibly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.add(id.New[id.User](), 1)
		b := &bomb{kind: "user"}
		b.left.Store(1 << 30)
		w.start(Options{hook: b.hook})
		<-w.Ready()
		_ = w.SyncNow(t.Context(), r.User, r.Mailbox)
		rest(10 * time.Minute)
		if s := w.state(r); s.Phase != schedule.Failing || s.Reason.Code != "internal_error" {
			t.Errorf("state %+v", s)
		}
		w.stop(t)
	})
}

// A mailbox waits to be tried again, and its user, who would see to that, fails:
// for some of these the user is restarted first.
func TestAMailboxThatSupervisionLosesSightOfIsPassedOverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := &bomb{kind: "user"}
		var boxes []*row
		for range 30 {
			boxes = append(boxes, w.add(id.New[id.User](), 1))
		}
		w.do = func(_ context.Context, r *row, _ bridge.Pass) (bridge.Report, error) {
			if w.count(r) == 1 {
				panic(canary)
			}
			return bridge.Report{}, nil
		}
		w.start(Options{hook: b.hook, Limits: noLimits()})
		<-w.Ready()
		for _, r := range boxes {
			_ = w.SyncNow(t.Context(), r.User, r.Mailbox)
		}
		synctest.Wait() // they have panicked, and wait to be restarted
		b.left.Store(int32(len(boxes)))
		for _, r := range boxes {
			w.UserChanged(r.User)
		}
		rest(10 * time.Minute)
		for i, r := range boxes {
			if w.count(r) < 2 {
				t.Errorf("mailbox %d is forgotten", i)
			}
		}
		w.stop(t)
	})
}

// Panics in what the engine calls: neither permit nor account stays taken.
func TestAPanicInAPortIsAPanicOfThePass(t *testing.T) {
	for _, port := range []string{"open", "prepare", "park", "revoked"} {
		t.Run(port, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				var left atomic.Int32
				left.Store(2)
				throw := func(at string) {
					if at == port && left.Add(-1) >= 0 {
						panic(canary)
					}
				}
				r := w.add(id.New[id.User](), 1)
				w.open = func(id.User) error { throw("open"); return nil }
				w.prepare = func(*row, *Job) error { throw("prepare"); return nil }
				r.park = func() Parked { throw("park"); return newParked() }
				w.revoked = func(id.User) error { throw("revoked"); return nil }
				if port == "revoked" {
					r.err = fault(mail.Revoked, "grant_revoked")
				}
				w.start(Options{Limits: Limits{Sessions: 1, PerUser: 1, PerLane: 1}})
				<-w.Ready()
				rest(30 * time.Minute)
				if w.count(r) == 0 {
					t.Error("never passed over")
				}
				n := w.count(r)
				_ = w.SyncNow(t.Context(), r.User, r.Mailbox)
				rest(10 * time.Second)
				if w.count(r) == n && port != "revoked" {
					t.Error("not passed over again")
				}
				w.stop(t)
				if strings.Contains(w.log.String(), canary) {
					t.Error("the reason of a panic was logged")
				}
			})
		})
	}
}

// The canary: a secret in every message that can hold a text, to actors that
// live, panic, and are dead.
func TestNoMessageReachesTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := &bomb{}
		w.start(Options{hook: b.hook})
		<-w.Ready()
		user, box := id.New[id.User](), id.New[id.Mailbox]()
		f := &mail.Fault{Class: mail.Revoked, Code: canary, Text: canary, Help: canary, Err: fmt.Errorf("%s", canary)}
		state := schedule.State{Reason: schedule.Reason{Code: canary, Detail: canary, Help: canary}}
		ctx := context.WithValue(t.Context(), passKey{}, canary)
		run := func(context.Context) (bridge.Report, error) { return bridge.Report{}, f }
		messages := []any{
			revoked{fault: f}, gaveUp{user: user, box: box, state: state}, ended{box: box, state: state},
			oneShot{user: user, pass: shotPass{box: box, ctx: ctx, run: run, answer: make(chan result, 1)}},
			answered{status: Status{Reason: state.Reason}}, passed{revoked: f}, canary, fmt.Errorf("%s", canary), struct{ Password string }{canary},
			Job{State: state}, Change{Status: Status{Reason: state.Reason}},
		}
		var once sync.Once
		w.revoked = func(id.User) error { once.Do(func() { panic(canary) }); return f }
		r := w.add(user, 1)
		r.err = f
		w.Register(r.Registered)
		rest(time.Second)
		for _, m := range messages {
			for _, kind := range []string{"", "node", "wheel", "governor", "shard", "user", "mailbox"} {
				if kind == "node" {
					continue // ends the engine: below
				}
				b.kind = kind
				b.left.Store(1)
				w.send(m)
				w.tell(w.clock, m)
				w.tell(w.governor, m)
				w.send(oneShot{user: user, pass: shotPass{box: box, ctx: ctx, run: run, answer: make(chan result, 1)}})
				rest(11 * time.Minute) // past the window of the strategies
			}
		}
		b.kind = "node"
		b.left.Store(1)
		w.send(messages[0])
		synctest.Wait()
		for _, m := range messages { // dead letters
			w.send(m)
			w.tell(w.clock, m)
			w.system.Root.Request(w.clock, m)
			rest(time.Second)
		}
		w.stop(t)
		out := w.log.String()
		if strings.Contains(out, canary) {
			t.Errorf("a message was printed:\n%s", out)
		}
		if !strings.Contains(out, "unknown message") || !strings.Contains(out, "panicked") {
			t.Error("the log says nothing at all: the test is void")
		}
	})
}
