package actors

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// TestAMassChangeWaitsForItsUser: nothing is looked at until he lets it go on,
// and then what he said is in the state that the pass begins with.
func TestAMassChangeWaitsForItsUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		accepted := false
		w.do = func(context.Context, *row, bridge.Pass) (bridge.Report, error) {
			if accepted = accepted || b.state.Accepted; !accepted {
				return bridge.Report{}, &mail.Fault{Class: mail.Setup, Code: "mass_change", Text: "much is gone", Help: "look"}
			}
			return bridge.Report{}, nil
		}
		w.start(Options{})
		rest(10 * 24 * time.Hour)
		if n, s := w.count(b), w.state(b); n != 1 || s.Phase != schedule.Paused || s.Reason.Code != "mass_change" {
			t.Errorf("%d passes, %v, %+v", n, s.Phase, s.Reason)
		}
		if err := w.Resume(t.Context(), b.User, b.Mailbox); err != nil {
			t.Fatal(err)
		}
		rest(time.Hour)
		if n, s := w.count(b), w.state(b); n < 2 || !accepted || s.Phase != schedule.Idle || s.Accepted {
			t.Errorf("%d passes, accepted %v, %+v", n, accepted, s)
		}
		w.stop(t)
	})
}

// TestASourcePolicyIsWithheldFromASourceThatDoesNothing but once a day.
func TestASourcePolicyIsWithheldFromASourceThatDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.add(id.New[id.User](), 1)
		asked, passes := 0, 0
		w.do = func(_ context.Context, _ *row, p bridge.Pass) (bridge.Report, error) {
			if passes++; p.AfterImport == bridge.Leave {
				return bridge.Report{}, nil
			}
			asked++
			return bridge.Report{Undone: &mail.Fault{Class: mail.Setup, Code: "delete_ignored", Text: "it keeps them", Help: "look"}}, nil
		}
		w.start(Options{})
		rest(5 * 24 * time.Hour)
		if s := w.state(b); asked < 6 || asked > 10 || passes < 10*asked || s.Phase != schedule.Idle || s.Reason.Code != "delete_ignored" {
			t.Errorf("asked %d times in %d passes, %v, %+v", asked, passes, s.Phase, s.Reason)
		}
		w.stop(t)
	})
}
