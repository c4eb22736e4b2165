package actors

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// slowly is a registry that takes long to be read.
type slowly struct{ *world }

func (s slowly) All(ctx context.Context) iter.Seq2[schedule.Registered, error] {
	return func(yield func(schedule.Registered, error) bool) {
		for r, err := range s.world.All(ctx) { // read, and handed on late
			time.Sleep(3 * time.Second)
			if !yield(r, err) {
				return
			}
		}
	}
}

func TestWhatIsAskedBeforeTheRegistryIsLoadedWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.start(Options{}, func(o *Options) { o.Registry = slowly{w} })
		if err := w.StopUser(t.Context(), b.User); err != nil {
			t.Errorf("stop user: %v", err)
		}
		rest(time.Hour)
		if n := w.count(b); n != 0 {
			t.Errorf("%d passes for a user who was stopped", n)
		}
		w.stop(t)

		w.start(Options{}, func(o *Options) { o.Registry = slowly{w} })
		if err := w.SyncNow(t.Context(), b.User, b.Mailbox); err != nil {
			t.Errorf("sync now: %v", err)
		}
		rest(time.Second)
		if n := w.count(b); n != 1 {
			t.Errorf("%d passes", n)
		}
		w.stop(t)
	})
}

// A pass that failed has dropped the digest; Resume, which read the state
// before and writes it after, must not bring it back.
func TestResumeBringsNoDigestBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		b.state = schedule.State{LastSync: time.Now(), Digest: mail.Key{1}}
		w.do = func(ctx context.Context, b *row, p bridge.Pass) (bridge.Report, error) {
			return bridge.Report{}, nap(ctx, time.Hour)
		}
		w.start(Options{})
		<-w.Ready()
		if err := w.Resume(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		if d := w.state(b).Digest; d != (mail.Key{}) {
			t.Errorf("digest %v", d[:1])
		}
		w.stop(t)
	})
}

// A server that shows old counts for ever does not hide its mail for ever: the
// digest is not believed once in a while.
func TestAStaleDigestIsNotBelievedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		looked := 0
		w.do = func(_ context.Context, _ *row, p bridge.Pass) (bridge.Report, error) {
			if p.Digest == (mail.Key{}) {
				looked++
			}
			return bridge.Report{Digest: mail.Key{1}, Unchanged: p.Digest != mail.Key{}}, nil
		}
		w.start(Options{})
		rest(10 * 24 * time.Hour)
		if passes := len(b.begun); looked < 2 || looked > passes/5 {
			t.Errorf("looked through it %d times in 10 days and %d passes", looked, passes)
		}
		w.stop(t)
	})
}
