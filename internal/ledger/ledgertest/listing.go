package ledgertest

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

var listingRules = []rule{
	{"ListedMarksAbsence", "an id that was away and returns may be another message, so absence is remembered", func(t *testing.T, w World) {
		l, box := open(t, w)
		a, b := newKey(), newKey()
		ok(t, l.Record(t.Context(), a, imported()))
		ok(t, l.Record(t.Context(), b, imported()))
		ok(t, l.Listed(t.Context(), []ledger.Key{a, newKey()}, []ledger.Key{b, newKey()}))
		wantEntries(t, l, ledger.Entry{Key: a, State: ledger.Imported, Absent: true}, ledger.Entry{Key: b, State: ledger.Imported})
		ok(t, l.Listed(t.Context(), []ledger.Key{b}, []ledger.Key{a}))
		wantEntries(t, l, ledger.Entry{Key: a, State: ledger.Imported}, ledger.Entry{Key: b, State: ledger.Imported, Absent: true})
		ok(t, l.Listed(t.Context(), nil, nil))
		wantAudit(t, w, box, imported(), imported())
	}},
	{"ListedIsByPair", "an id that returned with other content is another message: the old one stays absent", func(t *testing.T, w World) {
		l, _ := open(t, w)
		old := newKey()
		now := ledger.Key{ID: old.ID, Content: newHash()}
		ok(t, l.Record(t.Context(), old, imported()))
		ok(t, l.Record(t.Context(), now, imported()))
		ok(t, l.Listed(t.Context(), []ledger.Key{old}, []ledger.Key{now}))
		wantEntries(t, l, ledger.Entry{Key: old, State: ledger.Imported, Absent: true}, ledger.Entry{Key: now, State: ledger.Imported})
	}},
	{"RemapKeepsTheOutcome", "a source that renumbers its messages has no new ones: outcomes move to the ids of now, and they are present", func(t *testing.T, w World) {
		l, box := open(t, w)
		a, b, stays := newKey(), newKey(), newKey()
		ok(t, l.Record(t.Context(), a, imported()))
		ok(t, l.Record(t.Context(), b, failed("timeout")))
		ok(t, l.Record(t.Context(), stays, imported()))
		ok(t, l.Listed(t.Context(), []ledger.Key{a, b}, nil))
		na, nb := newHash(), newHash()
		ok(t, l.Remap(t.Context(), []ledger.Move{{Old: a, New: na}, {Old: b, New: nb}}))
		wantEntries(t, l, ledger.Entry{Key: ledger.Key{ID: na, Content: a.Content}, State: ledger.Imported},
			ledger.Entry{Key: ledger.Key{ID: nb, Content: b.Content}, State: ledger.Failed, Attempts: 1},
			ledger.Entry{Key: stays, State: ledger.Imported})
		wantAudit(t, w, box, imported(), failed("timeout"), imported())
		wantErr(t, l.Claim(t.Context(), claimOf(ledger.Key{ID: na, Content: a.Content})), ledger.ErrTaken)
	}},
	{"RemapMovesAllAtOnce", "n equal mails cover n messages whatever their order: ids may be traded, in a ring or in a chain", func(t *testing.T, w World) {
		l, _ := open(t, w)
		content := newHash()
		at := func(k ledger.Key, s ledger.State) ledger.Entry { return ledger.Entry{Key: k, State: s} }
		k := []ledger.Key{{ID: newHash(), Content: content}, {ID: newHash(), Content: content}, {ID: newHash(), Content: content}}
		ok(t, l.Record(t.Context(), k[0], ledger.Outcome{Status: "imported"}))
		ok(t, l.Record(t.Context(), k[1], ledger.Outcome{Status: "skipped"}))
		ok(t, l.Record(t.Context(), k[2], ledger.Outcome{Status: "refused"}))
		ok(t, l.Remap(t.Context(), []ledger.Move{{Old: k[0], New: k[1].ID}, {Old: k[1], New: k[2].ID}, {Old: k[2], New: k[0].ID}}))
		wantEntries(t, l, at(k[1], ledger.Imported), at(k[2], ledger.Skipped), at(k[0], ledger.Refused))
		free := ledger.Key{ID: newHash(), Content: content}
		ok(t, l.Remap(t.Context(), []ledger.Move{{Old: k[0], New: k[1].ID}, {Old: k[1], New: k[2].ID}, {Old: k[2], New: free.ID}}))
		wantEntries(t, l, at(k[1], ledger.Refused), at(k[2], ledger.Imported), at(free, ledger.Skipped))
		ok(t, l.Remap(t.Context(), []ledger.Move{{Old: free, New: free.ID}}))
		ok(t, l.Remap(t.Context(), nil))
		wantEntries(t, l, at(k[1], ledger.Refused), at(k[2], ledger.Imported), at(free, ledger.Skipped))
	}},
	{"RemapIsAllOrNothing", "an outcome must not get lost on the way: a move that cannot be made stops them all", func(t *testing.T, w World) {
		l, _ := open(t, w)
		a, held, claim := newKey(), newKey(), claimOf(newKey())
		ok(t, l.Record(t.Context(), a, imported()))
		ok(t, l.Record(t.Context(), held, imported()))
		beside := ledger.Key{ID: newHash(), Content: held.Content}
		ok(t, l.Record(t.Context(), beside, imported()))
		ok(t, l.Claim(t.Context(), claim))
		good, meet := ledger.Move{Old: a, New: newHash()}, newHash()
		for name, bad := range map[string][]ledger.Move{
			"unknown":       {{Old: newKey(), New: newHash()}},
			"other content": {{Old: ledger.Key{ID: a.ID, Content: newHash()}, New: newHash()}},
			"claimed":       {{Old: claim.Key, New: newHash()}},
			"place held":    {{Old: beside, New: held.ID}},
			"moved twice":   {{Old: a, New: newHash()}},
			"two to one":    {{Old: beside, New: meet}, {Old: held, New: meet}},
		} {
			wantErr(t, l.Remap(t.Context(), append([]ledger.Move{good}, bad...)), ledger.ErrTaken)
			if t.Failed() {
				t.Fatalf("%s: was moved", name)
			}
			wantEntries(t, l, ledger.Entry{Key: a, State: ledger.Imported}, ledger.Entry{Key: held, State: ledger.Imported},
				ledger.Entry{Key: beside, State: ledger.Imported}, ledger.Entry{Key: claim.Key, State: ledger.Claimed})
		}
	}},
}
