package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestASourceThatDoesNothingIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	deaf := &mail.Fault{Class: mail.Setup, Code: "delete_ignored", Text: "it keeps them", Help: "look at its settings"}
	s, now, asked, said := State{}, noon, 0, time.Time{}
	for now.Before(noon.Add(3 * day)) {
		o := Outcome{Now: now}
		if o.Unasked = p.Withheld(s, now); !o.Unasked {
			asked++
			o.Undone = deaf
		}
		before := s
		if s = p.Next(s, Settings{}, o); s.Phase != Idle {
			t.Fatalf("%v: new mail would wait", s.Phase)
		}
		if said.IsZero() && s.Reason.Code != "" {
			said = now
		}
		if !said.IsZero() && (s.Reason.Code != deaf.Code || s.Reason.Detail != deaf.Text || !strings.Contains(s.Reason.Help, deaf.Help)) {
			t.Fatalf("it says %+v", s.Reason)
		}
		if s.Undone != before.Undone && !Worth(before, s) {
			t.Error("what must survive a restart is not written")
		}
		now = now.Add(5 * minute)
	}
	if asked < 4 || asked > 6 { // three times, and once a day
		t.Errorf("asked %d times in three days", asked)
	}
	if got := said.Sub(noon); got != 10*minute {
		t.Errorf("said after %v, want after the third pass", got)
	}
	if s = p.Next(s, Settings{}, Outcome{Now: now}); s.Undone != 0 || !s.Asked.IsZero() || s.Reason != (Reason{}) {
		t.Errorf("it has done it, and the state is %+v", s)
	}
}

func TestARefusalOfTheSourceIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	s := p.Next(State{}, Settings{}, Outcome{Now: noon, Undone: &mail.Fault{Class: mail.Setup, Code: "move_unsupported", Text: "it cannot", Help: "choose another"}})
	if s.Phase != Idle || s.Reason.Code != "move_unsupported" || p.Withheld(s, noon) {
		t.Errorf("%+v", s)
	}
}

// TestTheReasonOfAnOutageDoesNotStay where the source policy is withheld.
func TestTheReasonOfAnOutageDoesNotStay(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	s := State{Undone: patience, Asked: noon, Reason: Reason{Code: "delete_ignored", Detail: "d", Help: "h"}}
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(hour), Err: fault(mail.Transient, "cut")})
	if s.Reason.Code != "cut" || s.Undone != patience {
		t.Fatalf("%+v", s)
	}
	s = p.Next(s, Settings{}, Outcome{Now: noon.Add(2 * hour), Unasked: true})
	if s.Reason.Code != "source_undone" || s.Reason.Help == "" {
		t.Errorf("%+v", s.Reason)
	}
}

// TestWhatIsKnownOfAProviderIsSaid: what it wants where it refuses a login, and
// that it keeps what is deleted, at the first sign.
func TestWhatIsKnownOfAProviderIsSaid(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	set := Settings{Host: "imap.mail.yahoo.com", Protocol: "imap"}
	for _, code := range []string{"auth_failed", "auth_unclear", "app_password_required"} {
		f := &mail.Fault{Class: mail.Login, Code: code, Text: "it refused the login", Help: "check user name and password"}
		s := p.Next(State{}, set, Outcome{Now: noon, Err: f})
		if !strings.Contains(s.Reason.Help, "Generate app password") || !strings.Contains(s.Reason.Help, "https://login.yahoo.com/") || f.Help != "check user name and password" {
			t.Errorf("%s: %+v", code, s.Reason)
		}
	}
	if s := p.Next(State{}, set, Outcome{Now: noon, Err: fault(mail.Transient, "cut")}); strings.Contains(s.Reason.Help, "app password") {
		t.Errorf("an outage: %+v", s.Reason)
	}
	deaf := &mail.Fault{Class: mail.Setup, Code: "delete_ignored", Text: "it keeps them", Help: "look at its settings"}
	s := p.Next(State{}, Settings{Host: "pop.yandex.com", Protocol: "pop3"}, Outcome{Now: noon, Undone: deaf})
	if s.Reason.Code != "delete_ignored" || !strings.Contains(s.Reason.Help, "IMAP") || !p.Withheld(s, noon) {
		t.Errorf("%+v", s)
	}
}

// TestAMassChangePausesUntilItsUserLetsItGoOn, and once: the next is another.
func TestAMassChangePausesUntilItsUserLetsItGoOn(t *testing.T) {
	t.Parallel()
	p := Policy{Rand: low}
	s := p.Next(State{}, Settings{}, Outcome{Now: noon, Err: &mail.Fault{Class: mail.Setup, Code: "mass_change", Text: "much is gone", Help: "look"}})
	if _, due := p.Due(s, Settings{}, noon); s.Phase != Paused || due || s.Reason != (Reason{"mass_change", "much is gone", "look"}) {
		t.Fatalf("%+v", s)
	}
	if s.Accept(); !s.Accepted {
		t.Error("not accepted")
	}
	s.Phase, s.Reason = Idle, Reason{} // as the engine does
	if s = p.Next(s, Settings{}, Outcome{Now: noon, Err: fault(mail.Transient, "cut")}); !s.Accepted {
		t.Error("forgotten before the pass went through")
	}
	if s = p.Next(s, Settings{}, Outcome{Now: noon}); s.Accepted {
		t.Error("accepted for ever")
	}
	other := State{Phase: Paused, Reason: Reason{Code: "paused"}}
	if other.Accept(); other.Accepted {
		t.Error("whoever pauses a mailbox has accepted nothing")
	}
}
