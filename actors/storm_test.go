package actors

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// announcing adds a mailbox whose server announces mail whenever it waits;
// every cutEvery-th time it cuts the connection instead.
func (w *world) announcing(cutEvery int) *row {
	b, n := w.add(id.New[id.User](), 1), 0
	b.park = func() Parked {
		p := newParked()
		if n++; cutEvery > 0 && n%cutEvery == 0 {
			p.news <- fault(mail.Transient, "cut")
		} else {
			p.news <- nil
		}
		return p
	}
	return b
}

func TestAServerThatAnnouncesNothingAgainAndAgainIsNotFollowedAtItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.announcing(0)
		w.start(Options{})
		<-w.Ready()
		rest(time.Hour)
		if n := w.count(b); n < 20 || n > 100 {
			t.Errorf("%d passes in an hour", n)
		}
		w.stop(t)
	})
}

func TestMailThatIsThereIsFetchedAtThePaceOfItsArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		w.do = func(ctx context.Context, _ *row, _ bridge.Pass) (bridge.Report, error) {
			return bridge.Report{Imported: 1, Listed: 1}, nap(ctx, 10*time.Millisecond)
		}
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Minute)
		before := w.count(b)
		for range 100 {
			(*conns)[len(*conns)-1].news <- nil
			rest(200 * time.Millisecond)
		}
		if n := w.count(b) - before; n != 100 {
			t.Errorf("%d passes for 100 mails, a fifth of a second apart", n)
		}
		w.stop(t)
	})
}

func TestAServerThatAnnouncesNothingAndCutsInTurnIsNotStormedWithLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.announcing(2)
		w.start(Options{})
		<-w.Ready()
		rest(time.Hour)
		if n := w.count(b) - b.resumed; n > 30 || n < 6 {
			t.Errorf("%d logins in an hour", n)
		}
		w.stop(t)
	})
}

func TestAFloorOfTheProviderHoldsWhenAParkedConnectionDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.announcing(1)
		w.prepare = func(_ *row, j *Job) error { j.Settings.Host = "imap.yandex.com"; return nil }
		w.start(Options{})
		<-w.Ready()
		rest(time.Hour)
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := 1; i < len(b.begun); i++ {
			if d := b.begun[i].Sub(b.begun[i-1]); d < 2*time.Minute {
				t.Errorf("two logins %v apart", d)
			}
		}
		w.mu.Unlock()
		w.stop(t)
		w.mu.Lock()
	})
}

// A look without news now and then is not an announcement in vain.
func TestMailAfterAQuietNightIsFetchedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, conns := w.pushing()
		w.start(Options{})
		<-w.Ready()
		rest(10 * time.Minute)
		for range 40 {
			(*conns)[len(*conns)-1].news <- nil // time for a look
			rest(17 * time.Minute)
		}
		before := w.count(b)
		(*conns)[len(*conns)-1].news <- nil
		rest(10 * time.Millisecond)
		if n := w.count(b); n != before+1 {
			t.Errorf("%d passes", n-before)
		}
		w.stop(t)
	})
}

// A mailbox that was parked for days without mail is polled at the usual
// interval where its server does not let it wait any more, and after a restart.
func TestTheIntervalOfAParkedMailboxDoesNotGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b, _ := w.pushing()
		w.do = func(context.Context, *row, bridge.Pass) (bridge.Report, error) {
			passes, _ := w.total() // a person reads it elsewhere: each state is saved
			return bridge.Report{Digest: mail.Key{byte(passes)}}, nil
		}
		w.start(Options{})
		rest(72 * time.Hour)
		if every := w.state(b).Interval; every > 15*time.Minute {
			t.Errorf("polled every %v", every)
		}
		w.mu.Lock()
		b.park = nil
		w.mu.Unlock()
		rest(2 * time.Hour)
		w.mu.Lock()
		last := b.begun[len(b.begun)-1]
		w.mu.Unlock()
		if since := time.Since(last); since > 20*time.Minute {
			t.Errorf("not looked at for %v", since)
		}
		if s, _ := w.Status(b.User, b.Mailbox); s.Pushed {
			t.Error("its server is said to tell of new mail, and does not any more")
		}
		w.stop(t)
	})
}

// A dead server costs its time at each try: two hundred of them must not take
// their user's permits from the one mailbox that works.
func TestAUsersDeadMailboxesDoNotStarveTheHealthyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		user := id.New[id.User]()
		for i := range 200 {
			w.add(user, uint64(1000+i)).err = fault(mail.Transient, "timeout_connect")
		}
		healthy := w.add(user, 1)
		w.do = func(ctx context.Context, b *row, _ bridge.Pass) (bridge.Report, error) {
			if b.err != nil {
				return bridge.Report{}, errors.Join(nap(ctx, time.Minute), b.err)
			}
			return bridge.Report{Unchanged: true}, nap(ctx, 100*time.Millisecond)
		}
		w.prepare = func(_ *row, j *Job) error { j.Settings.PollEvery = 5 * time.Minute; return nil }
		w.start(Options{})
		rest(6 * time.Hour) // each has failed by then
		before := w.count(healthy)
		rest(6 * time.Hour)
		if n := w.count(healthy) - before; n < 60 { // every 5 min, up to a fifth later: 60 to 90
			t.Errorf("%d passes over the healthy mailbox in 6 hours, polled every 5 minutes", n)
		}
		for _, b := range w.rows {
			if b.err != nil && w.count(b) < 4 {
				t.Fatalf("a dead mailbox was tried %d times in 12 hours", w.count(b))
			}
		}
		w.stop(t)
	})
}

// Who presses "look now" again and again logs in no oftener than the server
// allows, and is told when it is looked at.
func TestAskingAgainAndAgainKeepsToTheFloor(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		err  error
		most int // logins in an hour of asking each second
	}{
		"a provider with a floor": {"pop3.web.de", nil, 5},
		"a wrong password":        {"", fault(mail.Login, "auth_failed"), 125},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				b := w.add(id.New[id.User](), 1)
				b.err = c.err
				w.prepare = func(_ *row, j *Job) error {
					j.Settings.Host, j.Settings.Protocol = c.host, "pop3"
					return nil
				}
				w.start(Options{})
				<-w.Ready()
				for i := range 3600 {
					ask := w.SyncNow
					if i%7 == 0 {
						ask = w.Resume
					}
					if err := ask(t.Context(), b.User, b.Mailbox); err != nil {
						t.Fatal(err)
					}
					rest(time.Second)
					if s, _ := w.Status(b.User, b.Mailbox); s.Phase != schedule.Syncing && s.NextSync.IsZero() {
						t.Fatalf("nothing says when it is looked at: %+v", s)
					}
				}
				if n := w.count(b); n < 2 || n > c.most {
					t.Errorf("%d logins in an hour", n)
				}
				w.stop(t)
			})
		})
	}
}

// A mailbox that waits because its server does not answer to others says so.
func TestAMailboxBehindAnOpenBreakerSaysWhyItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var boxes []*row
		for range 20 {
			b := w.add(id.New[id.User](), 1)
			b.err = fault(mail.Transient, "unreachable")
			boxes = append(boxes, b)
		}
		other := w.add(id.New[id.User](), 2)
		w.start(Options{Limits: Limits{PollEvery: time.Minute}})
		<-w.Ready()
		rest(10 * time.Second)
		for _, b := range append(boxes, other) {
			_ = w.SyncNow(t.Context(), b.User, b.Mailbox)
		}
		rest(29 * time.Second)
		changes, end := w.Watch()
		defer end()
		rest(2 * time.Minute)
		queued := 0
		for _, b := range boxes {
			s, _ := w.Status(b.User, b.Mailbox)
			if s.Reason.Code != "host_unreachable" {
				continue
			}
			queued++
			if s.Phase != schedule.Waiting || s.Reason.Detail == "" || s.Reason.Help == "" ||
				time.Until(s.Until) <= 0 || time.Until(s.Until) > time.Minute || !s.NextSync.Equal(s.Until) {
				t.Errorf("%+v", s)
			}
		}
		if queued < 5 {
			t.Errorf("%d of 20 mailboxes say that their server does not answer", queued)
		}
		told := false
		for len(changes) > 0 {
			c := <-changes
			told = told || c.Status.Reason.Code == "host_unreachable" && c.Status.Phase == schedule.Waiting
		}
		if !told {
			t.Error("nobody who watches was told")
		}
		if s, _ := w.Status(other.User, other.Mailbox); s.Phase == schedule.Waiting {
			t.Errorf("a neighbour: %+v", s)
		}
		for _, b := range boxes {
			w.mu.Lock()
			b.err = nil
			w.mu.Unlock()
		}
		rest(10 * time.Minute)
		for _, b := range boxes {
			if s, _ := w.Status(b.User, b.Mailbox); s.Phase == schedule.Waiting || s.Reason.Code != "" {
				t.Errorf("it answers again: %+v", s)
			}
		}
		w.stop(t)
	})
}
