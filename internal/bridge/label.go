package bridge

import "context"

// label finds the ids of the labels that every message of this mailbox gets,
// once there is a message; again asks Gmail anew.
func (r *run) label(ctx context.Context, again bool) error {
	r.mu.Lock()
	known := r.labelled && !again || len(r.queue) == 0 && !again
	r.mu.Unlock()
	if known {
		return nil
	}
	var ids []string
	for _, name := range r.Labels {
		id, err := r.Gmail.Label(ctx, name)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	r.mu.Lock()
	r.labelIDs, r.labelled = ids, true
	r.mu.Unlock()
	return nil
}

// labelsFor gives the label ids of one message, always explicit: what Gmail
// does without them is not documented. A message read at the source is read.
func (t *transfer) labelsFor(ctx context.Context) ([]string, error) {
	var ids []string
	v := t.verdict
	switch {
	case v.Spam:
		ids = append(ids, "SPAM") // which is never in the inbox
	case !t.Archive && !v.Archive:
		ids = append(ids, "INBOX")
	}
	if !t.job.ref.Seen && !v.Read {
		ids = append(ids, "UNREAD")
	}
	if v.Star {
		ids = append(ids, "STARRED")
	}
	if v.Important {
		ids = append(ids, "IMPORTANT")
	}
	t.mu.Lock()
	ids = append(ids, t.labelIDs...)
	t.mu.Unlock()
	for _, name := range v.Labels {
		id, err := t.Gmail.Label(ctx, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
