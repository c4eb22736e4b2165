package account

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// SignIn finds the user of a person, or makes one if the rule lets it.
func (m *Memory) SignIn(ctx context.Context, p Person, rule SignUp) (User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, known := m.subjects[p.Sub]
	if !known {
		if err := rule.Admits(p); err != nil {
			return User{}, err
		}
		for _, k := range m.users {
			if rule.Rule == "first" && k.signedUp {
				return User{}, ErrClosed
			}
		}
		u = m.ensure(p.Sub)
		m.users[u].signedUp = true
	}
	m.users[u].person = &p
	return User{ID: u}, ctx.Err()
}

// FindUser gives the user whom the identity provider calls subject, or ErrNone.
func (m *Memory) FindUser(ctx context.Context, subject string) (User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, known := m.subjects[subject]
	if !known {
		return User{}, ErrNone
	}
	return User{ID: u}, ctx.Err()
}

// Person gives who a user is to Google, or ErrNone after a revocation.
func (m *Memory) Person(ctx context.Context, user id.User) (p Person, err error) {
	err = m.in(ctx, user, func(k *kept) error {
		if k.person == nil {
			return ErrNone
		}
		p = *k.person
		return nil
	})
	return p, err
}

// Profile gives what a user chose.
func (m *Memory) Profile(ctx context.Context, user id.User) (p Profile, err error) {
	err = m.in(ctx, user, func(k *kept) error {
		p = k.profile
		return nil
	})
	return p, err
}

// SetProfile keeps what a user chose.
func (m *Memory) SetProfile(ctx context.Context, user id.User, p Profile) error {
	if err := p.Check(); err != nil {
		return err
	}
	return m.in(ctx, user, func(k *kept) error {
		p.Created, p.Notices = k.profile.Created, slices.Clone(p.Notices)
		k.profile = p
		return nil
	})
}

// PutGrant keeps what Google gave; it replaces what was kept before.
func (m *Memory) PutGrant(ctx context.Context, user id.User, g Grant) error {
	if g.Status == "" {
		g.Status = Active
	}
	return m.in(ctx, user, func(k *kept) error {
		g.Scopes = slices.Clone(g.Scopes)
		k.grant = &g
		if g.Sub != "" {
			k.person = &Person{Sub: g.Sub, Email: g.Email}
		}
		m.moot(k.subject)
		return nil
	})
}

// Grant gives what Google gave, or ErrNone.
func (m *Memory) Grant(ctx context.Context, user id.User) (g Grant, err error) {
	err = m.in(ctx, user, func(k *kept) error {
		if k.grant == nil || k.grant.RefreshToken.Empty() {
			return ErrNone
		}
		g = *k.grant
		if g.Sub, g.Email = "", ""; k.person != nil {
			g.Sub, g.Email = k.person.Sub, k.person.Email
		}
		return nil
	})
	return g, err
}

// Access tells where a user's grant stands.
func (m *Memory) Access(ctx context.Context, user id.User) (a Access, err error) {
	err = m.in(ctx, user, func(k *kept) error {
		a = Access{Status: NoGrant}
		if k.grant != nil {
			a = Access{Status: k.grant.Status, Scopes: k.grant.Scopes, GrantedAt: k.grant.GrantedAt}
		}
		return nil
	})
	return a, err
}

func (k *kept) drop() map[string]int64 {
	rows := map[string]int64{}
	if k.grant != nil && k.grant.Status != Revoked {
		k.grant, rows["grants"] = &Grant{Status: Revoked}, 1
	}
	if k.person != nil {
		k.person, rows["person"] = nil, 1
	}
	return rows
}

// DropGrant forgets what Google gave: Google has ended it.
func (m *Memory) DropGrant(ctx context.Context, user id.User) error {
	return m.in(ctx, user, func(k *kept) error {
		k.drop()
		return nil
	})
}

// DropRefused is DropGrant, unless another token has come in this one's place.
func (m *Memory) DropRefused(ctx context.Context, user id.User, token vault.Secret) error {
	return m.in(ctx, user, func(k *kept) error {
		if k.grant == nil || k.grant.RefreshToken.Empty() || k.grant.RefreshToken.Equal(token) {
			k.drop()
		}
		return nil
	})
}

// WipeGrant forgets what Google gave: its user wants that. Google is still to
// be told.
func (m *Memory) WipeGrant(ctx context.Context, user id.User) (r Receipt, err error) {
	err = m.in(ctx, user, func(k *kept) error {
		r = m.receipt(Receipt{Of: OfGrant})
		m.errand(r.ID, k)
		m.receipts[r.ID].Rows = k.drop()
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return m.Receipt(ctx, r.ID)
}

func (m *Memory) receipt(r Receipt) Receipt {
	r.ID, r.At, r.Outside = NewReceiptID(), time.Now(), map[string]string{}
	m.receipts[r.ID] = &r
	return r
}

func (m *Memory) errand(receipt string, k *kept) {
	if k.grant != nil && !k.grant.RefreshToken.Empty() {
		m.receipts[receipt].Outside[GoogleRevoke] = Pending
		m.errands = append(m.errands, memoryErrand{Errand{receipt, GoogleRevoke, time.Now(), k.grant.RefreshToken}, k.subject})
	}
}

func (m *Memory) moot(subject string) {
	m.errands = slices.DeleteFunc(m.errands, func(e memoryErrand) bool {
		if e.subject == subject {
			m.receipts[e.Receipt].Outside[e.What] = Moot
		}
		return e.subject == subject
	})
}

// Receipt gives a receipt, or ErrNone.
func (m *Memory) Receipt(ctx context.Context, receipt string) (Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.receipts[receipt]
	if r == nil {
		return Receipt{}, ErrNone
	}
	out := *r
	out.Rows, out.Outside = maps.Clone(r.Rows), maps.Clone(r.Outside)
	return out, ctx.Err()
}

// Errands gives what others are still to be told.
func (m *Memory) Errands(ctx context.Context) (out []Errand, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.errands {
		out = append(out, e.Errand)
	}
	return out, ctx.Err()
}

// ErrandDone notes that somebody was told, and forgets the secret.
func (m *Memory) ErrandDone(ctx context.Context, receipt, what string) error {
	return m.endErrand(ctx, receipt, what, Done)
}

// ErrandFailed notes that somebody could not be told, and forgets the secret.
func (m *Memory) ErrandFailed(ctx context.Context, receipt, what string) error {
	return m.endErrand(ctx, receipt, what, Failed)
}

func (m *Memory) endErrand(ctx context.Context, receipt, what, state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.errands)
	m.errands = slices.DeleteFunc(m.errands, func(e memoryErrand) bool { return e.Receipt == receipt && e.What == what })
	if len(m.errands) == n {
		return ErrNone
	}
	m.receipts[receipt].Outside[what] = state
	return ctx.Err()
}
