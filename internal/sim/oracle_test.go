package sim

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// longestRest is the longest time between two polls of a mailbox that is well,
// and somewhat more.
const longestRest = 3 * time.Hour

// judge asks, when the world has been well for some days: is every message
// where it belongs, exactly once, and is no mailbox forgotten?
func (w *world) judge() {
	w.t.Helper()
	for _, b := range w.boxes {
		if age := time.Since(b.lastVisit); age > longestRest {
			status, _ := w.current.Load().engine.Status(b.u.id, b.id)
			b.fail("forgotten: nobody has looked for %v; the engine says %+v, the store %+v", age.Round(time.Minute), status, w.registry.state(b.id))
		}
	}
	w.current.Load().drain()
	for _, s := range w.sins {
		w.t.Error(s)
	}
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

// fail tells what is wrong with a mailbox and, once, what it is and has seen.
func (b *box) fail(format string, args ...any) {
	b.w.t.Helper()
	b.w.t.Errorf(b.name+": "+format, args...)
	if !b.failed {
		b.failed = true
		b.w.t.Logf("%s: %v, %s, %d folders, push %v, newest first %v, renumbered %d times; last:\n%s",
			b.name, b.drop.kind, b.policy, len(b.drop.folders), b.push, b.newest, b.renames, &b.diary)
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

// judge gives the number of messages whose upload session has expired.
func (b *box) judge() (expired int) {
	for _, l := range b.u.ledger.Lines(b.id) {
		switch {
		case l.Status == mail.Doubtful && l.Reason == "session_expired":
			expired++
		case l.Status == mail.Doubtful && l.Reason != "source_gone":
			b.fail("doubtful for no reason that there was: %s", l.Reason)
		}
	}
	known := b.known()
	aside := known[mail.Key{}][ledger.Refused]
	for _, x := range b.texts() {
		k := known[x.content]
		if x.poison { // refused in the session that is asked again after a crash
			expired -= k[ledger.Doubtful]
		}
		if missing := x.ever - x.removed - x.copies - k[ledger.Refused] - k[ledger.Doubtful] - k[ledger.Skipped]; missing > 0 {
			if aside -= missing; aside < 0 || !x.stuck && b.trouble[x] < 3 {
				b.fail("%s is lost: %+v, the ledger says %v", x.name, x.books, k)
			}
		}
		b.judgeText(x, k)
		b.judgeRules(x, k)
	}
	for _, l := range b.drop.all() {
		k := known[l.content]
		if k[ledger.Imported] < l.ever || k[ledger.Doubtful] > 0 { // of twins nobody knows which is which
			continue
		}
		if b.policy == bridge.Delete && b.keep == 0 || b.policy == bridge.Move {
			b.fail("%s is in Gmail and still at the source", l.name)
		}
		if age := time.Since(b.lastImport(l.text)); b.policy == bridge.Delete && age > time.Duration(b.keep+2)*24*time.Hour {
			b.fail("%s is in Gmail since %v and still at the source", l.name, age.Round(time.Hour))
		}
		if b.policy == bridge.Seen && !l.seen {
			b.fail("%s is in Gmail and not marked seen", l.name)
		}
	}
	return expired
}

// lastImport is when the ledger has noted the last message with this text, at
// the latest.
func (b *box) lastImport(t *text) (at time.Time) {
	for _, e := range b.entries() {
		if end := time.Unix(0, 0).Add(time.Duration(e.Day+1) * 24 * time.Hour); e.Content == t.content && end.After(at) {
			at = end
		}
	}
	return at
}

// judgeText compares what became of a message with what there was.
func (b *box) judgeText(x *text, k tally) {
	switch {
	case x.copies > x.ever+x.spare:
		b.fail("%s is in Gmail too often: %+v", x.name, x.books)
	case k[ledger.Refused] > 0 && !x.poison:
		b.fail("%s was refused, and nobody did: %+v", x.name, x.books)
	case k[ledger.Claimed] > 0:
		b.fail("%s is still claimed: %+v", x.name, x.books)
	case x.poison && x.copies > 0:
		b.fail("%s is in Gmail, which never took it", x.name)
	case x.removed == 0 && k[ledger.Imported] > x.copies:
		b.fail("%s is imported %d times, says the ledger: %+v", x.name, k[ledger.Imported], x.books)
	case x.deleted > x.copies:
		b.fail("%s was deleted and is not in Gmail: %+v", x.name, x.books)
	}
}

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
