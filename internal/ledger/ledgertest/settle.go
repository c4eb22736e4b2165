package ledgertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

var settleRules = []rule{
	{"SettleEndsOnlyAClaim", "an outcome is written once, for the claim it belongs to; a second one is a mistake", func(t *testing.T, w World) {
		l, box := open(t, w)
		k := newKey()
		wantErr(t, l.Settle(t.Context(), k, imported()), ledger.ErrTaken)
		wantEntries(t, l)
		ok(t, l.Claim(t.Context(), claimOf(k)))
		ok(t, l.Settle(t.Context(), k, imported()))
		wantErr(t, l.Settle(t.Context(), k, ledger.Outcome{Status: mail.Doubtful}), ledger.ErrTaken)
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Imported})
		wantAudit(t, w, box, imported())
	}},
	{"SettleDropsTheClaim", "session, verdict, domain and checkpoint are kept no longer than they are needed", func(t *testing.T, w World) {
		l, _ := open(t, w)
		c := claimOf(newKey())
		c.Verdict = mail.Verdict{Labels: []string{"Work"}}
		c.Checkpoint = ledger.Checkpoint{Offset: 8 << 20, Sum: newHash()}
		ok(t, l.Claim(t.Context(), c))
		ok(t, l.Settle(t.Context(), c.Key, failed("timeout")))
		wantClaims(t, l, 0)
		wantErr(t, l.Renew(t.Context(), c.Key, c.Session, newSession()), ledger.ErrTaken)
		again := ledger.Claim{Key: c.Key, Session: newSession(), At: c.At, Size: -1, Attempts: 1}
		ok(t, l.Claim(t.Context(), again))
		wantSame(t, onlyClaim(t, l), again)
	}},
	{"EveryOutcomeHasItsAuditLine", "the audit log says what became of each message: status, reason, domain and size as settled", func(t *testing.T, w World) {
		l, box := open(t, w)
		var want []ledger.Outcome
		for _, s := range []mail.Status{mail.Imported, mail.Failed, mail.Rejected, mail.Doubtful, mail.Skipped} {
			o := ledger.Outcome{Status: s, Reason: "reason_" + string(s), Domain: "xn--bcher-kva.example", Size: 1 << 33}
			k := newKey()
			ok(t, l.Claim(t.Context(), claimOf(k)))
			ok(t, l.Settle(t.Context(), k, o))
			ok(t, l.Record(t.Context(), newKey(), o))
			want = append(want, o, o)
		}
		wantAudit(t, w, box, want...)
	}},
	{"ClaimHasNoAuditLine", "the audit log holds outcomes; an intent is none", func(t *testing.T, w World) {
		l, box := open(t, w)
		c := claimOf(newKey())
		ok(t, l.Claim(t.Context(), c))
		ok(t, l.Renew(t.Context(), c.Key, c.Session, newSession()))
		ok(t, l.Checkpoint(t.Context(), c.Key, ledger.Checkpoint{Offset: 1}))
		wantAudit(t, w, box)
	}},
	{"OutcomeAndAuditLineAreOneTransaction", "an outcome without its audit line, or a line without its outcome, is never seen", func(t *testing.T, w World) {
		breaker, can := w.(AuditBreaker)
		if !can {
			t.Skip("this world cannot make the audit log fail")
		}
		l, box := open(t, w)
		k, other := newKey(), newKey()
		ok(t, l.Claim(t.Context(), claimOf(k)))
		repair := breaker.BreakAudit(t)
		if err := l.Settle(t.Context(), k, imported()); err == nil {
			t.Error("settled although the audit line could not be written")
		}
		if err := l.Record(t.Context(), other, imported()); err == nil {
			t.Error("recorded although the audit line could not be written")
		}
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Claimed})
		repair()
		wantAudit(t, w, box)
		ok(t, l.Settle(t.Context(), k, imported()))
		wantAudit(t, w, box, imported())
	}},
	{"TheDayOfAnOutcomeIsKept", "what is done at the source some days after the import counts from the outcome, whatever ids the message gets since", func(t *testing.T, w World) {
		l, box := open(t, w)
		done, bad, claimed, moved := newKey(), newKey(), newKey(), newKey()
		before := ledger.DayOf(time.Now())
		ok(t, l.Claim(t.Context(), claimOf(done)))
		ok(t, l.Settle(t.Context(), done, imported()))
		ok(t, l.Record(t.Context(), bad, failed("timeout")))
		ok(t, l.Record(t.Context(), bad, ledger.Outcome{Status: mail.Rejected, Reason: "gave_up"}))
		ok(t, l.Claim(t.Context(), claimOf(claimed)))
		ok(t, l.Remap(t.Context(), []ledger.Move{{Old: done, New: moved.ID}}))
		ok(t, l.Listed(t.Context(), []ledger.Key{bad}, nil))
		for range 2 {
			for k, e := range entries(t, l) {
				if known := e.Day >= before && e.Day <= ledger.DayOf(time.Now()); known == (k == claimed) {
					t.Errorf("%v: day %d, and it is day %d", e.State, e.Day, before)
				}
			}
			l = reopen(t, w, box)
		}
	}},
	{"RecordNeedsNoClaim", "what is skipped, refused or failed before an upload session exists is written at once", func(t *testing.T, w World) {
		l, box := open(t, w)
		skipped, refused, k := newKey(), newKey(), newKey()
		ok(t, l.Record(t.Context(), skipped, ledger.Outcome{Status: mail.Skipped, Reason: "rule"}))
		ok(t, l.Record(t.Context(), refused, ledger.Outcome{Status: mail.Rejected, Reason: "too_large"}))
		ok(t, l.Record(t.Context(), k, failed("timeout")))
		wantErr(t, l.Record(t.Context(), skipped, imported()), ledger.ErrTaken)
		wantEntries(t, l, ledger.Entry{Key: skipped, State: ledger.Skipped}, ledger.Entry{Key: refused, State: ledger.Refused},
			ledger.Entry{Key: k, State: ledger.Failed, Attempts: 1})
		wantAudit(t, w, box, ledger.Outcome{Status: mail.Skipped, Reason: "rule"},
			ledger.Outcome{Status: mail.Rejected, Reason: "too_large"}, failed("timeout"))
	}},
	{"RecordNeverTouchesAClaim", "a claim may be in Gmail already: only its owner, who asks the session, ends it", func(t *testing.T, w World) {
		l, box := open(t, w)
		c := claimOf(newKey())
		ok(t, l.Claim(t.Context(), c))
		wantErr(t, l.Record(t.Context(), c.Key, failed("timeout")), ledger.ErrTaken)
		wantSame(t, onlyClaim(t, l), c)
		wantAudit(t, w, box)
	}},
	{"FailedIsRecordedAgain", "each failed try counts; the last word may be refused", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k := newKey()
		for range 3 {
			ok(t, l.Record(t.Context(), k, failed("timeout")))
		}
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Failed, Attempts: 3})
		ok(t, l.Record(t.Context(), k, ledger.Outcome{Status: mail.Rejected, Reason: "gave_up"}))
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Refused, Attempts: 3})
		wantErr(t, l.Record(t.Context(), k, failed("timeout")), ledger.ErrTaken)
	}},
	{"CancelledCallChangesNothing", "a write whose caller has gone before it began is not done", func(t *testing.T, w World) {
		l, box := open(t, w)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Record(gone, newKey(), imported()); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want %v", err, context.Canceled)
		}
		wantEntries(t, l)
		wantAudit(t, w, box)
	}},
	{"EverythingSurvivesAReopen", "the ledger is the memory of the bridge: after a restart it knows what it knew", func(t *testing.T, w World) {
		l, box := open(t, w)
		c, done, bad, gone := claimOf(newKey()), newKey(), newKey(), newKey()
		c.Verdict = mail.Verdict{Labels: []string{"Work"}, Read: true}
		c.Checkpoint = ledger.Checkpoint{Offset: 8 << 20, Sum: newHash()}
		ok(t, l.Claim(t.Context(), c))
		ok(t, l.Checkpoint(t.Context(), c.Key, c.Checkpoint))
		for _, k := range []ledger.Key{done, gone} {
			ok(t, l.Claim(t.Context(), claimOf(k)))
			ok(t, l.Settle(t.Context(), k, imported()))
		}
		ok(t, l.Record(t.Context(), bad, failed("timeout")))
		ok(t, l.Listed(t.Context(), []ledger.Key{gone}, nil))
		want := []ledger.Entry{{Key: c.Key, State: ledger.Claimed}, {Key: done, State: ledger.Imported},
			{Key: gone, State: ledger.Imported, Absent: true}, {Key: bad, State: ledger.Failed, Attempts: 1}}
		wantEntries(t, l, want...)
		l = reopen(t, w, box)
		wantEntries(t, l, want...)
		wantSame(t, onlyClaim(t, l), c)
		wantAudit(t, w, box, imported(), imported(), failed("timeout"))
		ok(t, l.Settle(t.Context(), c.Key, imported()))
	}},
}

// reopen restarts the process and takes the store again.
func reopen(t *testing.T, w World, box id.Mailbox) bridge.Ledger {
	t.Helper()
	w.Reopen(t)
	return w.Take(t)(box)
}
