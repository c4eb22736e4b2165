package bridge

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const aDay = 24 * time.Hour

// TestWhatIsDeletedLaterStaysSoManyWholeDays: counted from the import, and with
// a digest, which must not hide that a day has passed.
func TestWhatIsDeletedLaterStaysSoManyWholeDays(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				time.Sleep(7*time.Hour + 11*time.Minute) // no pass begins with a day
				p := &poll{world: newWorld(t, k, load(false)...), policy: Delete}
				p.mute = k == nameless
				keep := func(q *Pass) { q.KeepDays = 3 }
				p.want(p.must(keep), Report{Listed: 5, Imported: 5})
				imported := time.Now()
				p.policy = Delete
				gone := time.Time{}
				for gone.IsZero() && time.Since(imported) < 10*aDay {
					time.Sleep(time.Hour)
					p.must(keep)
					if n := len(p.drop.mails); n == 0 {
						gone = time.Now()
					} else if n != 5 {
						t.Fatalf("%d messages at the source, want all or none", n)
					}
				}
				if kept := gone.Sub(imported); kept < 3*aDay || kept > 5*aDay+time.Hour {
					t.Errorf("kept for %v, want 3 days and less than 5", kept)
				}
				if n := p.listed.Load(); k != nameless && n > 8 {
					t.Errorf("listed %d times in the days: no digest held", n)
				}
				p.arrived(Delete)
			})
		})
	}
}

// TestANewPolicyAppliesToWhatWasImportedBefore, as old as that is.
func TestANewPolicyAppliesToWhatWasImportedBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100))
		w.sync(Leave)
		time.Sleep(9 * aDay)
		w.drop.add(message(2, 100))
		w.sync(Delete, func(p *Pass) { p.KeepDays = 7 })
		if len(w.drop.mails) != 1 || w.drop.mails[0].raw != message(2, 100) {
			t.Errorf("%d messages are left, want the new one", len(w.drop.mails))
		}
	})
}

// TestAMoveThatEndedAfterTheFlagIsFinished: what we had moved halfway is, and
// what its owner has flagged stays with him.
func TestAMoveThatEndedAfterTheFlagIsFinished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(1, 300), message(2, 300))
		w.sync(Leave)
		w.drop.mails[0].flagged = true // its owner's
		w.drop.add(message(3, 300))
		ours := w.drop.mails[1]
		w.killed(StepDispose, After, Move)
		ours.flagged = true
		w.drop.mails = append(w.drop.mails, ours) // as a server without MOVE has it
		w.sync(Move)
		if len(w.drop.mails) != 1 || !w.drop.mails[0].flagged || w.drop.mails[0].raw != message(1, 300) {
			t.Errorf("%d messages are left, want the one of its owner", len(w.drop.mails))
		}
	})
}

// TestASourceThatKeepsWhatItDeletesIsNoticed: a pass ends, says so, and imports
// nothing again.
func TestASourceThatKeepsWhatItDeletesIsNoticed(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k)
				for i := range 5 * maxDeletes / 2 {
					w.drop.add(message(i, 100))
				}
				w.drop.deaf = true
				w.sync(Leave)
				start := time.Now()
				for pass := range 2 {
					rep := w.sync(Delete)
					if f := rep.Undone; pass > 0 && (f == nil || f.Code != "delete_ignored" || rep.Imported != 0) {
						t.Errorf("pass %d: %+v", pass, rep)
					}
				}
				if took := time.Since(start); took > time.Hour {
					t.Errorf("two passes took %v", took)
				}
				w.sync(Leave) // as the engine does from some time on
				w.arrived(Leave)
				w.drop.deaf = false
				if rep := w.sync(Delete); k == pop3 && rep.Undone != nil {
					t.Errorf("a source that has deleted everything: %v", rep.Undone)
				}
				w.arrived(Delete)
			})
		})
	}
}

// TestWithoutIDsASourceThatKeepsWhatItDeletesIsNoticedToo: one cannot tell an
// old message there from an equal new one, so it may come twice; but not for ever.
func TestWithoutIDsASourceThatKeepsWhatItDeletesIsNoticedToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nameless, message(1, 100))
		w.drop.deaf = true
		if rep := w.sync(Delete); rep.Imported == 0 || rep.Undone != nil && rep.Undone.Code != "delete_ignored" {
			t.Errorf("%+v", rep)
		}
		rep := w.sync(Delete)
		if rep.Undone == nil || rep.Undone.Code != "delete_ignored" {
			t.Errorf("%+v", rep)
		}
		w.sync(Leave) // what is left of it is an equal mail that came after the deletion
		n := w.gmail.copies[message(1, 100)]
		for range 3 {
			w.want(w.sync(Leave), Report{Listed: 1, Already: 1})
		}
		if got := w.gmail.copies[message(1, 100)]; got != n || n > 3 {
			t.Errorf("%d copies, then %d", n, got)
		}
	})
}

// TestASourceThatRefusesCostsNoMail: what is new is imported, whatever becomes
// of the originals; and they are not taken for deleted.
func TestASourceThatRefusesCostsNoMail(t *testing.T) {
	for _, policy := range []Disposal{Delete, Move} {
		for _, code := range []string{"not_permitted", "move_unsupported", "folder_missing"} {
			bubbleOnce(t, string(policy)+"/"+code, func(t *testing.T) {
				w := newWorld(t, imap, message(1, 100))
				w.sync(Leave)
				w.drop.add(message(2, 100))
				w.drop.cannot = &mail.Fault{Class: mail.Setup, Code: code, Text: "no", Help: "ask"}
				rep := w.sync(policy)
				if w.want(rep, Report{Listed: 2, Imported: 1, Already: 1}); rep.Undone == nil || rep.Undone.Code != code || rep.Digest != (mail.Key{}) {
					t.Errorf("%+v", rep)
				}
				w.drop.cannot = nil
				if rep := w.sync(policy); rep.Undone != nil {
					t.Errorf("nothing was deleted, and it says %v", rep.Undone)
				}
				w.arrived(policy)
			})
		}
	}
}

func bubbleOnce(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { bubble(t, f) })
}

// TestWhatWasImportedInThisPassIsNotOldInItsNextRound: a pass has several
// sessions, and what the first imported the second lists.
func TestWhatWasImportedInThisPassIsNotOldInItsNextRound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100), message(2, 100))
		cut := false
		w.drop.cut = func(ref mail.Ref) (int, bool) {
			if ref.Number == 2 && !cut {
				cut = true
				return 50, true
			}
			return 0, false
		}
		w.want(w.sync(Delete, func(p *Pass) { p.KeepDays = 1 }), Report{Listed: 2, Imported: 2})
		if !cut || len(w.drop.mails) != 2 {
			t.Errorf("cut %v, %d messages left, want both", cut, len(w.drop.mails))
		}
	})
}
