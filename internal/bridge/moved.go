package bridge

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// moved is an entry that vanished from the listing. It may be in the listing
// under another id, certainly so if its folder was renumbered.
type moved struct {
	ledger.Key
	renumbered bool
}

// movedFrom takes the entry of a message that had another id before, if there
// is one. Each covers one message: n equal ones cover n. A header that tells
// little (neither Message-ID nor Received) counts only in a folder that was
// renumbered: two such mails, one after the other, are two messages.
func (r *run) movedFrom(h identity) (ledger.Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, m := range r.vanished[h.content] {
		if m.renumbered || h.strong {
			r.vanished[h.content] = slices.Delete(r.vanished[h.content], i, i+1)
			return m.Key, true
		}
	}
	return ledger.Key{}, false
}

// identity is what the header tells about which message this is.
type identity struct {
	content mail.Key
	strong  bool
}

// remap gives a known message the id it has now, and says what became of it.
func (r *run) remap(ctx context.Context, j *job, old ledger.Key) (ledger.State, error) {
	err := r.at(StepRemap, func() error {
		return r.Ledger.Remap(ctx, []ledger.Move{{Old: old, New: j.id}})
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !errors.Is(err, ledger.ErrTaken) {
		r.stale = true // it may have been written: of twins, the other's entry would be moved next
		return 0, err
	}
	state, since := ledger.Imported, ledger.DayOf(time.Now())
	for _, e := range r.known.find(old.ID) {
		if e.Content == old.Content {
			state, since, e.Absent = e.State, e.Day, true
		}
	}
	r.known.set(ledger.Key{ID: j.id, Content: old.Content}, state, since)
	if r.outcome[j.id] == pending {
		r.outcome[j.id] = ""
	}
	if s, ok := r.outcome[old.ID]; ok && !r.seen[old.ID] {
		r.outcome[j.id] = s // settled by this very pass, under its old id
		delete(r.outcome, old.ID)
	}
	r.done(j, -1)
	return state, nil
}
