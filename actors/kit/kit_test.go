package kit

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

const canary = "hunter2-canary"

// secretive is a message that holds what must never be printed.
type secretive struct{ password string }

func newLog() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})), &b
}

// child panics as it is told to, and notes when it starts.
type child struct {
	starts   *[]time.Time
	stopping bool // panic while stopping
}

func (c *child) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		*c.starts = append(*c.starts, time.Now())
	case secretive:
		panic(m.password)
	case *actor.Stopping:
		if c.stopping {
			panic(canary)
		}
	}
}

// parent makes one child, hands messages on to it and tells when it is gone.
type parent struct {
	log   *slog.Logger
	by    Backoff
	make  func() actor.Actor
	child *actor.PID
	gone  chan struct{}
}

func (p *parent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		p.child = ctx.Spawn((&House{Log: p.log}).Props("child", p.by, p.make))
	case secretive:
		ctx.Send(p.child, m)
	case string:
		ctx.Stop(p.child)
	case *actor.Terminated:
		close(p.gone)
	}
}

func spawn(log *slog.Logger, by Backoff, create func() actor.Actor) (*actor.ActorSystem, *actor.PID, *parent) {
	system := System(log)
	p := &parent{log: log, by: by, make: create, gone: make(chan struct{})}
	return system, system.Root.Spawn((&House{Log: log}).Props("parent", by, func() actor.Actor { return p })), p
}

func TestBackoffDoublesUpToItsCapAndGivesUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		by := Backoff{First: time.Second, Max: 4 * time.Second, Window: time.Hour, Limit: 6}
		var starts []time.Time
		system, pid, p := spawn(log, by, func() actor.Actor { return &child{starts: &starts} })
		for range by.Limit + 1 {
			system.Root.Send(pid, secretive{canary})
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		<-p.gone
		if len(starts) != by.Limit+1 {
			t.Errorf("%d starts, want %d", len(starts), by.Limit+1)
		}
		for i := 1; i < len(starts); i++ {
			most := min(by.First<<(i-1), by.Max)
			if gap := starts[i].Sub(starts[i-1]); gap > 5*time.Second+most {
				t.Errorf("restart %d after %v, want at most %v after the failure", i, gap, most)
			}
		}
		system.Root.Stop(pid)
		time.Sleep(2 * time.Second) // the library's dead-letter timer ends
		system.Shutdown()
	})
}

func TestAPanicWhileStoppingDoesNotKeepTheParentWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog()
		var starts []time.Time
		system, pid, p := spawn(log, Backoff{Limit: 1, Window: time.Hour, First: time.Second, Max: time.Second},
			func() actor.Actor { return &child{starts: &starts, stopping: true} })
		system.Root.Send(pid, "stop your child")
		select {
		case <-p.gone:
		case <-time.After(time.Minute):
			t.Error("the parent was never told that its child is gone")
		}
		if strings.Contains(out.String(), canary) {
			t.Error("the reason of a panic was logged")
		}
		system.Root.Stop(pid)
		time.Sleep(2 * time.Second)
		system.Shutdown()
	})
}

func TestNeitherPanicNorDeadLetterPrintsAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog()
		var starts []time.Time
		system, pid, _ := spawn(log, Backoff{Limit: 1, Window: time.Hour, First: time.Second, Max: time.Second},
			func() actor.Actor { return &child{starts: &starts} })
		system.Root.Send(pid, secretive{canary}) // panics with it
		time.Sleep(2 * time.Second)
		system.Root.Stop(pid)
		synctest.Wait()
		system.Root.Send(pid, secretive{canary}) // a dead letter
		system.Root.Request(pid, secretive{canary})
		time.Sleep(2 * time.Second)
		if strings.Contains(out.String(), canary) {
			t.Errorf("a message was printed:\n%s", out)
		}
		system.Shutdown()
	})
}

func TestWhatTheLibrarySaysHoldsNoValue(t *testing.T) {
	t.Parallel()
	log, out := newLog()
	logger := System(log).Logger()
	logger.With("reason", canary).Error("it failed", "message", secretive{canary}, "reason", canary, "pid", canary)
	logger.WithGroup("g").Warn("again", "message", &secretive{canary})
	logger.Info("dead letter", "message", secretive{canary})
	if got := out.String(); strings.Contains(got, canary) || !strings.Contains(got, "kit.secretive") {
		t.Errorf("printed:\n%s", got)
	}
}

func TestAWorkerAnswersOnceAlsoWhenItPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		system := System(log)
		var got []Done
		var w Worker
		pid := system.Root.Spawn((&House{Log: log}).Props("child", Backoff{Limit: 1, Window: time.Hour}, func() actor.Actor {
			return actor.ReceiveFunc(func(c actor.Context) {
				switch m := c.Message().(type) {
				case string:
					w.Start(context.Background(), c, func(context.Context) any {
						if m == "panic" {
							panic(canary)
						}
						return m
					})
				case Done:
					if w.Took(m) {
						got = append(got, m)
					}
					if w.Took(m) {
						t.Error("one answer was taken twice")
					}
				}
			})
		}))
		for _, m := range []string{"work", "panic"} {
			system.Root.Send(pid, m)
			synctest.Wait()
		}
		if len(got) != 2 || got[0].Result != "work" || got[0].Panicked || !got[1].Panicked || got[1].Result != nil {
			t.Errorf("got %+v", got)
		}
		system.Root.Stop(pid)
		time.Sleep(2 * time.Second)
		system.Shutdown()
	})
}
