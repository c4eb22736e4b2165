package bridge

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/quota"
)

// Messages get other ids, and claims lose sight of theirs.

func TestARenumberedMessageThatCannotBeReadNowIsNotImportedLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		w.sync(Leave)
		for _, m := range w.drop.mails {
			m.uid += 1000
		}
		w.drop.uid += 1000
		w.drop.cut = func(ref mail.Ref) (int, bool) { return 100, ref.Number == 1002 }
		rep, _ := w.live(t.Context(), &life{}, Leave)
		w.want(rep, Report{Listed: 5, Already: 4, Failed: 1})
		w.drop.cut = nil
		w.want(w.sync(Leave), Report{Listed: 5, Already: 5})
		w.arrived(Leave)
	})
}

func TestAClaimThatIsSettledUnderItsOldIDIsCountedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 100))
		w.killed(StepSettle, Before, Leave)
		w.drop.validity++
		if rep := w.sync(Leave); rep.Listed != 1 || rep.Imported+rep.Already != 1 {
			t.Errorf("one message is listed and in Gmail, the report says %+v", rep)
		}
		w.arrived(Leave)
	})
}

// dayOf gives one user a day's budget of so many octets.
func dayOf(octets int64) func(*Pass) {
	user := id.New[id.User]()
	project := quota.New(quota.Limits{BytesPerUserDay: octets}, &quota.Memory{})
	return func(p *Pass) { p.Budget = project.Budget(user) }
}

// TestARenumberedMailboxCostsNoBudget: it is twice as large as what may be
// imported in a day, and nothing of it is imported.
func TestARenumberedMailboxCostsNoBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap)
		for i := range 20 {
			w.drop.add(message(i, 100_000))
		}
		w.sync(Leave)
		w.drop.validity++
		w.drop.add(message(100, 100))
		budget, day := dayOf(1<<20), time.Now()
		var rep Report
		for range 3 { // what is given back is there for the next pass at the latest
			rep, _ = w.live(t.Context(), &life{mutate: budget}, Leave)
		}
		if rep.Failed > 0 || time.Since(day) > time.Hour {
			t.Errorf("after %v: %+v, want nothing left", time.Since(day), rep)
		}
		w.arrived(Leave)
	})
}

// TestAHugeAnnouncedSizeDoesNotEatTheDay: what was reserved for it and not
// used is given back.
func TestAHugeAnnouncedSizeDoesNotEatTheDay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3)
		w.drop.announce = func(int64) int64 { return 1 << 45 }
		budget := dayOf(500 << 20)
		for i := range 8 {
			w.drop.add(message(i, 300))
			w.want(w.sync(Leave, budget), Report{Listed: i + 1, Imported: 1, Already: i})
			time.Sleep(time.Minute)
		}
		w.arrived(Leave)
	})
}

// TestAClaimIsNotGivenUpWhileItsHeaderCannotBeRead: without ids the header is
// the identity, so the message of the claim may be the one that hides.
func TestAClaimIsNotGivenUpWhileItsHeaderCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nameless, message(1, 300), message(2, 300))
		w.killed(StepClaim, After, Leave, func(p *Pass) { p.Parallel = 1 })
		server := odd{header: func(context.Context, mail.Ref) error {
			return &mail.Fault{Class: mail.Undelivered, Code: "source_refused", Text: "not now"}
		}}
		w.want(w.sync(Leave, server.at), Report{Listed: 2, Failed: 2})
		w.want(w.sync(Leave), Report{Listed: 2, Imported: 2})
		w.arrived(Leave)
	})
}

// TestGmailNeverGetsTheStartOfOneMailAndTheEndOfAnother: what Gmail kept ends
// before the sealed position, and what was sent has changed at the source.
func TestGmailNeverGetsTheStartOfOneMailAndTheEndOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(6, 20<<20))
		w.killed(StepBody, After, Leave)
		claims, err := w.memory.Take().Mailbox(w.box).Claims(t.Context())
		if err != nil || len(claims) != 1 || claims[0].Checkpoint.Offset < sealEvery {
			t.Fatalf("the test needs a claim with a checkpoint, not %+v, %v", claims, err)
		}
		u := w.gmail.sessions["session-0"]
		u.stored = u.stored[:claims[0].Checkpoint.Offset-chunkAlign]
		m := w.drop.mails[0]
		m.raw = m.raw[:5000] + "X" + m.raw[5001:]
		w.want(w.sync(Leave), Report{Listed: 1, Doubtful: 1})
		if n := len(w.gmail.copies); n != 0 {
			t.Errorf("%d messages in Gmail, want none", n)
		}
	})
}

// late is a ledger that carries the first move out and does not say so.
type late struct {
	Ledger
	once *bool
}

func (l late) Remap(ctx context.Context, moves []ledger.Move) error {
	err := l.Ledger.Remap(ctx, moves)
	if err == nil && !*l.once {
		*l.once = true
		err = &mail.Fault{Class: mail.Transient, Code: "store", Text: "the store does not answer"}
	}
	return err
}

// TestOfTwinsThatWereRenumberedEachIsMovedOnce: the answer to the first move
// was lost, and whichever is looked at first next, none is forgotten.
func TestOfTwinsThatWereRenumberedEachIsMovedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 20 { // the order is that of a map
			w := newWorld(t, imap, message(1, 300), message(1, 300), message(1, 300))
			w.sync(Leave)
			w.drop.validity++
			w.drop.add(message(2, 300)) // that it gets somewhere is why it goes on
			_, _ = w.live(t.Context(), &life{mutate: func(p *Pass) { p.Ledger = late{p.Ledger, new(bool)} }}, Leave)
			w.drop.add(message(3, 300))
			w.sync(Leave)
			w.arrived(Leave)
		}
	})
}

// TestADeletionThatWasNotedOnlyIsNoDeletion: the ledger says no, and has written
// that the messages are gone. They are there, under other ids by the next pass.
func TestADeletionThatWasNotedOnlyIsNoDeletion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		_, _ = w.live(t.Context(), &life{mutate: func(p *Pass) { p.Ledger = noted{p.Ledger, new(bool)} }}, Delete)
		for _, m := range w.drop.mails {
			m.uid += 1000
		}
		w.drop.uid += 1000
		w.sync(Delete)
		w.arrived(Delete)
	})
}

// noted is a ledger that notes the first messages as gone and says that it has not.
type noted struct {
	Ledger
	done *bool
}

func (n noted) Listed(ctx context.Context, absent, present []ledger.Key) error {
	err := n.Ledger.Listed(ctx, absent, present)
	if err == nil && len(absent) > 0 && !*n.done {
		*n.done = true
		err = errors.New("the answer is lost")
	}
	return err
}

// TestADeletionThatEndedAfterTheFlagIsFinished: IMAP deletes in two steps, and
// the process died between them. What its owner has flagged stays with him.
func TestADeletionThatEndedAfterTheFlagIsFinished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, when := range []When{Before, After} { // what we were about to delete was noted
			w := newWorld(t, imap, message(1, 300), message(2, 300))
			flagged := slices.Clone(w.drop.mails)
			w.killed(StepDispose, when, Delete)
			owners := &fakeMail{uid: 9, raw: message(9, 300), flagged: true}
			for _, m := range flagged {
				m.flagged = true
			}
			w.drop.mails = append(flagged, owners)
			w.sync(Delete)
			if !slices.Equal(w.drop.mails, []*fakeMail{owners}) {
				t.Errorf("%v: %d messages are at the source, want the one of its owner", when, len(w.drop.mails))
			}
			w.drop.mails = nil
			w.arrived(Delete) // each once, and that one not at all
		}
	})
}

// TestWhatIsFlaggedAsDeletedIsLeftAloneUnderEveryOtherPolicy, also if we know it.
func TestWhatIsFlaggedAsDeletedIsLeftAloneUnderEveryOtherPolicy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 300), message(2, 300))
		w.sync(Leave)
		w.drop.mails[0].flagged = true
		w.want(w.sync(Seen), Report{Listed: 1, Already: 1})
		if m := w.drop.mails[0]; !m.flagged || m.seen || !w.drop.mails[1].seen {
			t.Error("a message that its owner has removed was touched, or another was not")
		}
	})
}
