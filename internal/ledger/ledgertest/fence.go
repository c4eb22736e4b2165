package ledgertest

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

// writes are all the ways to write, each of which would succeed on the fixture of fenced.
var writes = map[string]func(ctx context.Context, l bridge.Ledger, f fixture) error{
	"Claim":      func(ctx context.Context, l bridge.Ledger, f fixture) error { return l.Claim(ctx, claimOf(newKey())) },
	"ClaimAgain": func(ctx context.Context, l bridge.Ledger, f fixture) error { return l.Claim(ctx, claimOf(f.failed)) },
	"Renew": func(ctx context.Context, l bridge.Ledger, f fixture) error {
		return l.Renew(ctx, f.claim.Key, f.claim.Session, newSession())
	},
	"Checkpoint": func(ctx context.Context, l bridge.Ledger, f fixture) error {
		return l.Checkpoint(ctx, f.claim.Key, ledger.Checkpoint{Offset: 7, Sum: newHash()})
	},
	"Settle": func(ctx context.Context, l bridge.Ledger, f fixture) error {
		return l.Settle(ctx, f.claim.Key, imported())
	},
	"Record": func(ctx context.Context, l bridge.Ledger, f fixture) error {
		return l.Record(ctx, newKey(), failed("timeout"))
	},
	"Listed": func(ctx context.Context, l bridge.Ledger, f fixture) error {
		return l.Listed(ctx, []ledger.Key{f.done}, []ledger.Key{f.absent})
	},
	"Remap": func(ctx context.Context, l bridge.Ledger, f fixture) error {
		return l.Remap(ctx, []ledger.Move{{Old: f.done, New: newHash()}})
	},
}

// fixture names one entry of each kind.
type fixture struct {
	claim                ledger.Claim
	done, absent, failed ledger.Key
}

func newFixture(t *testing.T, l bridge.Ledger) fixture {
	t.Helper()
	f := fixture{claim: claimOf(newKey()), done: newKey(), absent: newKey(), failed: newKey()}
	ok(t, l.Claim(t.Context(), f.claim))
	ok(t, l.Record(t.Context(), f.done, imported()))
	ok(t, l.Record(t.Context(), f.absent, imported()))
	ok(t, l.Record(t.Context(), f.failed, failed("timeout")))
	ok(t, l.Listed(t.Context(), []ledger.Key{f.absent}, nil))
	return f
}

var fenceRules = []rule{
	{"StaleOwnerChangesNothing", "who has lost the store may still be running; whatever it writes must be refused, by every method", func(t *testing.T, w World) {
		old, box := open(t, w)
		f := newFixture(t, old)
		owner := w.Take(t)(box)
		before, lines := entries(t, owner), len(w.Audit(t, box))
		for name, write := range writes {
			wantErr(t, write(t.Context(), old, f), ledger.ErrFenced)
			if t.Failed() {
				t.Fatalf("%s got past the fence", name)
			}
		}
		if got := entries(t, owner); !maps.Equal(got, before) {
			t.Errorf("entries = %+v, want %+v", got, before)
		}
		wantSame(t, onlyClaim(t, owner), f.claim)
		if got := len(w.Audit(t, box)); got != lines {
			t.Errorf("audit lines = %d, want %d", got, lines)
		}
	}},
	{"NewOwnerMayWrite", "a take-over hands over everything: the new owner writes what the old one could", func(t *testing.T, w World) {
		for name, write := range writes {
			l, box := open(t, w)
			f := newFixture(t, l)
			if err := write(t.Context(), w.Take(t)(box), f); err != nil {
				t.Errorf("%s by the new owner = %v", name, err)
			}
		}
	}},
	{"TakeOverFencesEveryMailbox", "a store is taken whole: handles on all its mailboxes lose it together", func(t *testing.T, w World) {
		one, two := w.Mailbox(t), w.Mailbox(t)
		old := w.Take(t)
		handles := []bridge.Ledger{old(one), old(two)}
		w.Take(t)
		for _, l := range append(handles, old(one)) {
			wantErr(t, l.Claim(t.Context(), claimOf(newKey())), ledger.ErrFenced)
		}
	}},
	{"OlderEpochsStayFenced", "there is one owner: the last. All before it are fenced, not only the one before", func(t *testing.T, w World) {
		box := w.Mailbox(t)
		var handles []bridge.Ledger
		for range 4 {
			handles = append(handles, w.Take(t)(box))
		}
		for i, l := range slices.Backward(handles) {
			err := l.Record(t.Context(), newKey(), imported())
			if i == len(handles)-1 {
				ok(t, err)
			} else {
				wantErr(t, err, ledger.ErrFenced)
			}
		}
	}},
	{"FencedAfterReopen", "epochs are durable: an owner of before a restart stays fenced after it", func(t *testing.T, w World) {
		old, box := open(t, w)
		k := newKey()
		ok(t, old.Claim(t.Context(), claimOf(k)))
		l := reopen(t, w, box)
		if err := old.Settle(t.Context(), k, imported()); err == nil {
			t.Error("an owner of before the restart could still settle")
		}
		wantEntries(t, l, ledger.Entry{Key: k, State: ledger.Claimed})
	}},
}
