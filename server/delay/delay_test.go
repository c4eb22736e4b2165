package delay

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

func near(got, want time.Duration) bool { return got >= want && float64(got) <= float64(want)*wider }

func TestQuantilesOfEachStep(t *testing.T) {
	t.Parallel()
	var k Keeper
	now := time.Date(2026, 5, 4, 12, 7, 0, 0, time.UTC)
	a, b := id.Mailbox{1}, id.Mailbox{2}
	for i := range 100 {
		k.Note(a, now, time.Duration(i+1)*10*time.Millisecond)
	}
	k.Note(a, now.Add(-15*time.Minute), time.Hour)
	k.Note(b, now, 0)
	for _, span := range Spans {
		w := audit.WindowOf(now, span)
		q := k.Of(a, w)
		if len(q) != w.Steps || !near(q[w.Steps-1].P50, 500*time.Millisecond) || !near(q[w.Steps-1].P95, 950*time.Millisecond) {
			t.Fatalf("%v: %v", span, q)
		}
	}
	q := k.Of(a, audit.WindowOf(now, Spans[0]))
	if last := len(q) - 1; q[last-1].P50 < 5*time.Minute || q[last-2] != (Quantiles{}) {
		t.Errorf("got %v", q[last-3:])
	}
	if q := k.Of(b, audit.WindowOf(now, Spans[0])); q[len(q)-1].P95 != first {
		t.Errorf("got %v", q[len(q)-1])
	}
	if k.Of(a, audit.WindowOf(now, time.Hour)) != nil || k.Of(id.Mailbox{3}, audit.WindowOf(now, Spans[0])) != nil {
		t.Error("figures of nothing")
	}
	k.Forget(a)
	if k.Of(a, audit.WindowOf(now, Spans[0])) != nil {
		t.Error("it is not forgotten")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var k Keeper
	now := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	busy := id.Mailbox{0xff}
	for i := range 90 * 24 {
		k.Note(busy, now.Add(time.Duration(i)*time.Hour), time.Second)
	}
	for i, s := range k.boxes[busy].steps {
		if len(s) > 100 {
			t.Errorf("%d steps for %v", len(s), Spans[i])
		}
	}
	now = now.AddDate(1, 0, 0)
	for i := range most + 10 {
		var m id.Mailbox
		binary.BigEndian.PutUint32(m[:], uint32(i+1))
		k.Note(m, now.Add(time.Duration(i)), time.Second)
	}
	if len(k.boxes) != most || k.boxes[busy] != nil {
		t.Errorf("%d mailboxes, the longest unused one still there: %v", len(k.boxes), k.boxes[busy] != nil)
	}
}
