package actors

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

func start(t *testing.T) (*Engine, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return Start(Options{Log: slog.New(slog.NewTextHandler(&log, nil))}), &log
}

func stop(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestASyncGivesItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t)
		defer stop(t, e)
		want := errors.New("out of budget")
		rep, err := e.Sync(t.Context(), id.New[id.User](), id.New[id.Mailbox](), func(context.Context) (bridge.Report, error) {
			return bridge.Report{Imported: 3}, want
		})
		if rep.Imported != 3 || !errors.Is(err, want) {
			t.Errorf("got %v, %v", rep, err)
		}
	})
}

func TestTwoPassesOverOneMailboxNeverRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t)
		defer stop(t, e)
		user, box := id.New[id.User](), id.New[id.Mailbox]()
		var running, most atomic.Int32
		done := make(chan struct{})
		for range 5 {
			go func() {
				_, _ = e.Sync(t.Context(), user, box, func(context.Context) (bridge.Report, error) {
					most.Store(max(most.Load(), running.Add(1)))
					time.Sleep(time.Second)
					running.Add(-1)
					return bridge.Report{}, nil
				})
				done <- struct{}{}
			}()
		}
		for range 5 {
			<-done
		}
		if most.Load() != 1 {
			t.Errorf("%d passes ran at once", most.Load())
		}
	})
}

func TestAPanickingPassIsRunAgainAndGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, log := start(t)
		defer stop(t, e)
		var tries int
		const secret = "hunter2-canary"
		_, err := e.Sync(t.Context(), id.New[id.User](), id.New[id.Mailbox](), func(context.Context) (bridge.Report, error) {
			tries++
			panic(secret)
		})
		if !errors.Is(err, ErrGaveUp) || tries != backoff.Limit+1 {
			t.Errorf("got %v after %d tries, want ErrGaveUp after %d", err, tries, backoff.Limit+1)
		}
		if strings.Contains(log.String(), secret) {
			t.Error("the reason of a panic was logged")
		}
	})
}

func TestDrainWaitsForTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t)
		var ended atomic.Bool
		began := make(chan struct{})
		got := make(chan error, 1)
		go func() {
			_, err := e.Sync(t.Context(), id.New[id.User](), id.New[id.Mailbox](), func(ctx context.Context) (bridge.Report, error) {
				close(began)
				<-ctx.Done()
				time.Sleep(3 * time.Second) // a worker that takes its time to end
				ended.Store(true)
				return bridge.Report{}, context.Cause(ctx)
			})
			got <- err
		}()
		<-began
		stop(t, e)
		if !ended.Load() {
			t.Error("drain returned before the worker had ended")
		}
		if err := <-got; !errors.Is(err, ErrDrained) {
			t.Errorf("sync: got %v, want ErrDrained", err)
		}
		if _, err := e.Sync(t.Context(), id.New[id.User](), id.New[id.Mailbox](), nil); !errors.Is(err, ErrDrained) {
			t.Errorf("sync after drain: got %v, want ErrDrained", err)
		}
	})
}
