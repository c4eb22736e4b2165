// Package rulebook brings the rules of users to work: it knows the plugins that
// there are, those that come with the program and those that a user has
// uploaded, checks what is given to it, and makes the chain that a pass over a
// mailbox asks.
//
// A rule that cannot be made, because its settings do not fit its plugin any
// more, say, is left out: mail comes past it, and the audit says so. What is kept
// of a rule in memory is kept under its user and goes when he changes his rules
// or is wiped.
package rulebook

import (
	"context"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins"
)

// Store keeps rules and modules (package rules). What is not there is
// account.ErrNone.
type Store interface {
	Rules(ctx context.Context, user id.User) ([]rules.Rule, error)
	PutRule(ctx context.Context, user id.User, r rules.Rule, at int) (rules.Rule, error)
	DropRule(ctx context.Context, user id.User, rule id.Rule) error
	CountRuns(ctx context.Context, user id.User, runs map[id.Rule]rules.Runs) error

	Modules(ctx context.Context, user id.User) ([]rules.Module, error)
	Module(ctx context.Context, user id.User, d rules.Digest) (rules.Module, error)
	AddModule(ctx context.Context, user id.User, m rules.Module) error
	DropModule(ctx context.Context, user id.User, d rules.Digest) error
}

// Book is the rules of all users. It may be used by many goroutines at once.
type Book struct {
	store   Store
	host    *plugins.Host
	uploads bool

	compiling sync.Mutex // one upload at a time

	mu     sync.Mutex
	clock  uint64                             // counts passes
	made   map[id.User]*made                  // of the users who were here last
	counts map[id.User]map[id.Rule]rules.Runs // not written yet
}

// made are the rules of a user, by plugin and settings.
type made struct {
	used  uint64 // when, by the book's clock
	rules map[string]*plugins.Rule
}

// maxUsers is for how many users memory keeps rules, and counts. A mailbox that
// waits costs nothing: its rules are made again when it has mail.
const maxUsers = 2000

// New makes a book. Without uploads nobody's modules are taken or run: where the
// host has no process for them to give up, only who trusts all his users lets them.
func New(store Store, host *plugins.Host, uploads bool) *Book {
	return &Book{store: store, host: host, uploads: uploads, made: map[id.User]*made{}, counts: map[id.User]map[id.Rule]rules.Runs{}}
}

// Uploads reports whether users may bring plugins of their own.
func (b *Book) Uploads() bool { return b.uploads }

// Rules gives a user's rules in their order.
func (b *Book) Rules(ctx context.Context, user id.User) ([]rules.Rule, error) {
	if err := b.flush(ctx, user); err != nil {
		return nil, err
	}
	return b.store.Rules(ctx, user)
}

// Put makes a rule (its ID is zero) or replaces one, at a position as
// rules.Place has it. Its error may be manifest.Faults, about the settings.
func (b *Book) Put(ctx context.Context, user id.User, r rules.Rule, at int) (rules.Rule, error) {
	p, err := b.Plugin(ctx, user, r.Plugin)
	if err != nil {
		return r, err
	}
	if _, err := p.Manifest.Resolve(r.Config); err != nil {
		return r, err
	}
	r, err = b.store.PutRule(ctx, user, r, at)
	b.Forget(user)
	return r, err
}

// Drop forgets a rule.
func (b *Book) Drop(ctx context.Context, user id.User, rule id.Rule) error {
	err := b.store.DropRule(ctx, user, rule)
	b.Forget(user)
	return err
}

// Forget drops what memory has of a user's rules: they have changed, or he is
// wiped.
func (b *Book) Forget(user id.User) {
	b.mu.Lock()
	m := b.made[user]
	delete(b.made, user)
	b.mu.Unlock()
	if m == nil {
		return
	}
	for _, r := range m.rules {
		r.Forget()
	}
}

// keep keeps a rule of a user, and forgets those of whoever was not here longest
// where there are too many.
func (b *Book) keep(user id.User, key string, r *plugins.Rule) {
	b.mu.Lock()
	m := b.made[user]
	if m == nil {
		m = &made{rules: map[string]*plugins.Rule{}}
		b.made[user] = m
	}
	b.clock++
	m.used = b.clock
	m.rules[key] = r
	var oldest id.User
	if len(b.made) > maxUsers {
		least := b.clock
		for u, m := range b.made {
			if m.used < least {
				oldest, least = u, m.used
			}
		}
	}
	b.mu.Unlock()
	if oldest != (id.User{}) {
		b.Forget(oldest)
	}
}

// kept finds a rule that was kept.
func (b *Book) kept(user id.User, key string) *plugins.Rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.made[user]
	if m == nil {
		return nil
	}
	b.clock++
	m.used = b.clock
	return m.rules[key]
}

// Left forgets a user for good.
func (b *Book) Left(user id.User) {
	b.Forget(user)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.counts, user)
}

// settle writes what a user's rules have done, and, where that of too many waits,
// another's.
func (b *Book) settle(ctx context.Context, user id.User) error {
	if err := b.flush(ctx, user); err != nil {
		return err
	}
	for range 2 { // one more than may come with this pass
		b.mu.Lock()
		var other id.User
		if len(b.counts) > maxUsers {
			for other = range b.counts {
				break
			}
		}
		b.mu.Unlock()
		if other == (id.User{}) {
			return nil
		}
		_ = b.flush(ctx, other) // they stay
	}
	return nil
}

// flush writes what a user's rules have done since the last time.
func (b *Book) flush(ctx context.Context, user id.User) error {
	b.mu.Lock()
	counts := b.counts[user]
	delete(b.counts, user)
	b.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	err := b.store.CountRuns(ctx, user, counts)
	if err != nil {
		for rule, n := range counts {
			b.count(user, rule, n)
		}
	}
	return err
}

// count adds to what a rule has done.
func (b *Book) count(user id.User, rule id.Rule, n rules.Runs) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counts[user] == nil {
		b.counts[user] = map[id.Rule]rules.Runs{}
	}
	had := b.counts[user][rule]
	had.Asked, had.Failed = had.Asked+n.Asked, had.Failed+n.Failed
	if n.Fault != "" {
		had.Fault = n.Fault
	}
	b.counts[user][rule] = had
}
