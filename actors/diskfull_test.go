package actors

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

func TestABackOffGrowsAlsoWhileNoStateCanBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		wrong, dead := w.add(id.New[id.User](), 1), w.add(id.New[id.User](), 2)
		wrong.err, dead.err = fault(mail.Login, "login_failed"), fault(mail.Transient, "unreachable")
		w.full = errors.New("disk full")
		w.start(Options{})
		rest(24 * time.Hour)
		if n := w.count(wrong); n < 2 || n > 4 {
			t.Errorf("a wrong password was tried %d times in a day", n)
		}
		if n := w.count(dead); n < 40 || n > 300 {
			t.Errorf("a dead host was tried %d times in a day", n)
		}
		w.mu.Lock()
		w.full, dead.err = nil, nil
		w.mu.Unlock()
		rest(time.Hour)
		if s := w.state(dead); s.Phase != schedule.Idle || s.LastSync.IsZero() {
			t.Errorf("once there is room: %+v", s)
		}
		if err := w.Resume(t.Context(), wrong.User, wrong.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(time.Minute)
		if s := w.state(wrong); s.Failures != 1 {
			t.Errorf("after resume: %d failures in a row", s.Failures)
		}
		if n := len(w.unsaved.states); n != 0 {
			t.Errorf("%d states are kept that are stored", n)
		}
		w.stop(t)
	})
}

// What its reason promises: the operator's log says more.
func TestAnErrorThatIsOursIsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		w.do = func(context.Context, *row, bridge.Pass) (bridge.Report, error) {
			return bridge.Report{}, errors.New("sqlite: database disk image is malformed")
		}
		w.start(Options{})
		rest(6 * time.Minute)
		if s := w.state(b); s.Reason.Code != "internal" || !strings.Contains(s.Reason.Help, "log") {
			t.Errorf("reason %+v", s.Reason)
		}
		w.stop(t)
		if log := w.log.String(); !strings.Contains(log, "malformed") || !strings.Contains(log, b.Mailbox.String()) {
			t.Errorf("the log: %q", log)
		}
	})
}
