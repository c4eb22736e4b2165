package sqlite

import (
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
)

// newestLine gives the last thing that happened.
func newestLine(t *testing.T, s *Store, u id.User) audit.Entry {
	t.Helper()
	p, err := s.List(t.Context(), u, audit.Filter{}, "", 1)
	ok(t, err)
	return p.Entries[0]
}

func TestUserDecidesAboutWhatIsNotInGmail(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, stranger := newUser(t, s, "somebody"), newUser(t, s, "stranger")
	box := newMailbox(t, s, u, "box")
	l := takeLedger(t, s, u, box)
	for _, c := range []struct {
		was  mail.Status
		d    audit.Decision
		want ledger.State // 0: it cannot be decided
	}{
		{mail.Failed, audit.Retry, ledger.Failed}, {mail.Rejected, audit.Retry, ledger.Failed}, {mail.Doubtful, audit.Retry, ledger.Failed},
		{mail.Doubtful, audit.Done, ledger.Imported}, {mail.Rejected, audit.Done, 0}, {mail.Failed, audit.Done, 0},
		{mail.Skipped, audit.Done, 0}, {mail.Skipped, audit.Retry, 0}, {mail.Doubtful, "x", 0},
		{mail.Skipped, audit.Import, ledger.Failed}, {mail.Rejected, audit.Import, ledger.Failed}, {mail.Failed, audit.Import, 0}, {mail.Doubtful, audit.Import, 0},
	} {
		k := newKey()
		_, _, err := s.Prepare(t.Context(), u, box)
		ok(t, err)
		ok(t, s.Save(t.Context(), u, box, schedule.State{Digest: mail.Key{1}}))
		ok(t, l.Record(t.Context(), k, ledger.Outcome{Status: c.was, Domain: "x.example", Size: 7}))
		line := newestLine(t, s, u)
		_, err = s.Decide(t.Context(), stranger, line.ID, c.d)
		if !errors.Is(err, account.ErrNone) {
			t.Errorf("somebody else's decision: %v, want %v", err, account.ErrNone)
		}
		got, err := s.Decide(t.Context(), u, line.ID, c.d)
		state, stErr := s.Schedule(t.Context(), u, box)
		ok(t, stErr)
		if c.want == 0 {
			if !errors.Is(err, audit.ErrDecision) || state.Digest == (mail.Key{}) {
				t.Errorf("%s of what is %s: %v, want %v and nothing changed", c.d, c.was, err, audit.ErrDecision)
			}
			continue
		}
		if err != nil || got != box || state.Digest != (mail.Key{}) {
			t.Errorf("%s of what is %s: %v, %v, digest %v; want the mailbox looked at again", c.d, c.was, got, err, state.Digest)
		}
		claim := newClaim("x")
		claim.Key = k
		if err := l.Claim(t.Context(), claim); c.want == ledger.Failed && err != nil || c.want == ledger.Imported && !errors.Is(err, ledger.ErrTaken) {
			t.Errorf("%s of what is %s: claim = %v", c.d, c.was, err)
		}
		if c.want == ledger.Imported {
			if n := newestLine(t, s, u); n.Status != mail.Imported || n.Reason != "by_user" || n.Domain != "x.example" || n.Size != 7 {
				t.Errorf("line of the decision = %+v", n)
			}
			continue
		}
		if _, err := s.Decide(t.Context(), u, line.ID, c.d); !errors.Is(err, account.ErrNone) { // on its way
			t.Errorf("%s of what is on its way: %v, want %v", c.d, err, account.ErrNone)
		}
		ok(t, l.Settle(t.Context(), k, ledger.Outcome{Status: mail.Imported}))
		if _, err := s.Decide(t.Context(), u, line.ID, c.d); !errors.Is(err, audit.ErrDecision) {
			t.Errorf("%s of what is imported since: %v, want %v", c.d, err, audit.ErrDecision)
		}
	}
}

// TestDecisionFollowsItsMessage: also where the source has renumbered it.
func TestDecisionFollowsItsMessage(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	l := takeLedger(t, s, u, newMailbox(t, s, u, "box"))
	k, next := newKey(), newKey()
	ok(t, l.Record(t.Context(), k, ledger.Outcome{Status: mail.Rejected}))
	line := newestLine(t, s, u)
	ok(t, l.Remap(t.Context(), []ledger.Move{{Old: k, New: next.ID}}))
	_, err := s.Decide(t.Context(), u, line.ID, audit.Retry)
	ok(t, err)
	k.ID = next.ID
	ok(t, l.Claim(t.Context(), ledger.Claim{Key: k}))
}

// TestADecisionDuringAPassIsSeenByTheNext: what that pass has found, it found
// without the decision.
func TestADecisionDuringAPassIsSeenByTheNext(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	box := newMailbox(t, s, u, "box")
	l := takeLedger(t, s, u, box)
	ok(t, l.Record(t.Context(), newKey(), ledger.Outcome{Status: mail.Rejected}))
	digest := func() mail.Key {
		_, st, err := s.Prepare(t.Context(), u, box)
		ok(t, err)
		return st.Digest
	}
	digest() // the pass begins
	_, err := s.Decide(t.Context(), u, newestLine(t, s, u).ID, audit.Retry)
	ok(t, err)
	ok(t, s.Save(t.Context(), u, box, schedule.State{Digest: mail.Key{1}}))
	if got := digest(); got != (mail.Key{}) {
		t.Errorf("the next pass ends after a look at the listing: digest %v", got)
	}
	ok(t, s.Save(t.Context(), u, box, schedule.State{Digest: mail.Key{2}}))
	if got := digest(); got != (mail.Key{2}) {
		t.Errorf("the digest of a pass that saw the decision = %v", got)
	}
}

// TestWhatIsWantedStaysSo through a try that fails.
func TestWhatIsWantedStaysSo(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u := newUser(t, s, "somebody")
	l := takeLedger(t, s, u, newMailbox(t, s, u, "box"))
	k := newKey()
	ok(t, l.Record(t.Context(), k, ledger.Outcome{Status: mail.Skipped}))
	_, err := s.Decide(t.Context(), u, newestLine(t, s, u).ID, audit.Import)
	ok(t, err)
	claim := newClaim("x")
	claim.Key = k
	want := func(state ledger.State, attempts int) {
		t.Helper()
		all, err := l.Entries(t.Context())
		ok(t, err)
		if len(all) != 1 || !all[0].Wanted || all[0].State != state || all[0].Attempts != attempts {
			t.Errorf("got %+v, want it wanted, in state %d after %d tries", all, state, attempts)
		}
	}
	want(ledger.Failed, 1)
	ok(t, l.Claim(t.Context(), claim))
	want(ledger.Claimed, 1)
	if claims, err := l.Claims(t.Context()); err != nil || claims[0].Attempts != 1 {
		t.Errorf("%+v, %v", claims, err)
	}
	ok(t, l.Settle(t.Context(), k, ledger.Outcome{Status: mail.Failed}))
	want(ledger.Failed, 2)
	ok(t, l.Record(t.Context(), k, ledger.Outcome{Status: mail.Rejected}))
	_, err = s.Decide(t.Context(), u, newestLine(t, s, u).ID, audit.Retry)
	ok(t, err)
	want(ledger.Failed, 1)
}
