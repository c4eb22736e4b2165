package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// Spec is a rule as its user has it.
type Spec struct {
	Name     string // of the rule, for errors
	Wasm     []byte // the plugin's module
	Settings json.RawMessage
}

// Chain makes the rules of one mailbox, in the order of specs. A rule that
// cannot be made is left out: the chain is that of the others, and the error
// has a *SpecError for each that is missing. Only where ctx ends there is no
// chain. Modules that are known by now cost next to nothing.
func (h *Host) Chain(ctx context.Context, user string, box field.Mailbox, specs []Spec) (*Chain, error) {
	c := &Chain{User: user, Mailbox: box}
	var faults []error
	for i, s := range specs {
		r, err := h.rule(ctx, s)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			faults = append(faults, &SpecError{Index: i, Name: s.Name, Err: err})
			continue
		}
		c.Rules = append(c.Rules, r)
	}
	return c, errors.Join(faults...)
}

func (h *Host) rule(ctx context.Context, s Spec) (*Rule, error) {
	p, err := h.Load(ctx, s.Wasm)
	if err != nil {
		return nil, err
	}
	return p.Rule(ctx, s.Settings)
}

// SpecError is a rule that cannot be made. Err is a *gate.Refusal,
// manifest.Faults or a *Fault.
type SpecError struct {
	Index int // in the specs
	Name  string
	Err   error
}

func (e *SpecError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

func (e *SpecError) Unwrap() error { return e.Err }

// MaySkip reports whether a rule may skip messages.
func (c *Chain) MaySkip() bool {
	for _, r := range c.Rules {
		if r.Plugin.grant.bits&manifest.Skip != 0 {
			return true
		}
	}
	return false
}
