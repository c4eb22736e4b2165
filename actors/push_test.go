package actors

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// pushing adds a mailbox whose every pass parks; conns are its connections.
func (w *world) pushing() (b *row, conns *[]*parked) {
	b, conns = w.add(id.New[id.User](), 1), new([]*parked)
	b.park = func() Parked {
		p := newParked()
		*conns = append(*conns, p)
		return p
	}
	return b, conns
}

func TestNewMailOnAParkedConnectionIsFetchedAtOnceOverIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Minute)
		if n := w.count(b); n != 1 {
			t.Fatalf("%d passes before any news", n)
		}
		if s, _ := w.Status(b.User, b.Mailbox); !s.Pushed {
			t.Error("nobody is told that its server tells of new mail")
		}
		(*conns)[0].news <- nil
		rest(time.Millisecond)
		synctest.Wait()
		if n := w.count(b); n != 2 || b.resumed != 1 {
			t.Errorf("%d passes, %d over the parked connection", n, b.resumed)
		}
		rest(time.Second)
		if len(*conns) != 2 {
			t.Errorf("parked %d times", len(*conns))
		}
		w.stop(t)
		if !(*conns)[1].isClosed() {
			t.Error("a parked connection outlives the engine")
		}
	})
}

func TestADeadParkedConnectionFallsBackToAPollSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Minute)
		(*conns)[0].news <- fault(mail.Transient, "cut")
		rest(20 * time.Second)
		if n := w.count(b); n != 2 || b.resumed != 0 || !(*conns)[0].isClosed() || len(*conns) != 2 {
			t.Errorf("%d passes, %d resumed, closed %v, parked %d times", n, b.resumed, (*conns)[0].isClosed(), len(*conns))
		}
		w.stop(t)
	})
}

func TestAServerThatCutsEveryParkedConnectionIsNotStormed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		b.park = func() Parked {
			p := newParked()
			p.news <- fault(mail.Transient, "cut")
			return p
		}
		w.start(Options{})
		<-w.Ready()
		rest(time.Hour)
		if n := w.count(b); n > 30 || n < 6 {
			t.Errorf("%d passes in an hour", n)
		}
		w.stop(t)
	})
}

func TestSyncNowOfAParkedMailboxDoesNotWaitForNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Minute)
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(time.Second)
		if n := w.count(b); n != 2 || !(*conns)[0].isClosed() || len(*conns) != 2 {
			t.Errorf("%d passes, closed %v, parked %d times", n, (*conns)[0].isClosed(), len(*conns))
		}
		rest(5 * time.Minute)
		if n := w.count(b); n != 2 {
			t.Errorf("%d passes after it was parked again", n-2)
		}
		w.stop(t)
	})
}

func TestPauseAndForgetCloseAParkedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		c, more := w.pushing()
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Minute)
		if err := w.Pause(t.Context(), b.User, b.Mailbox); err != nil || !(*conns)[0].isClosed() {
			t.Errorf("pause: %v, closed %v", err, (*conns)[0].isClosed())
		}
		if err := w.StopUser(t.Context(), c.User); err != nil || !(*more)[0].isClosed() {
			t.Errorf("stop user: %v, closed %v", err, (*more)[0].isClosed())
		}
		rest(time.Hour)
		if w.count(b) != 1 || w.count(c) != 1 {
			t.Error("passed over again")
		}
		w.stop(t)
	})
}

func TestASilentPushIsCoveredByThePollBelowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, _ := w.pushing()
		w.start(Options{})
		<-w.Ready()
		rest(5 * time.Hour)
		if n := w.count(b); n < 4 || n > 12 {
			t.Errorf("%d passes in 5 hours", n)
		}
		w.stop(t)
	})
}

func TestAnAccountIsOpenedOnceForAllAndClosedAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		user := id.New[id.User]()
		for range 4 {
			w.add(user, 1).Dirty = true
		}
		opening := 0
		w.open = func(id.User) error {
			opening++
			time.Sleep(time.Second)
			if opening == 1 {
				return errors.New("store is busy")
			}
			return nil
		}
		w.start(Options{Limits: Limits{PollEvery: 2 * time.Hour}})
		<-w.Ready()
		rest(20 * time.Second)
		if open, opens := w.accounts(user); opens != 1 || open != 1 {
			t.Errorf("opened %d times, %d open", opens, open)
		}
		rest(40 * time.Second)
		if open, _ := w.accounts(user); open != 0 {
			t.Error("still open half a minute after the last pass")
		}
		w.stop(t)
	})
}

func TestAMarkIsSetBeforeTheFirstClaimAndTakenAwayAfterACleanPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		var fail error
		claim := true
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if claim {
				if err := b.marker.Begin(ctx); err != nil {
					return bridge.Report{}, err
				}
				if !w.dirty(b) {
					t.Error("a claim without a mark")
				}
			}
			return bridge.Report{}, fail
		}
		w.start(Options{Limits: Limits{PollEvery: time.Hour}})
		<-w.Ready()
		now := func() {
			t.Helper()
			if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
				t.Fatal(err)
			}
			rest(40 * time.Second) // one that failed is not tried again at once
		}
		fail = fault(mail.Transient, "cut")
		now()
		if !w.dirty(b) {
			t.Error("the mark of a pass that was cut is gone")
		}
		fail, claim = nil, false
		now()
		if w.dirty(b) {
			t.Error("a mark is left after a clean pass")
		}
		cleans := w.cleans
		now()
		if w.cleans != cleans {
			t.Error("a pass without a claim has cleaned")
		}
		w.stop(t)
	})
}

func TestAMarkSetWhileMarksAreTakenAwayStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if err := b.marker.Begin(ctx); err != nil {
				return bridge.Report{}, err
			}
			return bridge.Report{}, nap(ctx, time.Minute)
		}
		w.start(Options{Limits: Limits{PollEvery: time.Hour}})
		<-w.Ready()
		for range 2 { // the second begins within the seconds after the first
			if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
				t.Fatal(err)
			}
			rest(61 * time.Second)
		}
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(30 * time.Second)
		if w.count(b) != 3 || !w.dirty(b) {
			t.Errorf("pass %d runs with the mark taken away", w.count(b))
		}
		w.stop(t)
	})
}

func TestDrainLetsUploadsEndAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		looking, sending := w.add(id.New[id.User](), 1), w.add(id.New[id.User](), 2)
		looking.Dirty, sending.Dirty = true, true
		var cut, sent, refused bool
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if b == looking {
				err := nap(ctx, time.Hour)
				cut = errors.Is(err, ErrDrained)
				return bridge.Report{}, err
			}
			if err := b.marker.Begin(ctx); err != nil {
				return bridge.Report{}, err
			}
			if err := nap(ctx, 20*time.Second); err != nil {
				return bridge.Report{}, err
			}
			sent = true
			err := b.marker.Begin(ctx) // the next message
			refused = errors.Is(err, ErrDrained)
			return bridge.Report{Imported: 1}, err
		}
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Second)
		start := time.Now()
		w.stop(t)
		if took := time.Since(start); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("drain took %v", took)
		}
		if !cut || !sent || !refused {
			t.Errorf("cut %v, sent %v, next refused %v", cut, sent, refused)
		}
		if looking.Dirty != true || w.state(looking).Failures != 0 {
			t.Error("a pass that was cut by us counts as a failure, or lost its mark")
		}
	})
}

func TestDrainIsHardAtItsDeadlineAndMayBeCalledTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		b.Dirty = true
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if err := b.marker.Begin(ctx); err != nil {
				return bridge.Report{}, err
			}
			return bridge.Report{}, nap(ctx, time.Hour)
		}
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		second := make(chan error)
		go func() { second <- w.Drain(ctx) }()
		if err := w.Drain(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("second drain: %v", err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("drain took %v", took)
		}
		if err := w.Drain(t.Context()); err != nil {
			t.Errorf("third drain: %v", err)
		}
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); !errors.Is(err, ErrDrained) {
			t.Errorf("sync now after drain: %v", err)
		}
		w.stop(t)
	})
}

// A source or Gmail that heeds no context must not hold up the end of the
// process: two seconds after its drain time it is gone.
func TestDrainLeavesBehindWhatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		b.Dirty = true
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			err := b.marker.Begin(ctx)
			time.Sleep(time.Minute)
			return bridge.Report{}, err
		}
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := w.Drain(ctx); err == nil {
			t.Error("nothing says that work is left behind")
		}
		if took := time.Since(start); took > 6*time.Second+100*time.Millisecond {
			t.Errorf("drain took %v, want no more than a second after its time", took)
		}
		rest(time.Hour)
		w.stop(t)
	})
}

func TestAOneShotNeverRunsBesideAScheduledPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		b.Dirty = true
		var running, most int
		busy := func(ctx context.Context) error {
			running++
			most = max(most, running)
			defer func() { running-- }()
			return nap(ctx, 10*time.Second)
		}
		w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
			return bridge.Report{}, busy(ctx)
		}
		w.start(Options{})
		<-w.Ready()
		rest(time.Second)
		if _, err := w.Sync(t.Context(), b.User, b.Mailbox, func(ctx context.Context) (bridge.Report, error) {
			return bridge.Report{}, busy(ctx)
		}); err != nil {
			t.Fatal(err)
		}
		if most != 1 {
			t.Errorf("%d at once", most)
		}
		w.stop(t)
	})
}

func TestABacklogIsShownWhileAPassRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		b.Dirty = true
		w.do = func(ctx context.Context, _ *row, p bridge.Pass) (bridge.Report, error) {
			p.Progress(bridge.Event{Listed: 100, ToDo: 100, ToDoBytes: 1000})
			for range 50 {
				p.Progress(bridge.Event{Status: mail.Imported, Size: 10})
				_ = nap(ctx, time.Second)
			}
			return bridge.Report{}, nap(ctx, time.Hour)
		}
		w.start(Options{})
		<-w.Ready()
		rest(100 * time.Second)
		s, _ := w.Status(b.User, b.Mailbox)
		if s.Phase != schedule.Syncing || s.Backlog.Messages != 50 || s.Backlog.Bytes != 500 || s.Backlog.ETA.IsZero() {
			t.Errorf("status %+v", s)
		}
		w.stop(t)
	})
}

// slowRegistry takes its time to tell what there is.
type slowRegistry struct{ Registry }

func (r slowRegistry) All(ctx context.Context) iter.Seq2[schedule.Registered, error] {
	time.Sleep(10 * time.Millisecond)
	return r.Registry.All(ctx)
}

// TestDrainWhileTheMailboxesAreLoaded: nobody is there any more to take them,
// and nothing waits for that.
func TestDrainWhileTheMailboxesAreLoaded(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.add(id.New[id.User](), 1)
			w.start(Options{}, func(o *Options) { o.Registry = slowRegistry{w} })
			start := time.Now()
			w.stop(t)
			if took := time.Since(start); took > 100*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	}
}
