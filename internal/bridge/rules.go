package bridge

import (
	"context"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// rulings is what a pass knows of its rules. It is guarded by run.mu.
type rulings struct {
	said     map[ledger.Key]mail.Verdict // of messages that have not ended
	screened map[mail.Key]bool           // ids of large mail whose header was asked for by itself
	failed   bool                        // and that went wrong: no more of it
}

// decide asks the rules about a message that is not claimed, once in a pass:
// what they said is remembered until it has ended, and is in its claim from
// then on. Rules fail open: without an answer the message is imported.
func (t *transfer) decide(ctx context.Context) error {
	if t.Filter == nil {
		return nil
	}
	t.mu.Lock()
	v, asked := t.rules.said[t.key]
	t.mu.Unlock()
	if !asked {
		var err error
		v, err = t.Filter.Decide(ctx, t.header, t.job.ref)
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx) // nobody knows what they would have said
		case err != nil:
			v = mail.Verdict{Reason: rulesFailed}
		}
		t.mu.Lock()
		t.rules.said[t.key] = v
		t.mu.Unlock()
	}
	if v.Skip && t.wanted() {
		v = mail.Verdict{}
	}
	t.verdict = v
	return nil
}

// rulesFailed is the reason of a message about which no rule could be asked.
const rulesFailed = "rule_failed"

// wanted reports a message that its user wants, whatever a rule says.
func (t *transfer) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.known.find(t.key.ID), func(e *ledger.Entry) bool {
		return e.Wanted && (e.Content == t.key.Content || e.Content == unseen)
	})
}

// skip records that a rule does not want the message. It stays at the source.
func (t *transfer) skip(ctx context.Context) error {
	return t.record(ctx, t.job, t.key, t.outcome(mail.Skipped, t.verdict.Reason))
}

// screen looks at the headers of large mail first, where a rule may skip it:
// what is skipped ends here, before any budget is taken for it or an octet of
// its body is asked for. It gives the jobs that are left.
//
// A message is looked at once, and after a failure none is any more in this
// pass: there are servers on which a header alone costs the connection, and the
// fetch that follows knows what to make of one that breaks.
func (r *run) screen(ctx context.Context, s *session, jobs []*job) ([]*job, error) {
	large := r.unseenLarge(jobs)
	refs := make([]mail.Ref, len(large))
	for i, j := range large {
		refs[i] = j.ref
	}
	n := 0
	for h, err := range headers(ctx, s.Source, refs) {
		j := large[n]
		n++
		r.mu.Lock()
		r.rules.screened[j.id] = true
		r.mu.Unlock()
		switch {
		case err == nil:
			err = r.at(StepFetch, func() error { return r.screenOne(ctx, s, j, h) })
		case mail.ClassOf(err) == mail.Undelivered:
			err = nil // its transfer will say what is wrong with it
		default:
			r.mu.Lock()
			r.rules.failed = true
			r.count++ // something was learnt: another round is worth it
			r.mu.Unlock()
		}
		if err != nil {
			r.putBack(r.unended(jobs)...)
			return nil, err
		}
	}
	return r.unended(jobs), nil
}

// unseenLarge gives the messages whose header is worth a question of its own.
func (r *run) unseenLarge(jobs []*job) (large []*job) {
	if r.Filter == nil || !r.Filter.MaySkip() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range jobs {
		if j.ref.Size > window && j.resume == nil && !r.rules.failed && !r.rules.screened[j.id] {
			large = append(large, j)
		}
	}
	return large
}

// screenOne ends a message that is known after all, or that a rule skips.
func (r *run) screenOne(ctx context.Context, s *session, j *job, h *mail.Header) error {
	t := r.newTransfer(s, j, h)
	t.size = -1
	done, err := t.identify(ctx)
	if err == nil && !done {
		if t.up != nil {
			j.resume = t.up // claimed under another id: its transfer carries it on
			return nil
		}
		if err = t.decide(ctx); err == nil && t.verdict.Skip {
			err = t.skip(ctx)
		}
	}
	return t.ended(ctx, err)
}

func (r *run) unended(jobs []*job) []*job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.ended })
}
