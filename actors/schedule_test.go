package actors

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

func TestARegisteredMailboxIsPolledAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.start(Options{})
		<-w.Ready()
		rest(3 * time.Hour)
		if n := w.count(b); n < 6 || n > 40 { // every five minutes, slower while nothing comes
			t.Errorf("%d passes in 3 hours", n)
		}
		s, ok := w.Status(b.User, b.Mailbox)
		if !ok || s.Phase != schedule.Idle || s.NextSync.IsZero() || s.LastSync.IsZero() {
			t.Errorf("status %+v, %v", s, ok)
		}
		if _, saves := w.total(); saves > 1 { // the first sync is worth it
			t.Errorf("%d saves of passes that found nothing", saves)
		}
		w.stop(t)
	})
}

func TestTenThousandMailboxesDueInTheSameSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		w := newWorld()
		for i := range n {
			w.add(id.New[id.User](), uint64(i%50+1)).Dirty = true // due at once
		}
		w.start(Options{Limits: Limits{Sessions: 200, PerUser: 4, PerLane: 8, LoginsPerSecond: -1, PollEvery: time.Hour}})
		<-w.Ready()
		rest(20 * time.Second)
		synctest.Wait()
		w.mu.Lock()
		done, most, lane := w.passes, w.most, w.peak.lane
		w.mu.Unlock()
		if done != n {
			t.Errorf("%d of %d passed over", done, n)
		}
		if most > 200 || lane > 8 {
			t.Errorf("%d sessions and %d connections to one server at once", most, lane)
		}
		if goroutines := runtime.NumGoroutine(); goroutines > 500 {
			t.Errorf("%d goroutines", goroutines)
		}
		for _, b := range w.rows {
			if w.dirty(b) {
				t.Fatal("a mark was left")
			}
		}
		w.stop(t)
	})
}

func TestDeadMailboxesOfOneUserDoNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		hostile := id.New[id.User]()
		for i := range 200 {
			b := w.add(hostile, uint64(1000+i/4)) // four to a host of their own, some at the good one
			if i%10 == 0 {
				b.Lane = 1
			}
			b.err = fault(mail.Transient, "timeout_connect")
		}
		var good []*row
		for range 100 {
			good = append(good, w.add(id.New[id.User](), 1))
		}
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if b.err != nil {
				if err := nap(ctx, 30*time.Second); err != nil {
					return bridge.Report{}, err
				}
				return bridge.Report{}, b.err
			}
			return bridge.Report{Unchanged: true}, nap(ctx, 100*time.Millisecond)
		}
		w.start(Options{Policy: schedule.Policy{}, Limits: Limits{Sessions: 32, PollEvery: 5 * time.Minute}})
		var worst time.Duration
		<-w.Ready()
		for range 60 { // ask for each good one in turn and see how long it takes
			for _, b := range good[:10] {
				before, asked := w.count(b), time.Now()
				if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
					t.Fatal(err)
				}
				for w.count(b) == before {
					rest(10 * time.Millisecond)
				}
				worst = max(worst, time.Since(asked))
			}
			rest(time.Minute)
		}
		for _, b := range good {
			if w.count(b) < 3 {
				t.Errorf("a healthy mailbox was passed over %d times in an hour", w.count(b))
			}
		}
		if worst > 4*time.Second { // ten asked for in a row at three logins a second
			t.Errorf("a healthy mailbox waited %v", worst)
		}
		if w.peak.user > 4 {
			t.Errorf("%d passes of one user at once", w.peak.user)
		}
		w.stop(t)
	})
}

func TestPauseResumeAndSyncNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		var cut atomic.Int32
		w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
			err := nap(ctx, 10*time.Second)
			if errors.Is(err, ErrPaused) {
				cut.Add(1)
			}
			return bridge.Report{}, err
		}
		w.start(Options{Limits: Limits{PollEvery: time.Hour}})
		<-w.Ready()
		ctx := t.Context()
		if err := w.SyncNow(ctx, b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(time.Second)
		if s, _ := w.Status(b.User, b.Mailbox); s.Phase != schedule.Syncing {
			t.Errorf("phase %v while a pass runs", s.Phase)
		}
		if err := w.Pause(ctx, b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		if cut.Load() != 1 || w.state(b).Phase != schedule.Paused {
			t.Errorf("paused: %d cut, stored phase %v", cut.Load(), w.state(b).Phase)
		}
		if err := w.SyncNow(ctx, b.User, b.Mailbox); !errors.Is(err, ErrPaused) {
			t.Errorf("sync now of a paused mailbox: %v", err)
		}
		rest(24 * time.Hour)
		if n := w.count(b); n != 1 {
			t.Errorf("%d passes over a paused mailbox", n-1)
		}
		if err := w.Resume(ctx, b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(5 * time.Second)
		if err := w.SyncNow(ctx, b.User, b.Mailbox); err != nil { // while one runs: once more
			t.Fatal(err)
		}
		rest(30 * time.Second)
		if n := w.count(b); n != 3 || w.state(b).Phase != schedule.Idle {
			t.Errorf("resumed: %d passes, phase %v", n-1, w.state(b).Phase)
		}
		if err := w.SyncNow(ctx, b.User, id.New[id.Mailbox]()); !errors.Is(err, account.ErrNone) {
			t.Errorf("sync now of an unknown mailbox: %v", err)
		}
		w.stop(t)
	})
}

func TestAPausedMailboxStaysSoOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.start(Options{})
		<-w.Ready()
		if err := w.Pause(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		before := w.count(b)
		w.stop(t)
		w.start(Options{})
		rest(24 * time.Hour)
		if n := w.count(b); n != before {
			t.Errorf("%d passes over a paused mailbox", n-before)
		}
		w.stop(t)
	})
}

func TestAPassThatAlwaysPanicsIsGivenUpVisibly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, other := w.add(id.New[id.User](), 1), w.add(id.New[id.User](), 1)
		const secret = "hunter2-canary"
		w.do = func(_ context.Context, r *row, _ bridge.Pass) (bridge.Report, error) {
			if r == b {
				panic(secret)
			}
			return bridge.Report{}, nil
		}
		changes := func() <-chan Change {
			w.start(Options{})
			c, _ := w.Watch()
			return c
		}()
		<-w.Ready()
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(5 * time.Minute)
		if n := w.count(b); n != backoff.Limit+1 {
			t.Errorf("tried %d times, want %d", n, backoff.Limit+1)
		}
		s := w.state(b)
		if s.Phase != schedule.Failing || s.Reason.Code != "internal_error" || s.Until.IsZero() {
			t.Errorf("stored state %+v", s)
		}
		if s, _ := w.Status(b.User, b.Mailbox); s.Phase != schedule.Failing {
			t.Errorf("phase %v", s.Phase)
		}
		var seen bool
		for len(changes) > 0 {
			c := <-changes
			seen = seen || c.Mailbox == b.Mailbox && c.Status.Reason.Code == "internal_error"
		}
		if !seen {
			t.Error("nobody was told")
		}
		rest(time.Hour)
		if w.count(b) != backoff.Limit+1 || w.count(other) == 0 {
			t.Errorf("%d tries, %d of the neighbour", w.count(b), w.count(other))
		}
		rest(24 * time.Hour)
		if w.count(b) == backoff.Limit+1 {
			t.Error("never tried again")
		}
		w.stop(t)
		if strings.Contains(w.log.String(), secret) {
			t.Error("the reason of a panic was logged")
		}
	})
}

func TestForgetAndStopUserWaitForTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		user := id.New[id.User]()
		boxes := []*row{w.add(user, 1), w.add(user, 1), w.add(user, 2)}
		var running atomic.Int32
		w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(time.Second) // takes its time to end
			return bridge.Report{}, context.Cause(ctx)
		}
		w.start(Options{})
		<-w.Ready()
		for _, b := range boxes {
			if err := w.SyncNow(t.Context(), user, b.Mailbox); err != nil {
				t.Fatal(err)
			}
		}
		rest(time.Second)
		if running.Load() != 3 {
			t.Fatalf("%d run", running.Load())
		}
		if err := w.Forget(t.Context(), user, boxes[0].Mailbox); err != nil || running.Load() != 2 {
			t.Errorf("forget: %v, %d run", err, running.Load())
		}
		start := time.Now()
		if err := w.StopUser(t.Context(), user); err != nil || running.Load() != 0 || time.Since(start) > 2*time.Second {
			t.Errorf("stop user: %v, %d run, after %v", err, running.Load(), time.Since(start))
		}
		rest(24 * time.Hour)
		if passes, _ := w.total(); passes != 3 {
			t.Errorf("%d passes after the user was stopped", passes-3)
		}
		if _, ok := w.Status(user, boxes[1].Mailbox); ok {
			t.Error("a forgotten mailbox has a status")
		}
		w.stop(t)
	})
}

func TestARevokedGrantStopsTheUserAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		user, other := id.New[id.User](), w.add(id.New[id.User](), 1)
		var boxes []*row
		for range 8 {
			boxes = append(boxes, w.add(user, 1))
		}
		gone := fault(mail.Revoked, "grant_revoked")
		var isGone atomic.Bool
		var destroyed atomic.Int32
		w.open = func(u id.User) error {
			if u == user && isGone.Load() && destroyed.Load() > 0 {
				return gone
			}
			return nil
		}
		w.revoked = func(u id.User) error {
			if u != user {
				t.Error("the wrong user's data was destroyed")
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.byUser[user] > 0 {
				t.Error("data was destroyed under a running pass")
			}
			if destroyed.Add(1) == 1 {
				return errors.New("store is locked") // tried again
			}
			return nil
		}
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if b == boxes[0] && isGone.Load() {
				return bridge.Report{}, gone
			}
			if b == boxes[1] && isGone.Load() { // slow to end when it is told to
				<-ctx.Done()
				time.Sleep(2 * time.Second)
				return bridge.Report{}, context.Cause(ctx)
			}
			return bridge.Report{}, nap(ctx, 100*time.Millisecond)
		}
		w.start(Options{})
		rest(time.Hour)
		isGone.Store(true) // an account that is opened now works until a pass finds out
		if err := w.SyncNow(t.Context(), user, boxes[1].Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(time.Second)
		if err := w.SyncNow(t.Context(), user, boxes[0].Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(10 * time.Minute)
		for i, b := range boxes {
			if s := w.state(b); s.Phase != schedule.Failing {
				t.Errorf("mailbox %d: phase %v, %+v", i, s.Phase, s.Reason)
			}
		}
		if destroyed.Load() < 2 || destroyed.Load() > 4 {
			t.Errorf("destroyed %d times", destroyed.Load())
		}
		if w.state(other).Phase != schedule.Idle {
			t.Error("a neighbour noticed")
		}
		passes := w.count(boxes[1])
		isGone.Store(false)
		w.UserChanged(user)
		rest(time.Minute)
		for i, b := range boxes {
			if s := w.state(b); s.Phase != schedule.Idle {
				t.Errorf("connected again: mailbox %d: phase %v", i, s.Phase)
			}
		}
		if w.count(boxes[1]) == passes {
			t.Error("connected again, and not polled")
		}
		w.stop(t)
	})
}

func TestAMailboxThatIsDeletedUnderItsPassIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.start(Options{})
		<-w.Ready()
		w.mu.Lock()
		delete(w.rows, b.Mailbox)
		w.mu.Unlock()
		rest(time.Hour)
		if _, ok := w.Status(b.User, b.Mailbox); ok {
			t.Error("it has a status")
		}
		w.stop(t)
	})
}

func TestANewMailboxIsLookedAtAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.start(Options{})
		<-w.Ready()
		b := w.add(id.New[id.User](), 1)
		w.Register(b.Registered)
		rest(time.Second)
		if w.count(b) != 1 {
			t.Errorf("%d passes", w.count(b))
		}
		w.stop(t)
	})
}

// The wall clock may have been wrong when a time was stored, or be so now.
func TestAClockThatJumpsNeitherStopsNorStormsAMailbox(t *testing.T) {
	for name, until := range map[string]time.Duration{"ahead": 10 * 365 * 24 * time.Hour, "behind": -10 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				var boxes []*row
				for range 600 {
					b := w.add(id.New[id.User](), 1)
					b.Phase, b.Until = schedule.Waiting, time.Now().Add(until)
					b.state = schedule.State{Phase: b.Phase, Until: b.Until, LastSync: b.Until, Failures: 1, First: b.Until}
					boxes = append(boxes, b)
				}
				w.start(Options{Limits: noLimits()})
				<-w.Ready()
				rest(5 * time.Second)
				if passes, _ := w.total(); passes > 150 {
					t.Errorf("%d of 600 at once", passes)
				}
				rest(26 * time.Hour)
				for _, b := range boxes {
					if n := w.count(b); n == 0 || n > 26*12*2 {
						t.Fatalf("%d passes in 26 hours", n)
					}
				}
				w.stop(t)
			})
		})
	}
}

// goroutines counts those of this program. runtime.NumGoroutine also counts one
// of the runtime's own, from the first time that something has a cleanup.
func goroutines() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("\ngoroutine ")) + 1
}

func TestNothingIsLeftOfTenThousandPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for range 500 {
			w.add(id.New[id.User](), 1)
		}
		w.do = func(context.Context, *row, bridge.Pass) (bridge.Report, error) {
			return bridge.Report{Unchanged: true}, nil
		}
		w.start(Options{Limits: noLimits()})
		<-w.Ready()
		synctest.Wait()
		before := goroutines()
		passes := 0
		for ; passes < 10_000; passes, _ = w.total() {
			rest(10 * time.Minute)
		}
		for _, b := range w.rows {
			if err := w.Pause(t.Context(), b.User, b.Mailbox); err != nil {
				t.Fatal(err)
			}
		}
		rest(5 * time.Minute)
		synctest.Wait()
		if after := goroutines(); after > before {
			t.Errorf("%d goroutines before, %d after %d passes", before, after, passes)
		}
		if n := w.system.ProcessRegistry.LocalPIDs.LocalPIDs; actorsIn(n) > 12 {
			t.Errorf("%d actors are left", actorsIn(n))
		}
		w.stop(t)
	})
}

func actorsIn[M interface{ Count() int }](buckets []M) (n int) {
	for _, m := range buckets {
		n += m.Count()
	}
	return n
}
