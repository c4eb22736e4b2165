package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// ways are the rules that a mailbox may have: none, or one that skips some of
// the mail and stars some other. Each says something else of the same letter.
const ways = 3

// rules are those of a mailbox as one pass found them.
type rules struct {
	p   *process
	b   *box
	way int64
}

// filter gives the rules of now.
func (b *box) filter(p *process) bridge.Filter { return &rules{p, b, b.way.Load()} }

// MaySkip implements bridge.Filter.
func (r *rules) MaySkip() bool { return r.way > 0 }

// Decide implements bridge.Filter.
func (r *rules) Decide(ctx context.Context, h *mail.Header, _ mail.Ref) (mail.Verdict, error) {
	f, err := r.p.strike(ctx, r.b.name, "rules")
	if err != nil {
		return mail.Verdict{}, err
	}
	t := r.b.withContent(r.b.keys.Content(h))
	if t == nil {
		r.b.sin("the rules were asked about a message that never was")
		return mail.Verdict{}, nil
	}
	if r.p.w.current.Load() == r.p && !r.p.w.unfenced && r.b.claims(t) {
		r.b.sin("the rules were asked about %s, which is claimed", t.name)
	}
	v := r.verdict(t)
	r.b.w.note(t, func(t *text) {
		if f == refuse || !v.Skip {
			t.kept++
		} else {
			t.skips++
		}
	})
	r.b.tell("rules", fmt.Sprint(t.name, " ", v.Skip, " ", f))
	if f == refuse {
		return mail.Verdict{}, errors.New("sim: a rule that cannot be asked")
	}
	return v, nil
}

// verdict depends on the letter and on the rules alone.
func (r *rules) verdict(t *text) mail.Verdict {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.name))
	switch n := (int64(h.Sum32()) + r.way) % 5; {
	case r.way == 0:
	case n == 0:
		return mail.Verdict{Skip: true, Reason: "rule/1"}
	case n == 1:
		return mail.Verdict{Star: true, Reason: "rule/2"}
	}
	return mail.Verdict{}
}

// withContent finds the text of a content key.
func (b *box) withContent(content mail.Key) *text {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	for _, t := range b.w.texts {
		if t.box == b && t.content == content {
			return t
		}
	}
	return nil
}

// claims reports a text of which there is one message, and that is claimed.
func (b *box) claims(t *text) bool {
	b.w.mu.Lock()
	one := t.ever == 1
	b.w.mu.Unlock()
	return one && slices.ContainsFunc(b.entries(), func(e ledger.Entry) bool {
		return e.Content == t.content && e.State == ledger.Claimed
	})
}

// opened sees to it that a claim says of its message what its session was told.
func (b *box) opened(session vault.Secret, v mail.Verdict) {
	g := b.u.gmail
	g.mu.Lock()
	u := g.sessions[session.RevealString()]
	g.mu.Unlock()
	if u == nil || slices.Contains(u.labels, "STARRED") != v.Star {
		b.sin("a claim does not have the verdict with which its session was opened")
	}
}

// judgeRules compares what became of a message with what the rules said of it.
func (b *box) judgeRules(x *text, k tally) {
	switch {
	case k[ledger.Skipped] > 0 && x.skips == 0:
		b.fail("%s was skipped, and no rule said so: %+v", x.name, x.books)
	case x.copies > 0 && x.skips > 0 && x.kept == 0:
		b.fail("%s is in Gmail, and each time a rule said skip: %+v", x.name, x.books)
	case x.ever == 1 && !x.unsure && x.copies > 0 && k[ledger.Skipped] > 0:
		b.fail("%s is in Gmail and skipped: %+v", x.name, x.books)
	}
}
