// Package ledgertest is the conformance suite of bridge.Ledger. A store proves
// itself by passing Run; so does the in-memory twin, which is what makes tests
// on it trustworthy. Every case carries the rule it proves, printed on failure.
package ledgertest

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// World is one user's store as the suite needs it.
type World interface {
	// Mailbox makes a new, empty mailbox of the user.
	Mailbox(t *testing.T) id.Mailbox
	// Take takes the user's store over; what it gives makes handles bound to
	// the new epoch. Every older handle is fenced.
	Take(t *testing.T) func(id.Mailbox) bridge.Ledger
	// Reopen behaves as a restart of the process: the next Take finds what
	// was durable and nothing else.
	Reopen(t *testing.T)
	// Audit gives the mailbox's audit lines, oldest first.
	Audit(t *testing.T, box id.Mailbox) []ledger.Line
}

// AuditBreaker is a World that can make the writing of audit lines fail.
type AuditBreaker interface {
	BreakAudit(t *testing.T) (repair func())
}

type rule struct {
	name string
	why  string
	test func(t *testing.T, w World)
}

// Run proves that the ledger of each new World keeps every rule of the port.
func Run(t *testing.T, fresh func(t *testing.T) World) {
	for _, r := range slices.Concat(claimRules, settleRules, fenceRules, listingRules, loadRules) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", r.why)
				}
			})
			r.test(t, fresh(t))
		})
	}
}

// open gives a handle on a new mailbox of a freshly taken store.
func open(t *testing.T, w World) (bridge.Ledger, id.Mailbox) {
	t.Helper()
	box := w.Mailbox(t)
	return w.Take(t)(box), box
}

func newHash() (k mail.Key) {
	rand.Read(k[:])
	return k
}

func newKey() ledger.Key { return ledger.Key{ID: newHash(), Content: newHash()} }

func newSession() vault.Secret {
	return vault.NewSecret("https://upload.test/session/" + rand.Text())
}

func claimOf(k ledger.Key) ledger.Claim {
	return ledger.Claim{Key: k, Session: newSession(), Domain: "example.org", Size: 4711, At: time.Now()}
}

func imported() ledger.Outcome {
	return ledger.Outcome{Status: mail.Imported, Domain: "example.org", Size: 4711}
}

func failed(reason string) ledger.Outcome {
	return ledger.Outcome{Status: mail.Failed, Reason: reason, Domain: "unknown", Size: 12}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error = %v, want %v", got, want)
	}
}

func entries(t *testing.T, l bridge.Ledger) map[ledger.Key]ledger.Entry {
	t.Helper()
	list, err := l.Entries(t.Context())
	ok(t, err)
	m := make(map[ledger.Key]ledger.Entry, len(list))
	for _, e := range list {
		if _, twice := m[e.Key]; twice {
			t.Fatalf("the pair %x was listed twice", e.Key)
		}
		m[e.Key] = e
	}
	return m
}

// wantEntries compares everything known about a mailbox.
func wantEntries(t *testing.T, l bridge.Ledger, want ...ledger.Entry) {
	t.Helper()
	got := entries(t, l)
	for _, e := range want {
		g, ok := got[e.Key]
		g.Day = e.Day // TheDayOfAnOutcomeIsKept
		if !ok {
			t.Errorf("entry %x is missing, want %+v", e.ID[:2], e)
		} else if g != e {
			t.Errorf("entry %x = %+v, want %+v", e.ID[:2], g, e)
		}
	}
	if len(got) != len(want) {
		t.Errorf("entries = %d, want %d", len(got), len(want))
	}
}

// onlyClaim gives the one claim there must be.
func onlyClaim(t *testing.T, l bridge.Ledger) ledger.Claim {
	t.Helper()
	claims, err := l.Claims(t.Context())
	ok(t, err)
	if len(claims) != 1 {
		t.Fatalf("claims = %d, want 1", len(claims))
	}
	return claims[0]
}

func wantClaims(t *testing.T, l bridge.Ledger, want int) {
	t.Helper()
	claims, err := l.Claims(t.Context())
	ok(t, err)
	if len(claims) != want {
		t.Errorf("claims = %d, want %d", len(claims), want)
	}
}

// wantAudit compares the outcomes in a mailbox's audit lines, oldest first.
func wantAudit(t *testing.T, w World, box id.Mailbox, want ...ledger.Outcome) {
	t.Helper()
	var got []ledger.Outcome
	for _, l := range w.Audit(t, box) {
		got = append(got, l.Outcome)
		if age := time.Since(l.At); age < -time.Second || age > time.Hour {
			t.Errorf("audit line is dated %v, want now", l.At)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit = %+v, want %+v", got, want)
	}
}
