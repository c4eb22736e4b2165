package bridge

import (
	"context"
	"maps"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// names gives the labels of what is in a folder.
func (p *Pass) names(folder string) []string {
	if own := p.Arrivals[folder].Label; own != "" && !slices.Contains(p.Labels, own) {
		return append(slices.Clone(p.Labels), own)
	}
	return p.Labels
}

// label looks for the labels of what is waiting to be moved, before anything is
// read: where one may not be made the pass ends, and says so.
func (r *run) label(ctx context.Context) error {
	folders := map[string]bool{}
	r.mu.Lock()
	for _, j := range r.queue {
		folders[j.ref.Folder] = true
	}
	r.mu.Unlock()
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if _, err := r.labelIDs(ctx, r.names(folder)); err != nil {
			return err
		}
	}
	return nil
}

// labelIDs gives each id once: Gmail takes names that differ in case for one.
func (r *run) labelIDs(ctx context.Context, names []string) (ids []string, err error) {
	for _, name := range names {
		id, err := r.Gmail.Label(ctx, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// labelsFor gives the label ids of one message, always explicit: what Gmail
// does without them is not documented. A message read at the source is
// read, one flagged there is starred; other flags mean nothing in Gmail.
func (t *transfer) labelsFor(ctx context.Context) ([]string, error) {
	var ids []string
	v, folder := t.verdict, t.Arrivals[t.job.ref.Folder]
	switch {
	case v.Spam, folder.Spam && !v.NeverSpam:
		ids = append(ids, "SPAM") // which is never in the inbox
	case !t.Archive && !v.Archive && !folder.Archive:
		ids = append(ids, "INBOX")
	}
	if !t.job.ref.Seen && !v.Read {
		ids = append(ids, "UNREAD")
	}
	if v.Star || t.job.ref.Flagged {
		ids = append(ids, "STARRED")
	}
	if v.Important {
		ids = append(ids, "IMPORTANT")
	}
	own, err := t.labelIDs(ctx, append(slices.Clone(t.names(t.job.ref.Folder)), t.acceptable(ctx)...))
	return append(ids, own...), err
}

// acceptable gives those labels of the rules that Gmail takes. Their names may
// come from the header, so that whoever writes a mail chooses them: one that
// Gmail does not take must not stop anything.
func (t *transfer) acceptable(ctx context.Context) (names []string) {
	for _, name := range t.verdict.Labels {
		_, err := t.Gmail.Label(ctx, name)
		if f, ok := mail.AsFault(err); ok && (f.Class == mail.Setup || f.Class == mail.Refused) {
			t.verdict.Reason = rulesFailed + ":label"
			continue
		}
		names = append(names, name)
	}
	return names
}
