package bridge

import (
	"context"
	"errors"

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
	l := &listing{whole: true}
	seen := make(map[mail.Key]bool, len(refs))
	copies := make(map[mail.Key]int)
	for _, ref := range refs {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		c, err := r.look(ctx, src, ref, copies)
		if err != nil {
			if mail.ClassOf(err) != mail.Undelivered {
				return nil, err
			}
			// A message without id whose header cannot be had has no identity
			// to be remembered by: it is counted, and looked at again next time.
			l.whole = false
			r.mu.Lock()
			r.outcome[r.Keys.Occurrence(mail.Key{}, ref.Number)] = mail.Failed
			r.mu.Unlock()
			continue
		}
		if c.old {
			continue
		}
		seen[c.id] = true
		r.sort(l, ref, c)
	}
	r.compare(l, seen)
	r.tell(Event{Listed: len(refs), ToDo: len(l.todo)})
	return l, nil
}

// list reads the complete listing.
func (r *run) list(ctx context.Context, src Source) (refs []mail.Ref, err error) {
	err = r.at(StepList, func() error {
		for ref, err := range src.List(ctx) {
			if err != nil {
				return err
			}
			refs = append(refs, ref)
		}
		return nil
	})
	return refs, err
}

// candidate is a listed message with its identity.
type candidate struct {
	id      mail.Key
	content *mail.Key // when its header had to be looked at
	entries []*ledger.Entry
	old     bool // before Since: not looked at
}

// look finds the identity of a listed message and what is known under it.
func (r *run) look(ctx context.Context, src Source, ref mail.Ref, copies map[mail.Key]int) (c candidate, err error) {
	if ref.HasID() {
		c.id = r.Keys.ID(ref)
		r.mu.Lock()
		c.entries = r.known.find(c.id)
		r.mu.Unlock()
	}
	returned := back(c.entries)
	undated := !r.Since.IsZero() && ref.Date.IsZero() && len(c.entries) == 0
	if ref.HasID() && !returned && !undated {
		return c, nil
	}
	h, err := src.Header(ctx, ref)
	if err != nil {
		if ref.HasID() && mail.ClassOf(err) == mail.Undelivered {
			return c, nil // the transfer will say what is wrong with it
		}
		return c, err
	}
	if when, ok := h.Date(); undated && ok && when.Before(r.Since) {
		c.old = true
		return c, nil
	}
	content := r.Keys.Content(h)
	c.content = &content
	if !ref.HasID() {
		// The n-th of equal messages is known by its number among them.
		c.id = r.Keys.Occurrence(content, copies[content])
		copies[content]++
		r.mu.Lock()
		c.entries = r.known.find(c.id)
		r.mu.Unlock()
	}
	return c, nil
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

// sort decides what is to be done with one listed message.
func (r *run) sort(l *listing, ref mail.Ref, c candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := &job{ref: ref, id: c.id}
	for _, e := range c.entries {
		switch {
		case e.State == ledger.Claimed:
			j.resume = r.claims[e.Key]
		case e.State == ledger.Failed:
			j.attempts = max(j.attempts, e.Attempts)
		case c.content == nil && e.Absent, c.content != nil && e.Content != *c.content:
			// Another message had this id.
		default:
			r.note(c.id, "")
			if e.Absent {
				l.present = append(l.present, e.Key)
			}
			if e.State == ledger.Imported && r.due(ref) {
				l.due = append(l.due, &known{key: e.Key, ref: ref})
			}
			return
		}
	}
	if r.outcome[c.id] == mail.Failed {
		return // it had its chance in an earlier round of this pass
	}
	r.note(c.id, pending)
	l.todo = append(l.todo, j)
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
// that is in Gmail.
func (r *run) due(ref mail.Ref) bool {
	return r.AfterImport == Delete || r.AfterImport == Seen && !ref.Seen
}

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
	was := make(map[scope]int)
	gone := make(map[scope]int)
	r.known.all(func(e *ledger.Entry) {
		s := scopeOf(e.ID)
		if !r.scopes[s] || !settled(e.State) || e.Absent {
			return
		}
		was[s]++
		if !seen[e.ID] {
			gone[s]++
			l.absent = append(l.absent, e.Key)
		}
	})
	r.vanished = make(map[mail.Key][]ledger.Key)
	if len(l.todo) == 0 {
		return
	}
	r.known.all(func(e *ledger.Entry) {
		s := scopeOf(e.ID)
		if !r.scopes[s] || !settled(e.State) || seen[e.ID] {
			return
		}
		// A folder with a new UIDVALIDITY: all its old entries are candidates.
		// Otherwise only what vanished between two listings is, and where the
		// content key says little, only if most of the folder did: two equal
		// mails, one after the other, are two messages.
		g, listed := now[s]
		renumbered := listed && generationOf(e.ID) != g
		most := 2*gone[s] > was[s]
		if renumbered || !e.Absent && (most || !r.weak(e.Content)) {
			r.vanished[e.Content] = append(r.vanished[e.Content], e.Key)
		}
	})
}

// weak reports a content key that was made of nothing.
func (r *run) weak(content mail.Key) bool {
	return content == r.Keys.Content(mail.ParseHeader(nil))
}

// moved takes the entry of a message that had another id before, if there is
// one. Each covers one message: n equal ones cover n.
func (r *run) moved(content mail.Key) (ledger.Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := r.vanished[content]
	if len(keys) == 0 {
		return ledger.Key{}, false
	}
	r.vanished[content] = keys[1:]
	return keys[0], true
}

// remap gives a known message the id it has now, and says what became of it.
func (r *run) remap(ctx context.Context, j *job, old ledger.Key) (ledger.State, error) {
	err := r.at(StepRemap, func() error {
		return r.Ledger.Remap(ctx, []ledger.Move{{Old: old, New: j.id}})
	})
	if err != nil && !errors.Is(err, ledger.ErrTaken) {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	state := ledger.Imported
	for _, e := range r.known.find(old.ID) {
		if e.Content == old.Content {
			state, e.Absent = e.State, true
		}
	}
	r.known.set(ledger.Key{ID: j.id, Content: old.Content}, state)
	if r.outcome[j.id] == pending {
		r.outcome[j.id] = ""
	}
	r.count++
	return state, nil
}
