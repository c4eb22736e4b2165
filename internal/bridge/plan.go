package bridge

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// listing is one complete listing, sorted by what is to be done.
type listing struct {
	todo    []*job
	due     []*known     // imported, and the source policy is still to be carried out
	absent  []ledger.Key // known, and missing from this listing
	present []ledger.Key // missing from an earlier one, and back
	whole   bool         // absent and present are right

	// Of messages without id: one has no header either, it may be the equal of
	// any; and the contents of those that are not in Gmail.
	blind   bool
	missing map[mail.Key]bool
}

// known is a listed message that is in Gmail.
type known struct {
	key ledger.Key
	ref mail.Ref
}

// plan lists the source and looks every message up. What is not known for
// sure from its id alone is compared by its content key: a message without
// id, and an id that had vanished and is back.
func (r *run) plan(ctx context.Context, src Source) (*listing, error) {
	refs, err := r.list(ctx, src)
	if err != nil {
		return nil, err
	}
	found, err := r.look(ctx, src, refs)
	if err != nil {
		return nil, err
	}
	// What --since hides is not gone.
	l := &listing{whole: r.Since.IsZero(), missing: make(map[mail.Key]bool)}
	seen := make(map[mail.Key]bool, len(refs))
	next := make(map[mail.Key]int)
	for i, ref := range refs {
		c := found[i]
		switch {
		case c.old:
			continue
		case c.lost:
			// Without id and header it has no identity to be remembered by: it is
			// counted, and looked at again next time.
			l.whole, l.blind = false, true
			r.mu.Lock()
			r.outcome[r.Keys.Occurrence(mail.Key{}, ref.Number)] = pending
			r.mu.Unlock()
			continue
		case !ref.HasID():
			c.id = r.occurrence(*c.content, next)
		}
		seen[c.id] = true
		r.sort(l, ref, c)
	}
	r.compare(l, seen)
	if err := r.massChange(ctx, src, l.todo); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.touched = len(l.due) > 0
	r.order(l.todo)
	r.mu.Unlock()
	r.holdTwins(l)
	r.tell(Event{Listed: len(seen)})
	return l, nil
}

// occurrence numbers equal messages without id. A number whose message is gone,
// deleted by us or by somebody else, is not given again: the mail that is there
// now is another one.
func (r *run) occurrence(content mail.Key, next map[mail.Key]int) mail.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		id := r.Keys.Occurrence(content, next[content])
		next[content]++
		if entries := r.known.find(id); !back(entries) {
			return id
		}
		if r.removes() {
			r.kept[id] = true // or an equal mail has come
		}
	}
}

// holdTwins keeps the source policy from messages without id while an equal
// one is, or may be, not in Gmail, for now or for good: after a crash nobody
// could tell which is which.
func (r *run) holdTwins(l *listing) {
	l.due = slices.DeleteFunc(l.due, func(k *known) bool {
		return !k.ref.HasID() && (l.blind || l.missing[k.key.Content])
	})
}

// list reads the complete listing.
func (r *run) list(ctx context.Context, src Source) (refs []mail.Ref, err error) {
	err = r.at(StepList, func() error {
		for ref, err := range src.List(ctx) {
			if err != nil {
				return err
			}
			if !ref.Deleted || r.unfinished(ref) {
				refs = append(refs, ref)
			}
		}
		return nil
	})
	return refs, err
}

// unfinished reports a message flagged as deleted that we were about to delete
// when the process or the connection ended between flagging and expunging. Any
// other its owner has removed.
func (r *run) unfinished(ref mail.Ref) bool {
	if !r.removes() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.known.find(r.Keys.ID(ref)), func(e *ledger.Entry) bool {
		return e.State == ledger.Imported && r.due(ref, e.Day) && (e.Absent || r.AfterImport == Delete)
	})
}

// candidate is a listed message with its identity, as far as it is known.
type candidate struct {
	id      mail.Key  // zero for a message without id
	content *mail.Key // when its header had to be looked at
	old     bool      // before Since: not looked at
	lost    bool      // neither id nor header
}

// look finds the identities of the listed messages, and the headers of those
// whose id does not say enough.
func (r *run) look(ctx context.Context, src Source, refs []mail.Ref) ([]candidate, error) {
	found := make([]candidate, len(refs))
	var ask []mail.Ref
	var at []int
	r.mu.Lock()
	for i, ref := range refs {
		var entries []*ledger.Entry
		if ref.HasID() {
			found[i].id = r.Keys.ID(ref)
			entries = r.known.find(found[i].id)
		}
		if !ref.HasID() || back(entries) || r.undated(ref, entries) {
			ask, at = append(ask, ref), append(at, i)
		}
	}
	r.mu.Unlock()
	n := 0
	for h, err := range headers(ctx, src, ask) {
		c, ref := &found[at[n]], ask[n]
		n++
		switch {
		case err != nil && mail.ClassOf(err) != mail.Undelivered:
			return nil, err
		case err != nil:
			c.lost = !ref.HasID() // else the transfer will say what is wrong with it
			continue
		}
		content := r.Keys.Content(h)
		c.content = &content
		if when, ok := h.Date(); ok && ref.Date.IsZero() && when.Before(r.Since) {
			c.old = !r.knows(c.id)
		}
	}
	return found, ctx.Err()
}

// undated reports a message whose age only its header tells.
func (r *run) undated(ref mail.Ref, entries []*ledger.Entry) bool {
	return !r.Since.IsZero() && ref.Date.IsZero() && len(entries) == 0
}

func (r *run) knows(id mail.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return id != (mail.Key{}) && len(r.known.find(id)) > 0
}

// headers asks for many header sections in one go where the source can do
// that (POP3's pipelined TOP), else for one after the other.
func headers(ctx context.Context, src Source, refs []mail.Ref) iter.Seq2[*mail.Header, error] {
	if s, ok := src.(interface {
		Headers(context.Context, []mail.Ref) iter.Seq2[*mail.Header, error]
	}); ok && len(refs) > 1 {
		return s.Headers(ctx, refs)
	}
	return func(yield func(*mail.Header, error) bool) {
		for _, ref := range refs {
			if !yield(src.Header(ctx, ref)) {
				return
			}
		}
	}
}

// back reports an id whose every settled message had vanished.
func back(entries []*ledger.Entry) bool {
	absent := false
	for _, e := range entries {
		if settled(e.State) {
			if !e.Absent {
				return false
			}
			absent = true
		}
	}
	return absent
}

// unseen is the content key of a message set aside before its header was read.
var unseen mail.Key

// sort decides what is to be done with one listed message.
func (r *run) sort(l *listing, ref mail.Ref, c candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := &job{ref: ref, id: c.id, reserved: -1}
	if c.content != nil {
		j.content = *c.content
	}
	var is *ledger.Entry
	for _, e := range r.known.find(c.id) {
		switch {
		case e.State == ledger.Claimed:
			j.resume = r.claims[e.Key]
		case e.State == ledger.Failed:
			j.attempts = max(j.attempts, e.Attempts)
		case c.content == nil && e.Absent, c.content != nil && e.Content != *c.content && e.Content != unseen:
			// Another message had this id.
		default:
			is = e
		}
	}
	if !ref.HasID() && (is == nil || is.State != ledger.Imported) {
		l.missing[j.content] = true
	}
	if is != nil && j.resume == nil {
		r.note(c.id, standing(is.State))
		gone := is.Absent
		if gone {
			is.Absent = false
			l.present = append(l.present, is.Key)
		}
		if is.State == ledger.Imported && r.due(ref, is.Day) {
			if gone && r.removes() {
				r.kept[c.id] = true
			}
			if !r.removed[c.id] { // else it would be removed for ever
				l.due = append(l.due, &known{key: is.Key, ref: ref})
			}
		}
		return
	}
	if r.outcome[c.id] == mail.Failed {
		return // it had its chance in an earlier round of this pass
	}
	r.note(c.id, pending)
	l.todo = append(l.todo, j)
}

// standing is what the report says of a message that ended in an earlier pass:
// nothing if it is in Gmail, else what keeps it from there, each time anew.
func standing(s ledger.State) mail.Status {
	switch s {
	case ledger.Skipped:
		return mail.Skipped
	case ledger.Refused:
		return mail.Rejected
	case ledger.Doubtful:
		return mail.Doubtful
	}
	return ""
}

// pending is the status of a message that was listed and has not ended yet;
// the report counts it as failed: it will be tried again.
const pending mail.Status = "pending"

// note remembers a listed message for the report, without overwriting what
// this pass did with it.
func (r *run) note(id mail.Key, s mail.Status) {
	if _, ok := r.outcome[id]; !ok {
		r.outcome[id] = s
	}
}

// due reports whether the source policy has something to do for a message
// that is in Gmail since a day.
func (r *run) due(ref mail.Ref, since ledger.Day) bool {
	switch r.AfterImport {
	case Delete:
		return r.KeepDays == 0 || since.Full(time.Now()) >= r.KeepDays
	case Move:
		return ref.Folder != r.MoveTo
	case Seen:
		return !ref.Seen
	}
	return false
}

// removes reports a source policy that takes messages away.
func (r *run) removes() bool { return r.AfterImport == Delete || r.AfterImport == Move }

// compare sets the listing against what was there before: which entries are
// gone, and which of them may have come back under another id.
func (r *run) compare(l *listing, seen map[mail.Key]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = seen
	now := make(map[scope]generation)
	for id := range seen {
		now[scopeOf(id)] = generationOf(id)
	}
	r.vanished = make(map[mail.Key][]moved)
	r.known.all(func(e *ledger.Entry) {
		s := scopeOf(e.ID)
		// What was absent before, or deleted by us, has not moved: an equal mail
		// that comes after it is another message.
		if !r.scopes[s] || !settled(e.State) || e.Absent || seen[e.ID] {
			return
		}
		if l.whole {
			l.absent = append(l.absent, e.Key)
		}
		g, listed := now[s]
		renumbered := listed && generationOf(e.ID) != g
		if len(l.todo) > 0 && (l.whole || renumbered) {
			r.vanished[e.Content] = append(r.vanished[e.Content], moved{e.Key, renumbered})
		}
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
