package bridge

import (
	"context"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// The source is touched only for a message that is in Gmail and whose content
// key was seen in this same session (docs/model: label del). For a message
// that was fetched in this session that is so; one that an earlier process
// imported is compared first, since its id may name another message by now.

// carryOut does the source policy for messages that earlier passes imported.
// One that turns out to be another message joins the queue.
func (r *run) carryOut(ctx context.Context, s *session, due []*known) error {
	for _, k := range due {
		h, err := s.Header(ctx, k.ref)
		if err != nil && mail.ClassOf(err) == mail.Undelivered {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.at(StepRecheck, func() error { r.recheck(s, k, r.Keys.Content(h)); return nil }); err != nil {
			return err
		}
	}
	return r.dispose(ctx, s)
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
	r.queue = append(r.queue, &job{ref: k.ref, id: k.key.ID})
}

// dispose carries out the source policy for what has ended in this session so
// far. It is never called during a fetch.
func (r *run) dispose(ctx context.Context, s *session) error {
	s.mu.Lock()
	done := s.done
	s.done = nil
	s.mu.Unlock()
	if len(done) == 0 {
		return nil
	}
	refs := make([]mail.Ref, len(done))
	keys := make([]ledger.Key, len(done))
	for i, k := range done {
		refs[i], keys[i] = k.ref, k.key
	}
	return r.at(StepDispose, func() error {
		if r.AfterImport == Seen {
			return s.MarkSeen(ctx, refs)
		}
		if err := s.Delete(ctx, refs); err != nil {
			return err
		}
		s.deleted = append(s.deleted, keys...)
		return nil
	})
}

// imported queues a message for the source policy of its session.
func (r *run) imported(s *session, k ledger.Key, ref mail.Ref) {
	if !r.due(ref) {
		return
	}
	s.mu.Lock()
	s.done = append(s.done, &known{key: k, ref: ref})
	s.mu.Unlock()
}
