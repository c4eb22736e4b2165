package rules

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Memory holds rules in memory, for tests. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	rules   map[id.User][]Rule
	modules map[id.User][]Module
}

func (m *Memory) locked() func() {
	m.mu.Lock()
	if m.rules == nil {
		m.rules, m.modules = map[id.User][]Rule{}, map[id.User][]Module{}
	}
	return m.mu.Unlock
}

// Rules gives a user's rules in their order.
func (m *Memory) Rules(ctx context.Context, user id.User) ([]Rule, error) {
	defer m.locked()()
	return slices.Clone(m.rules[user]), ctx.Err()
}

// PutRule makes a rule (ID zero) or replaces one.
func (m *Memory) PutRule(ctx context.Context, user id.User, r Rule, at int) (Rule, error) {
	defer m.locked()()
	all := m.rules[user]
	order, by := make([]id.Rule, len(all)), map[id.Rule]Rule{}
	for i, o := range all {
		order[i], by[o.ID] = o.ID, o
	}
	was, known := by[r.ID]
	switch {
	case r.ID != (id.Rule{}) && !known:
		return r, account.ErrNone
	case known:
		r.Created, r.Runs = was.Created, was.Runs
	case len(all) >= Max:
		return r, ErrTooMany
	default:
		r.ID, r.Created, r.Runs = id.New[id.Rule](), time.Now(), Runs{}
	}
	r.Mailboxes = slices.Clone(r.Mailboxes)
	by[r.ID] = r
	next := make([]Rule, 0, len(all)+1)
	for _, o := range Place(order, r.ID, at) {
		next = append(next, by[o])
	}
	m.rules[user] = next
	return r, ctx.Err()
}

// DropRule forgets a rule.
func (m *Memory) DropRule(ctx context.Context, user id.User, rule id.Rule) error {
	defer m.locked()()
	n := len(m.rules[user])
	m.rules[user] = slices.DeleteFunc(m.rules[user], func(r Rule) bool { return r.ID == rule })
	if len(m.rules[user]) == n {
		return account.ErrNone
	}
	return ctx.Err()
}

// CountRuns adds to what rules have done; one that is not there is passed over.
func (m *Memory) CountRuns(ctx context.Context, user id.User, runs map[id.Rule]Runs) error {
	defer m.locked()()
	for i := range m.rules[user] {
		r := &m.rules[user][i]
		n := runs[r.ID]
		r.Asked, r.Failed = r.Asked+n.Asked, r.Failed+n.Failed
		if n.Fault != "" {
			r.Fault = n.Fault
		}
	}
	return ctx.Err()
}

// Modules gives a user's modules, the oldest first, without their octets.
func (m *Memory) Modules(ctx context.Context, user id.User) ([]Module, error) {
	defer m.locked()()
	out := slices.Clone(m.modules[user])
	for i := range out {
		out[i].Wasm = nil
	}
	return out, ctx.Err()
}

// Module gives one.
func (m *Memory) Module(ctx context.Context, user id.User, d Digest) (Module, error) {
	defer m.locked()()
	for _, o := range m.modules[user] {
		if o.Digest == d {
			return o, ctx.Err()
		}
	}
	return Module{}, account.ErrNone
}

// AddModule keeps a module, unless it is there.
func (m *Memory) AddModule(ctx context.Context, user id.User, n Module) error {
	defer m.locked()()
	for _, o := range m.modules[user] {
		if o.Digest == n.Digest {
			return ctx.Err()
		}
	}
	if len(m.modules[user]) >= MaxModules {
		return ErrTooManyModules
	}
	n.Size, n.Added = len(n.Wasm), time.Now()
	m.modules[user] = append(m.modules[user], n)
	return ctx.Err()
}

// DropModule forgets a module that no rule uses.
func (m *Memory) DropModule(ctx context.Context, user id.User, d Digest) error {
	defer m.locked()()
	for _, r := range m.rules[user] {
		if r.Plugin == d.String() {
			return ErrInUse
		}
	}
	n := len(m.modules[user])
	m.modules[user] = slices.DeleteFunc(m.modules[user], func(o Module) bool { return o.Digest == d })
	if len(m.modules[user]) == n {
		return account.ErrNone
	}
	return ctx.Err()
}
