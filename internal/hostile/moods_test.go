package hostile

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// Servers that change their mind, and a Gmail that has had enough.

// moody sends connections to one server or the other, by their number from 0.
func moody(which func(n int64) bool, yes, no func(net.Conn)) func(net.Conn) {
	var n atomic.Int64
	return func(c net.Conn) {
		if which(n.Add(1) - 1) {
			yes(c)
		} else {
			no(c)
		}
	}
}

// watched is a mailbox at a moody server, with mail that comes every half hour,
// and all phases and codes that were seen in it.
func watched(t *testing.T, which func(n int64) bool, refusal pop3d.Faults, span time.Duration) (seen map[string]bool, w *world, b *box) {
	w = newWorld(t)
	drop := pop3d.NewMemory(testkit.Message(1))
	b = w.add(id.New[id.User](), bad, "pop3", "tls", moody(which,
		w.pop(secure(), false, pop3d.Faults{}, drop), w.pop(secure(), false, refusal, drop)))
	w.start()
	seen = make(map[string]bool)
	mails := [][]byte{testkit.Message(1)}
	for end := time.Now().Add(span); time.Until(end) > 0; {
		mails = append(mails, testkit.Message(uint64(len(mails)+1)))
		drop.Add(mails[len(mails)-1])
		for range 30 * 60 {
			time.Sleep(time.Second)
			s := b.state()
			seen[s.Phase.String()+" "+s.Reason.Code] = true
		}
		if n := b.gmail().total(); n != len(mails) {
			t.Errorf("%d messages in Gmail half an hour after number %d came", n, len(mails))
		}
	}
	for _, m := range mails {
		if n := b.gmail().copies(m); n != 1 {
			t.Errorf("a message arrived %d times", n)
		}
	}
	return seen, w, b
}

var wrong = pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [AUTH] wrong password"}}

func TestAServerThatRefusesEverySecondLoginIsNotAWrongPassword(t *testing.T) {
	t.Parallel()
	secure()
	synctest.Test(t, func(t *testing.T) {
		seen, w, _ := watched(t, func(n int64) bool { return n%2 == 1 }, wrong, 6*time.Hour)
		defer w.stop()
		if !seen["waiting auth_failed"] || len(seen) != 2 {
			t.Errorf("saw %v, want idle and waiting", seen)
		}
	})
}

func TestAPasswordThatIsRefusedOnceIsTriedOnceMore(t *testing.T) {
	t.Parallel()
	secure()
	synctest.Test(t, func(t *testing.T) {
		seen, w, b := watched(t, func(n int64) bool { return n > 0 }, wrong, time.Hour)
		defer w.stop()
		if !seen["waiting auth_failed"] || len(seen) != 2 {
			t.Errorf("saw %v, want idle and waiting", seen)
		}
		if rest := b.called[1].Sub(b.called[0]); rest < 5*time.Minute || rest > 6*time.Minute {
			t.Errorf("tried once more after %v, want 5 to 6 minutes", rest)
		}
		if s := b.state(); s.Phase != schedule.Idle || s.Failures != 0 {
			t.Errorf("in the end: %v, %d failures", s.Phase, s.Failures)
		}
	})
}

func TestAMaildropThatIsLockedNowAndThenIsOrdinary(t *testing.T) {
	t.Parallel()
	secure()
	synctest.Test(t, func(t *testing.T) {
		locked := pop3d.Faults{Replies: map[string]string{"PASS": "-ERR [IN-USE] maildrop is locked"}}
		seen, w, _ := watched(t, func(n int64) bool { return n%3 != 0 }, locked, 3*time.Hour)
		defer w.stop()
		if !seen["waiting mailbox_locked"] || len(seen) != 2 {
			t.Errorf("saw %v, want idle and waiting", seen)
		}
	})
}

// Gmail names no time here, as it often does not (facts: rate limits).
func TestAGmailThatAnswers429ForAnHourIsAskedSeldomAndLosesNothing(t *testing.T) {
	t.Parallel()
	secure()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		drop, other := pop3d.NewMemory(), pop3d.NewMemory()
		b := w.add(id.New[id.User](), bad, "pop3", "tls", w.pop(secure(), false, pop3d.Faults{}, drop))
		neighbour := w.add(id.New[id.User](), good, "pop3", "tls", w.pop(secure(), false, pop3d.Faults{}, other))
		mails := make([][]byte, 20)
		for i := range mails {
			mails[i] = testkit.Message(uint64(i + 1))
			drop.Add(mails[i])
		}
		w.users[b.user].refuse(time.Hour)
		began := time.Now()
		w.start()
		defer w.stop()
		late := w.deliver(other, neighbour, began.Add(hours))
		time.Sleep(50 * time.Minute)
		s := b.state()
		if s.Phase != schedule.Waiting || s.Reason.Code != "gmail_rate" || s.Reason.Detail == "" || s.Reason.Help == "" || s.Until.Before(began) {
			t.Errorf("refused by Gmail: %v, %+v, until %v", s.Phase, s.Reason, s.Until)
		}
		t.Logf("%d requests refused, %d logins at the source", b.gmail().refusals(), b.calls())
		// Rounds are up to a minute apart, with a few requests on their way at once.
		if n, rounds := b.gmail().refusals(), b.calls(); n > 10*rounds || rounds > 90 {
			t.Errorf("Gmail was asked %d times in %d rounds", n, rounds)
		}
		time.Sleep(time.Until(began.Add(hours)))
		for i, m := range mails {
			if n := b.gmail().copies(m); n != 1 {
				t.Errorf("message %d arrived %d times", i, n)
			}
		}
		if s := b.state(); s.Phase != schedule.Idle || s.Reason != (schedule.Reason{}) {
			t.Errorf("in the end: %v, %+v", s.Phase, s.Reason)
		}
		if n := <-late; n > 0 {
			t.Errorf("%d messages of another user were late", n)
		}
	})
}
