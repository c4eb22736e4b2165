package manifest

import (
	"maps"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins/field"
)

func TestWhateverAManifestAsksForHasWords(t *testing.T) {
	t.Parallel()
	n := Needs{Headers: []string{"X-Test"}, Labels: true, Verdicts: slices.Collect(maps.Keys(verdicts))}
	for id := field.FromDomain; id.String() != ""; id++ {
		n.Fields = append(n.Fields, id.String())
	}
	sees, does := n.Sees(), n.Does()
	if len(sees) != len(n.Fields)+1 || len(does) != len(n.Verdicts)+1 {
		t.Errorf("%d and %d things, want %d and %d", len(sees), len(does), len(n.Fields)+1, len(n.Verdicts)+1)
	}
	for _, words := range [][]string{sees, does} {
		slices.Sort(words)
		if words[0] == "" || len(slices.Compact(slices.Clone(words))) != len(words) {
			t.Errorf("one without words, or two with the same: %q", words)
		}
	}
}
