package ledgertest

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

var claimRules = []rule{
	{"ClaimIsACompareAndSet", "two attempts to claim one message must never both succeed, or it is imported twice", func(t *testing.T, w World) {
		l, _ := open(t, w)
		for range 20 {
			k, wins, start := newKey(), atomic.Int32{}, make(chan struct{})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					<-start
					switch err := l.Claim(t.Context(), claimOf(k)); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, ledger.ErrTaken):
						t.Errorf("claim = %v, want ErrTaken", err)
					}
				})
			}
			close(start)
			wg.Wait()
			if wins.Load() != 1 {
				t.Fatalf("winners = %d, want 1", wins.Load())
			}
		}
	}},
	{"LosingClaimChangesNothing", "the winner's session is the only trace of what Gmail was told; a loser must not overwrite it", func(t *testing.T, w World) {
		l, _ := open(t, w)
		first := claimOf(newKey())
		ok(t, l.Claim(t.Context(), first))
		wantErr(t, l.Claim(t.Context(), claimOf(first.Key)), ledger.ErrTaken)
		if got := onlyClaim(t, l); !got.Session.Equal(first.Session) {
			t.Error("the loser's session replaced the winner's")
		}
	}},
	{"SettledIsNotClaimedAgain", "whatever is imported, skipped, refused or doubtful is never sent again by itself", func(t *testing.T, w World) {
		l, _ := open(t, w)
		for _, s := range []mail.Status{mail.Imported, mail.Skipped, mail.Rejected, mail.Doubtful} {
			k := newKey()
			ok(t, l.Claim(t.Context(), claimOf(k)))
			ok(t, l.Settle(t.Context(), k, ledger.Outcome{Status: s}))
			wantErr(t, l.Claim(t.Context(), claimOf(k)), ledger.ErrTaken)
			wantErr(t, l.Record(t.Context(), k, imported()), ledger.ErrTaken)
			if got, want := entries(t, l)[k].State, ledger.StateOf(s); got != want {
				t.Errorf("state after %s = %d, want %d", s, got, want)
			}
		}
		wantClaims(t, l, 0)
	}},
	{"PairIsUnique", "two equal mails in a maildrop are two messages; one source id with new content is a new message", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k := newKey()
		otherContent, otherID := ledger.Key{ID: k.ID, Content: newHash()}, ledger.Key{ID: newHash(), Content: k.Content}
		for _, k := range []ledger.Key{k, otherContent, otherID} {
			ok(t, l.Claim(t.Context(), claimOf(k)))
			ok(t, l.Settle(t.Context(), k, imported()))
		}
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Imported},
			ledger.Entry{Key: otherContent, State: ledger.Imported}, ledger.Entry{Key: otherID, State: ledger.Imported})
	}},
	{"MailboxesAreApart", "the same message may be in two mailboxes and is then two messages", func(t *testing.T, w World) {
		one, two := w.Mailbox(t), w.Mailbox(t)
		take := w.Take(t)
		k := newKey()
		ok(t, take(one).Claim(t.Context(), claimOf(k)))
		ok(t, take(two).Claim(t.Context(), claimOf(k)))
		ok(t, take(one).Settle(t.Context(), k, imported()))
		wantClaims(t, take(one), 0)
		wantClaims(t, take(two), 1)
		wantAudit(t, w, one, imported())
		wantAudit(t, w, two)
	}},
	{"ClaimsGivesWhatWasClaimed", "recovery works from the claim alone: session, verdict, domain, size, time and checkpoint come back as they were", func(t *testing.T, w World) {
		l, _ := open(t, w)
		want := claimOf(newKey())
		want.Verdict = mail.Verdict{Reason: "vip", Labels: []string{"Work", "Ümläut"}, Archive: true, Star: true, NeverSpam: true}
		want.Checkpoint = ledger.Checkpoint{Offset: 8 << 20, Sum: newHash()}
		ok(t, l.Claim(t.Context(), want))
		wantSame(t, onlyClaim(t, l), want)
	}},
	{"FailedMayBeClaimedAgain", "a failed message is tried again and its tries are counted, so that it is set aside one day", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k := newKey()
		for n := range 3 {
			c := claimOf(k)
			ok(t, l.Claim(t.Context(), c))
			if got := onlyClaim(t, l); got.Attempts != n || !got.Session.Equal(c.Session) {
				t.Fatalf("claim %d has attempts %d, or not its own session", n, got.Attempts)
			}
			ok(t, l.Settle(t.Context(), k, failed("timeout")))
			wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Failed, Attempts: n + 1})
		}
	}},
	{"UnseenFailureIsReplaced", "a message that failed before its header was seen has no content key; once seen it is that same message, with its tries", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k, other := newKey(), ledger.Key{ID: newHash()}
		unseen := ledger.Key{ID: k.ID}
		ok(t, l.Record(t.Context(), unseen, failed("undelivered")))
		ok(t, l.Record(t.Context(), unseen, failed("undelivered")))
		ok(t, l.Record(t.Context(), other, failed("undelivered")))
		ok(t, l.Claim(t.Context(), claimOf(k)))
		if got := onlyClaim(t, l).Attempts; got != 2 {
			t.Errorf("attempts of the claim = %d, want 2", got)
		}
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Claimed, Attempts: 2},
			ledger.Entry{Key: other, State: ledger.Failed, Attempts: 1})
		ok(t, l.Settle(t.Context(), k, imported()))
	}},
	{"UnseenFailureIsReplacedByARecord", "a skipped or refused message must not be tried again under the key it had before its header was seen", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k := newKey()
		ok(t, l.Record(t.Context(), ledger.Key{ID: k.ID}, failed("undelivered")))
		ok(t, l.Record(t.Context(), k, failed("timeout")))
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Failed, Attempts: 2})
		ok(t, l.Record(t.Context(), ledger.Key{ID: k.ID}, failed("undelivered")))
		ok(t, l.Record(t.Context(), k, ledger.Outcome{Status: mail.Skipped}))
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Skipped, Attempts: 3})
	}},
	{"RefusedUnseenStays", "only a Failed entry without content is replaced; one given up for good is a fact", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k := newKey()
		unseen := ledger.Key{ID: k.ID}
		ok(t, l.Record(t.Context(), unseen, failed("undelivered")))
		ok(t, l.Record(t.Context(), unseen, ledger.Outcome{Status: mail.Rejected, Reason: "gave_up"}))
		ok(t, l.Claim(t.Context(), claimOf(k)))
		wantEntries(t, l, ledger.Entry{Key: unseen, State: ledger.Refused, Attempts: 1}, ledger.Entry{Key: k, State: ledger.Claimed})
	}},
	{"LosingClaimLeavesUnseenFailure", "a claim that fails changes nothing, not even the entry it would have replaced", func(t *testing.T, w World) {
		l, _ := open(t, w)
		k := newKey()
		unseen := ledger.Key{ID: k.ID}
		ok(t, l.Record(t.Context(), k, imported()))
		ok(t, l.Record(t.Context(), unseen, failed("undelivered")))
		wantErr(t, l.Claim(t.Context(), claimOf(k)), ledger.ErrTaken)
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Imported}, ledger.Entry{Key: unseen, State: ledger.Failed, Attempts: 1})
	}},
	{"RenewSwapsOnlyTheExpectedSession", "a second session is opened only by the one who knows the outcome of the first", func(t *testing.T, w World) {
		l, _ := open(t, w)
		c, next := claimOf(newKey()), newSession()
		ok(t, l.Claim(t.Context(), c))
		ok(t, l.Checkpoint(t.Context(), c.Key, ledger.Checkpoint{Offset: 8 << 20, Sum: newHash()}))
		wantErr(t, l.Renew(t.Context(), c.Key, newSession(), next), ledger.ErrTaken)
		if got := onlyClaim(t, l); !got.Session.Equal(c.Session) || got.Checkpoint.Offset == 0 {
			t.Error("a refused Renew changed the claim")
		}
		ok(t, l.Renew(t.Context(), c.Key, c.Session, next))
		got := onlyClaim(t, l)
		if !got.Session.Equal(next) {
			t.Error("the session was not swapped")
		}
		if got.Checkpoint != (ledger.Checkpoint{}) {
			t.Error("the new session has the old one's checkpoint; it says what the old one stored")
		}
		wantErr(t, l.Renew(t.Context(), c.Key, c.Session, newSession()), ledger.ErrTaken)
		wantErr(t, l.Renew(t.Context(), newKey(), c.Session, next), ledger.ErrTaken)
	}},
	{"CheckpointRoundTrips", "a long upload goes on from the last sealed position; only a claim has one", func(t *testing.T, w World) {
		l, _ := open(t, w)
		c := claimOf(newKey())
		wantErr(t, l.Checkpoint(t.Context(), c.Key, ledger.Checkpoint{Offset: 1}), ledger.ErrTaken)
		ok(t, l.Claim(t.Context(), c))
		for _, offset := range []int64{8 << 20, 16 << 20} {
			c.Checkpoint = ledger.Checkpoint{Offset: offset, Sum: newHash()}
			ok(t, l.Checkpoint(t.Context(), c.Key, c.Checkpoint))
			wantSame(t, onlyClaim(t, l), c)
		}
		ok(t, l.Settle(t.Context(), c.Key, imported()))
		wantErr(t, l.Checkpoint(t.Context(), c.Key, c.Checkpoint), ledger.ErrTaken)
	}},
}

// wantSame compares two claims, the session by its octets and the time by its instant.
func wantSame(t *testing.T, got, want ledger.Claim) {
	t.Helper()
	if !got.Session.Equal(want.Session) {
		t.Error("the session is not the one that was claimed")
	}
	if !got.At.Equal(want.At) {
		t.Errorf("at = %v, want %v", got.At, want.At)
	}
	got.Session, got.At = want.Session, want.At
	if got.Key != want.Key || got.Domain != want.Domain || got.Size != want.Size || got.Checkpoint != want.Checkpoint ||
		got.Attempts != want.Attempts || !reflect.DeepEqual(got.Verdict, want.Verdict) {
		t.Errorf("claim = %+v, want %+v", got, want)
	}
}
