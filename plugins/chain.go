package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// maxUnited is how many labels a message gets from all rules.
const maxUnited = 10

// known are the verdict bits that this release understands; bits 32 to 47 hold
// the reason.
const (
	known       = manifest.Skip | manifest.Archive | manifest.Star | manifest.Important | manifest.Read | manifest.NeverSpam | manifest.Spam
	reasonShift = 32
)

// verdict takes a result apart; false if it has bits that nobody knows.
func (o *Outcome) verdict(result, granted uint64) bool {
	o.Reason = uint16(result >> reasonShift)
	all := result &^ (uint64(0xffff) << reasonShift)
	if all&^known != 0 {
		return false
	}
	o.Bits = all & granted
	for rest := all &^ granted; rest != 0; rest &= rest - 1 {
		o.Dropped++
	}
	return true
}

// Chain is the rules of one mailbox in its user's order: what a pass asks about
// each message. It may be used by many goroutines at once.
type Chain struct {
	User    string // whose breakers they are
	Mailbox field.Mailbox
	Rules   []*Rule
	// Missing is why a rule of the user's is not among Rules; nil: none is missing.
	// The reason of each message says so.
	Missing *Fault
	// Failed is told of each rule that was left out for a message; nil: nobody.
	Failed func(ref mail.Ref, f *Fault)
	// Asked is told of each rule that was asked, by its place in Rules, and how it
	// failed, if it did; nil: nobody.
	Asked func(rule int, f *Fault)
}

// Decide gives the verdict of all rules on a message: what they decided
// united, up to the first that skips, which then stands alone. A rule that
// fails is left out, and where none skips the reason says so: failed, the class,
// the plugin's name, with colons between. The error is why ctx ended, never a
// rule's; then nothing is decided. Neither h nor anything of it is kept.
func (c *Chain) Decide(ctx context.Context, h *mail.Header, ref mail.Ref) (mail.Verdict, error) {
	facts := field.Of(h, ref, &c.Mailbox)
	var v mail.Verdict
	left := ""
	if c.Missing != nil {
		left = c.Missing.reason()
	}
	for i, r := range c.Rules {
		out, err := c.ask(ctx, r, facts)
		if fault, ok := errors.AsType[*Fault](err); c.Asked != nil && (ok || err == nil) {
			c.Asked(i, fault)
		}
		if fault, ok := errors.AsType[*Fault](err); ok {
			if c.Failed != nil {
				c.Failed(ref, fault)
			}
			if left == "" {
				left = fault.reason()
			}
			continue
		}
		if err != nil {
			return mail.Verdict{}, err
		}
		if out.unite(&v, r.Plugin.Manifest.Name); v.Skip {
			return v, nil
		}
	}
	if left != "" {
		v.Reason = left
	}
	return v, nil
}

// reason is that of a message that came past a rule which failed.
func (f *Fault) reason() string { return fmt.Sprintf("rule_failed:%s:%s", f.Class, f.Plugin) }

func (c *Chain) ask(ctx context.Context, r *Rule, facts *field.Facts) (Outcome, error) {
	h := r.Plugin.host
	if may, err := h.budgets.wait(ctx, c.User); err != nil {
		return Outcome{}, err
	} else if !may {
		return Outcome{}, r.Plugin.fault(OverBudget)
	}
	key := breakerKey{c.User, r.Plugin.Digest}
	if !h.breakers.allow(key) {
		return Outcome{}, r.Plugin.fault(Off)
	}
	out, err := r.Run(ctx, facts)
	fault, failed := errors.AsType[*Fault](err)
	if err == nil || failed && fault.Class != Away {
		h.budgets.spend(c.User, r.Plugin.cost(out.Fuel, fault))
		h.breakers.note(key, failed)
	} else {
		h.breakers.unasked(key)
	}
	return out, err
}

// unite adds what a rule said to what those before it did.
func (o *Outcome) unite(v *mail.Verdict, plugin string) {
	reason := ""
	if o.Reason != 0 {
		reason = fmt.Sprintf("%s/%d", plugin, o.Reason)
	}
	if o.Bits&manifest.Skip != 0 {
		*v = mail.Verdict{Skip: true, Reason: reason}
		return
	}
	if v.Reason == "" {
		v.Reason = reason
	}
	v.Archive = v.Archive || o.Bits&manifest.Archive != 0
	v.Star = v.Star || o.Bits&manifest.Star != 0
	v.Important = v.Important || o.Bits&manifest.Important != 0
	v.Read = v.Read || o.Bits&manifest.Read != 0
	v.NeverSpam = v.NeverSpam || o.Bits&manifest.NeverSpam != 0
	v.Spam = !v.NeverSpam && (v.Spam || o.Bits&manifest.Spam != 0)
	for _, label := range o.Labels {
		if len(v.Labels) < maxUnited && !slices.Contains(v.Labels, label) {
			v.Labels = append(v.Labels, label)
		}
	}
}
