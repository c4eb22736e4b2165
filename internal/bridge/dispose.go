package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// The source is touched only for a message that is in Gmail and whose content
// key was seen in this same session (docs/model: label del). For a message
// that was fetched in this session that is so; one that an earlier process
// imported is compared first, since its id may name another message by now.

// carryOut does the source policy for messages that earlier passes imported.
// One that turns out to be another message joins the queue. A POP3 session
// risks no more deletions, and lasts no longer, than any other.
func (r *run) carryOut(ctx context.Context, s *session, due []*known) error {
	refs := make([]mail.Ref, len(due))
	for i, k := range due {
		refs[i] = k.ref
	}
	n := 0
	for h, err := range headers(ctx, s.Source, refs) {
		k := due[n]
		n++
		if err != nil && mail.ClassOf(err) == mail.Undelivered {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.at(StepRecheck, func() error { r.recheck(s, k, r.Keys.Content(h)); return nil }); err != nil {
			return err
		}
		if r.exclusive() && n < len(due) && (len(s.done) >= maxDeletes || s.old()) {
			break
		}
	}
	if err := r.dispose(ctx, s); err != nil || n == len(due) || !r.able() {
		return err
	}
	return again{}
}

// recheck compares the message that has the id now with those that had it.
func (r *run) recheck(s *session, k *known, content mail.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.known.find(k.key.ID) {
		switch {
		case e.Content != content:
		case e.State == ledger.Imported:
			s.done = append(s.done, &known{key: e.Key, ref: k.ref})
			return
		case settled(e.State):
			return
		}
	}
	r.outcome[k.key.ID] = pending
	j := &job{ref: k.ref, id: k.key.ID, reserved: -1}
	r.queue = append(r.queue, j)
	r.left.add(1, announced(j))
}

// dispose carries out the source policy for what has ended in this session so
// far. It is never called during a fetch.
func (r *run) dispose(ctx context.Context, s *session) error {
	s.mu.Lock()
	done := s.done
	s.done = nil
	s.mu.Unlock()
	for first := 0; first < len(done) && r.able(); {
		n := first + 1
		for n < len(done) && done[n].ref.Folder == done[first].ref.Folder {
			n++
		}
		if err := r.cannot(r.disposeOf(ctx, s, done[first:n])); err != nil {
			return err
		}
		first = n
	}
	return nil
}

// disposeOf does so for messages of one folder.
func (r *run) disposeOf(ctx context.Context, s *session, done []*known) error {
	refs := make([]mail.Ref, len(done))
	var ids, nameless []ledger.Key
	for i, k := range done {
		refs[i] = k.ref
		if k.ref.HasID() {
			ids = append(ids, k.key)
		} else {
			nameless = append(nameless, k.key)
		}
	}
	return r.at(StepDispose, func() error {
		if r.AfterImport == Seen {
			return s.MarkSeen(ctx, refs)
		}
		// Before, not after: from here on nobody knows whether it is still there.
		// Should it be, its content is compared when the id is listed again; and
		// should an equal mail come, it is not taken for this one.
		if err := r.gone(ctx, ids); err != nil {
			if errors.Is(err, ledger.ErrFenced) {
				return err
			}
			return errors.Join(r.absent(ctx, ids, false), err) // it may have been written, and all of them are there
		}
		remove := s.Delete
		if r.AfterImport == Move {
			remove = func(ctx context.Context, refs []mail.Ref) error { return s.Move(ctx, refs, r.MoveTo) }
		}
		if err := remove(ctx, refs); err != nil {
			if f, ok := mail.AsFault(err); ok && (f.Code == "uidvalidity_changed" || f.Class == mail.Setup) {
				return errors.Join(r.absent(ctx, ids, false), err) // all of them are there
			}
			return err
		}
		s.count += len(refs)
		s.deleted = append(s.deleted, nameless...)
		for _, k := range ids {
			s.removed = append(s.removed, k.ID)
		}
		return nil
	})
}

// cannot keeps an error for the end of the pass that says that the source will
// not do what its user has chosen: it is no reason not to import what is new.
func (r *run) cannot(err error) error {
	f, ok := mail.AsFault(err)
	if !ok || f.Class != mail.Setup && f.Code != "delete_failed" && f.Code != "refused_command" {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.undone = f
	return nil
}

// able reports whether nothing is known that keeps the source policy from being
// carried out.
func (r *run) able() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undone == nil
}

// ignored says that a source said yes to deletions and did nothing.
func ignored(n int) *mail.Fault {
	what := fmt.Sprintf("%d messages that were deleted there are", n)
	if n == 1 {
		what = "a message that was deleted there is"
	}
	return &mail.Fault{Class: mail.Setup, Code: "delete_ignored", Text: "the mail server says yes to deletions and keeps the mail: " + what + " listed again",
		Help: "some providers keep what mail programs delete, unless it is switched off in their settings; nothing is imported twice by it"}
}

// gone notes that messages have left the source, by our hand.
func (r *run) gone(ctx context.Context, keys []ledger.Key) error { return r.absent(ctx, keys, true) }

// absent notes that messages have left the source, or have not.
func (r *run) absent(ctx context.Context, keys []ledger.Key, gone bool) error {
	if len(keys) == 0 {
		return nil
	}
	left, here := keys, []ledger.Key(nil)
	if !gone {
		left, here = here, left
	}
	if err := r.Ledger.Listed(ctx, left, here); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		for _, e := range r.known.find(k.ID) {
			if e.Content == k.Content {
				e.Absent = gone
			}
		}
	}
	return nil
}

// imported queues a message for the source policy of its session. One without
// id waits for the next round: by then every equal one is in Gmail too, so that
// it does not matter which of them a crash leaves.
func (r *run) imported(s *session, k ledger.Key, ref mail.Ref) {
	if !r.due(ref, ledger.DayOf(time.Now())) {
		return
	}
	r.mu.Lock()
	r.touched = true
	r.mu.Unlock()
	if r.removes() && !ref.HasID() {
		r.mu.Lock()
		r.twins = true
		r.mu.Unlock()
		return
	}
	s.mu.Lock()
	s.done = append(s.done, &known{key: k, ref: ref})
	s.mu.Unlock()
}
