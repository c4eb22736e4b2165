package hostile

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// A row is one server of the catalogue and what its user gets.
type row struct {
	number   int // in the catalogue; 0: not there
	name     string
	protocol string
	security string // "": tls
	server   server
	after    bridge.Disposal // "": leave

	// The state after the first pass.
	phase schedule.Phase
	code  string        // "": none: the mail arrives all the same
	note  string        // with no code: what the mailbox says in the end all the same
	or    string        // the other code, where two limits are reached in the same second
	back  backoff       // until the next
	leave time.Duration // the pass ends within this; 0: a minute
	stays bool          // the mailbox stays ill for a person to see: Failing when the hours are over
}

func (r row) says(code string) bool { return code == r.code || r.or != "" && code == r.or }

// hours is how long each server is lived with.
const hours = 90 * time.Minute

// backoff is the least and the most that a mailbox rests.
type backoff struct{ least, most time.Duration }

var (
	soon    = backoff{time.Second, 35 * time.Second}                // an outage: full jitter
	minute  = backoff{time.Minute, 70 * time.Second}                // a lock
	minutes = backoff{5 * time.Minute, 5*time.Minute + time.Minute} // a server that errs, a refused password
	quarter = backoff{15 * time.Minute, 17 * time.Minute}           // a limit
	half    = backoff{30 * time.Minute, 33 * time.Minute}           // an operator's
	day     = backoff{24 * time.Hour, 25 * time.Hour}               // a person's
)

// TestEveryHostileServerHasItsStateAndItsNeighbourDoesNotNotice lives with each
// of them for some hours, then mends it.
func TestEveryHostileServerHasItsStateAndItsNeighbourDoesNotNotice(t *testing.T) {
	t.Parallel()
	for _, rows := range [][]row{connections, logins, listings, bodies} {
		for _, r := range rows {
			t.Run(fmt.Sprint(r.number, " ", r.protocol, " ", r.name), func(t *testing.T) {
				t.Parallel()
				secure()
				synctest.Test(t, func(t *testing.T) { live(t, r) })
			})
		}
	}
}

func live(t *testing.T, r row) {
	mails := [][]byte{testkit.Message(1), testkit.Message(2)}
	w := newWorld(t)
	if r.security == "" {
		r.security = "tls"
	}
	user := id.New[id.User]()
	ill := w.add(user, bad, r.protocol, r.security, nil)
	if r.server != nil {
		ill.answer = r.server(w, mails)
	}
	if r.after != "" {
		ill.after = r.after
	}
	drop := pop3d.NewMemory()
	well := w.add(user, good, "pop3", "tls", w.pop(secure(), false, pop3d.Faults{}, drop))
	began := time.Now()
	w.start()
	defer w.stop()
	late := w.deliver(drop, well, began.Add(hours))

	r.first(t, ill, mails)
	time.Sleep(time.Until(began.Add(hours)))
	r.later(t, ill, mails)
	if n := <-late; n > 0 {
		t.Errorf("%d of the neighbour's messages were late", n)
	}
	if s := well.state(); s.Phase != schedule.Idle || s.Reason != (schedule.Reason{}) || s.Failures > 0 {
		t.Errorf("the neighbour: %v, %+v", s.Phase, s.Reason)
	}
	if r.code != "" {
		recovers(t, ill, mails)
	}
}

// first checks the state that the first pass leaves.
func (r row) first(t *testing.T, ill *box, mails [][]byte) {
	t.Helper()
	for ill.calls() == 0 { // after a start the engine takes its time
		time.Sleep(time.Second)
	}
	began := time.Now()
	limit := r.leave
	if limit == 0 {
		limit = time.Minute
	}
	for r.code != "" && ill.state().Phase == schedule.Idle && time.Since(began) < time.Hour {
		time.Sleep(time.Second)
	}
	if r.code == "" {
		time.Sleep(limit)
	}
	s := ill.state()
	if took := time.Since(began); took > limit {
		t.Errorf("the pass took %v, want at most %v", took, limit)
	}
	if s.Phase != r.phase || !r.says(s.Reason.Code) {
		t.Errorf("after the first pass: %v, %+v; want %v, %q", s.Phase, s.Reason, r.phase, r.code)
	}
	if r.code == "" {
		r.arrived(t, ill, mails)
		return
	}
	if s.Reason.Detail == "" || s.Reason.Help == "" {
		t.Errorf("no words: %+v", s.Reason)
	}
	if rest := time.Until(s.Until); rest < r.back.least-2*time.Second || rest > r.back.most {
		t.Errorf("back in %v, want %v to %v", rest, r.back.least, r.back.most)
	}
	if n := ill.calls(); n > 3 { // one, and a message each
		t.Errorf("%d connections in one pass", n)
	}
}

// later checks what the hours have led to.
func (r row) later(t *testing.T, ill *box, mails [][]byte) {
	t.Helper()
	s := ill.state()
	if r.code == "" {
		if s.Reason.Code != r.note || r.note != "" && (s.Reason.Detail == "" || s.Reason.Help == "") {
			t.Errorf("in the end it says %+v, want %q", s.Reason, r.note)
		}
		r.arrived(t, ill, mails)
		return
	}
	if s.Phase == schedule.Idle || !r.says(s.Reason.Code) {
		t.Errorf("in the end: %v, %+v; want %q still", s.Phase, s.Reason, r.code)
	}
	if want := r.phase == schedule.Failing || r.stays; (s.Phase == schedule.Failing) != want {
		t.Errorf("in the end: %v (%d failures); failing: %v", s.Phase, s.Failures, want)
	}
	if n := ill.calls(); n > 60 { // an outage is tried every quarter of an hour in the end, three connections each
		t.Errorf("%d connections in all", n)
	}
	for i, m := range mails {
		if n := ill.gmail().copies(m); n > 1 {
			t.Errorf("message %d arrived %d times", i, n)
		}
	}
}

// arrived checks that the mail is in Gmail once.
func (r row) arrived(t *testing.T, ill *box, mails [][]byte) {
	t.Helper()
	for i, m := range mails {
		if n := ill.gmail().copies(m); n != 1 {
			t.Errorf("message %d arrived %d times", i, n)
		}
	}
}

// recovers mends the server and waits for no longer than the state says: the
// mail arrives, once, and nobody had to press a button.
func recovers(t *testing.T, ill *box, mails [][]byte) {
	t.Helper()
	s := ill.state()
	if s.Until.IsZero() {
		t.Fatalf("nothing is tried any more: %+v", s.Reason)
	}
	if ill.protocol == "pop3" {
		ill.becomes(ill.w.pop(secure(), ill.security == "starttls", pop3d.Faults{}, pop3d.NewMemory(mails...)))
	} else {
		ill.security = "tls"
		ill.becomes(goodIMAP(ill.w, mails))
	}
	time.Sleep(time.Until(s.Until) + 10*time.Minute)
	if s := ill.state(); s.Phase != schedule.Idle { // a pass was under way
		time.Sleep(time.Until(s.Until) + 10*time.Minute)
	}
	if s := ill.state(); s.Phase != schedule.Idle || s.Reason != (schedule.Reason{}) || s.Failures != 0 {
		t.Errorf("once it is mended: %v, %+v", s.Phase, s.Reason)
	}
	for i, m := range mails {
		if n := ill.gmail().copies(m); n != 1 {
			t.Errorf("message %d arrived %d times", i, n)
		}
	}
}

// deliver brings a message to a healthy mailbox every ten minutes, and counts
// those that are not in Gmail after an interval.
func (w *world) deliver(drop *pop3d.Memory, well *box, until time.Time) <-chan int {
	done := make(chan int, 1)
	w.wg.Go(func() {
		late := 0
		for n := uint64(1000); time.Until(until) > 20*time.Minute; n++ {
			m := testkit.Message(n)
			drop.Add(m)
			time.Sleep(polled*6/5 + 10*time.Second)
			if well.gmail().copies(m) != 1 {
				late++
			}
			time.Sleep(4 * time.Minute)
		}
		done <- late
	})
	return done
}
