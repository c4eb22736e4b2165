package schedule

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// anyOutcome draws how a pass may end.
func anyOutcome(r *rand.Rand, now time.Time) Outcome {
	o := Outcome{Now: now, Digest: mail.Key{byte(r.IntN(3))}}
	if r.IntN(3) == 0 {
		o.Imported = r.IntN(50)
	}
	if r.IntN(4) == 0 {
		o.Backlog = Backlog{Messages: r.IntN(5000), Bytes: r.Int64N(1 << 40)}
	}
	if r.IntN(5) == 0 {
		o.Floor = time.Duration(r.Int64N(int64(40 * hour)))
	}
	switch r.IntN(4) {
	case 0:
		row := reactions[r.IntN(len(reactions))]
		f := &mail.Fault{Class: row.class, Code: "other", Text: "it broke", Help: []string{"", "it is tried again", "ask; it is tried again", "ask"}[r.IntN(4)]}
		if row.codes != nil {
			f.Code = row.codes[r.IntN(len(row.codes))]
		}
		if r.IntN(2) == 0 {
			f.Scope = []string{"day", "history", "source"}[r.IntN(3)]
			f.Until = now.Add(time.Duration(r.Int64N(int64(80*hour))) - 20*hour)
		}
		if row.dated {
			f.Help = "it goes on at noon"
		}
		o.Err = f
	case 1:
		o.Err = []error{errors.New("x"), ledger.ErrFenced, fault(mail.Transient, "timeout"), fault(mail.Unknown, "x")}[r.IntN(4)]
	}
	return o
}

// Whatever happens in whatever order: no login before the floor, no loop
// without a pause, no wait beyond a day, a reason whenever there is trouble,
// and none after it.
func TestAnyHistoryKeepsTheRules(t *testing.T) {
	t.Parallel()
	hosts := []Settings{{}, {Host: "pop3.web.de", Protocol: "pop3"}, {Host: "ssl0.ovh.net", Protocol: "pop3"}, {Push: true, Protocol: "imap"}, {PollEvery: 3 * second}}
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := Policy{Rand: r.Int64N, Default: []time.Duration{0, second, hour}[r.IntN(3)]}
		set, now, s := hosts[r.IntN(len(hosts))], noon, State{}
		for step := range 300 {
			o := anyOutcome(r, now)
			before := s
			s = p.Next(s, set, o)
			at, ok := p.Due(s, set, now)
			if !ok {
				if s.Phase != Failing || s.Class != mail.Grant && s.Class != mail.Revoked && !strings.HasPrefix(s.Reason.Code, "consent_") {
					t.Fatalf("seed %d, step %d: given up after %v: %+v", seed, step, o.Err, s)
				}
				now = now.Add(day) // then the user does something
				s = State{LastSync: s.LastSync, Interval: s.Interval, Floor: s.Floor}
				continue
			}
			void := o.Err != nil && void(o.Err)
			least := max(providerFloor(set), s.Floor*11/10, second)
			if !void && s.Floor < min(o.Floor, longest/2) {
				t.Fatalf("seed %d, step %d: the floor of %v was not learned", seed, step, o.Floor)
			}
			if wait := at.Sub(now); wait < least || wait > longest {
				t.Fatalf("seed %d, step %d: due in %v, floor %v\n%+v\n%+v", seed, step, wait, least, o, s)
			}
			if !void {
				checkReason(t, s)
			}
			if o.Err == nil && (s.Phase != Idle || s.Reason != (Reason{}) || s.Failures != 0) {
				t.Fatalf("seed %d, step %d: a success leaves %+v", seed, step, s)
			}
			if o.Err == nil && before.Phase == Idle && before.Digest == o.Digest && o.Imported == 0 && o.Backlog == (Backlog{}) &&
				before.Backlog == (Backlog{}) && before.Floor == s.Floor && before.Until.IsZero() && before.Reason == (Reason{}) && !before.LastSync.IsZero() &&
				s.Interval >= before.Interval && Worth(before, s) {
				t.Fatalf("seed %d, step %d: an empty pass after an empty pass is written", seed, step)
			}
			if s.Phase == Syncing || s.Phase == Paused {
				t.Fatalf("seed %d, step %d: %v", seed, step, s.Phase)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
			now = at
			if r.IntN(50) == 0 {
				now = now.Add(time.Duration(r.Int64N(int64(100*hour))) - 50*hour) // the clock jumps
			}
		}
	}
}
