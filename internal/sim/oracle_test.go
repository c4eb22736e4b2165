package sim

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// judge asks, when the world has been well for some days: is every message
// where it belongs, exactly once, and is no mailbox forgotten?
func (w *world) judge() {
	w.mu.Lock()
	for _, s := range w.sins {
		w.t.Error(s)
	}
	w.mu.Unlock()
	for _, u := range w.users {
		doubts := 0
		for _, b := range u.boxes {
			doubts += b.judge()
		}
		if int64(doubts) > u.expired.Load() {
			w.t.Errorf("%s: %d messages are doubtful, and only %d upload sessions expired", u.name, doubts, u.expired.Load())
		}
	}
}

// tally counts the entries of the ledger by state; contents gives them by
// content key. Messages that were never handed out have none.
type (
	tally    [ledger.Failed + 1]int
	contents map[mail.Key]tally
)

func (b *box) known() contents {
	entries, _ := b.u.ledger.Take().Mailbox(b.id).Entries(b.w.t.Context())
	known := make(contents)
	for _, e := range entries {
		k := known[e.Content]
		k[e.State]++
		known[e.Content] = k
	}
	return known
}

// judge gives the number of messages whose session has expired.
func (b *box) judge() (expired int) {
	t := b.w.t
	if age := time.Since(b.lastVisit); age > longestRest {
		t.Errorf("%s: forgotten: nobody has looked for %v (%+v)", b.name, age.Round(time.Minute), b.w.registry.state(b.id))
	}
	for _, l := range b.u.ledger.Lines(b.id) {
		switch {
		case l.Status == mail.Doubtful && l.Reason == "session_expired":
			expired++
		case l.Status == mail.Doubtful && l.Reason != "source_gone":
			t.Errorf("%s: doubtful for no reason that there was: %s", b.name, l.Reason)
		}
	}
	known := b.known()
	aside := known[mail.Key{}][ledger.Refused]
	for _, x := range b.texts() {
		k := known[b.keys.Content(x.header())]
		if missing := x.ever - x.removed - x.copies - k[ledger.Refused] - k[ledger.Doubtful]; missing > 0 {
			if aside -= missing; aside < 0 || !x.stuck && b.trouble[x] < 3 {
				t.Errorf("%s: %s is lost: %+v, the ledger says %v", b.name, x, x.books, k)
			}
		}
		b.judgeText(x, k)
	}
	for _, l := range b.drop.all() {
		mine := known[b.keys.Content(l.header())][ledger.Imported] >= l.ever
		if mine && b.policy == bridge.Delete {
			t.Errorf("%s: %s is in Gmail and still at the source", b.name, l.text)
		}
		if mine && b.policy == bridge.Seen && !l.seen {
			t.Errorf("%s: %s is in Gmail and not marked seen", b.name, l.text)
		}
	}
	return expired
}

// longestRest is the longest time between two polls of a mailbox that is well.
const longestRest = 7 * time.Hour

// judgeText compares what became of a message with what there was.
func (b *box) judgeText(x *text, k tally) {
	t := b.w.t
	switch {
	case x.copies > x.ever:
		t.Errorf("%s: %s is in Gmail too often: %+v", b.name, x, x.books)
	case k[ledger.Refused] > 0 && !x.poison:
		t.Errorf("%s: %s was refused, and nobody did: %+v", b.name, x, x.books)
	case k[ledger.Claimed] > 0:
		t.Errorf("%s: %s is still claimed: %+v", b.name, x, x.books)
	case x.poison && x.copies > 0:
		t.Errorf("%s: %s is in Gmail, which never took it", b.name, x)
	case x.removed == 0 && k[ledger.Imported] > x.copies:
		t.Errorf("%s: %s is imported %d times, says the ledger: %+v", b.name, x, k[ledger.Imported], x.books)
	}
}

// String names a message by its subject.
func (t *text) String() string { return "<" + t.header().Get("Subject") + ">" }

func (b *box) texts() (all []*text) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	for _, t := range b.w.texts {
		if t.box == b {
			all = append(all, t)
		}
	}
	return all
}
