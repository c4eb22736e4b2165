package account

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Memory holds accounts in memory, for tests under fake time. The zero value
// is ready.
type Memory struct {
	mu       sync.Mutex
	subjects map[string]id.User
	users    map[id.User]*kept
	receipts map[string]*Receipt
	errands  []memoryErrand
}

type kept struct {
	subject  string
	signedUp bool
	profile  Profile
	person   *Person
	boxes    []Mailbox
	grant    *Grant
}

type memoryErrand struct {
	Errand
	subject string
}

// EnsureUser finds or makes the user whom the identity provider calls subject.
func (m *Memory) EnsureUser(ctx context.Context, subject string) (User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return User{ID: m.ensure(subject)}, ctx.Err()
}

func (m *Memory) ensure(subject string) id.User {
	u, known := m.subjects[subject]
	if !known {
		if m.users == nil {
			m.subjects, m.users, m.receipts = map[string]id.User{}, map[id.User]*kept{}, map[string]*Receipt{}
		}
		u = id.New[id.User]()
		m.subjects[subject], m.users[u] = u, &kept{subject: subject, profile: Profile{Created: time.Now()}}
	}
	return u
}

// in runs f on a user's rows.
func (m *Memory) in(ctx context.Context, user id.User, f func(*kept) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.users[user]
	if p == nil {
		return ErrNone
	}
	return f(p)
}

// EnsureMailbox finds the mailbox of the same identity, as it is kept, or
// makes it as box says.
func (m *Memory) EnsureMailbox(ctx context.Context, user id.User, box Mailbox) (Mailbox, error) {
	err := m.in(ctx, user, func(p *kept) error {
		for _, b := range p.boxes {
			if b.Identity() == box.Identity() {
				box = b
				return nil
			}
		}
		box.ID, box.Host = id.New[id.Mailbox](), box.Identity().Host
		box.Folders, box.Created = slices.Clone(box.Folders), time.Now()
		p.boxes = append(p.boxes, box)
		return nil
	})
	return box, err
}

// Mailboxes gives a user's mailboxes, in the order of their making.
func (m *Memory) Mailboxes(ctx context.Context, user id.User) (out []Mailbox, err error) {
	err = m.in(ctx, user, func(p *kept) error {
		out = slices.Clone(p.boxes)
		return nil
	})
	return out, err
}

// Mailbox gives one mailbox of a user.
func (m *Memory) Mailbox(ctx context.Context, user id.User, box id.Mailbox) (out Mailbox, err error) {
	err = m.in(ctx, user, func(p *kept) error {
		i, err := p.find(box)
		if err == nil {
			out = p.boxes[i]
		}
		return err
	})
	return out, err
}

// UpdateMailbox changes a mailbox in all but its identity. Without a password
// and a consent those that are kept stay.
func (m *Memory) UpdateMailbox(ctx context.Context, user id.User, box Mailbox) error {
	return m.in(ctx, user, func(p *kept) error {
		i, err := p.find(box.ID)
		if err != nil {
			return err
		}
		was := p.boxes[i]
		if was.Identity() != box.Identity() {
			return ErrIdentity
		}
		if box.Password.Empty() && box.Consent.Provider == "" {
			box.Password, box.Consent = was.Password, was.Consent
		} else if !box.Password.Empty() {
			box.Consent = Consent{}
		}
		box.Folders, box.Host, box.Created = slices.Clone(box.Folders), was.Host, was.Created
		p.boxes[i] = box
		return nil
	})
}

func (p *kept) find(box id.Mailbox) (int, error) {
	i := slices.IndexFunc(p.boxes, func(b Mailbox) bool { return b.ID == box })
	if i < 0 {
		return 0, ErrNone
	}
	return i, nil
}

// Consent gives what a provider gave for a mailbox.
func (m *Memory) Consent(ctx context.Context, user id.User, box id.Mailbox) (c Consent, err error) {
	err = m.in(ctx, user, func(p *kept) error {
		i, err := p.find(box)
		if err == nil && p.boxes[i].Consent.Provider == "" {
			err = ErrNone
		}
		if err == nil {
			c = p.boxes[i].Consent
		}
		return err
	})
	return c, err
}

// KeepConsent puts next in the place of the consent with this refresh token.
func (m *Memory) KeepConsent(ctx context.Context, user id.User, box id.Mailbox, was vault.Secret, next Consent) (done bool, err error) {
	err = m.in(ctx, user, func(p *kept) error {
		i, err := p.find(box)
		if err == nil && p.boxes[i].Consent.Provider == "" {
			err = ErrNone
		}
		if err == nil && p.boxes[i].Consent.Refresh.Equal(was) {
			p.boxes[i].Consent, done = next, true
		}
		return err
	})
	return done, err
}

// WipeMailbox forgets a mailbox.
func (m *Memory) WipeMailbox(ctx context.Context, user id.User, box id.Mailbox) (Receipt, error) {
	r := Receipt{Of: OfMailbox, KeyDestroyed: true, Rows: map[string]int64{"mailboxes": 1}}
	err := m.in(ctx, user, func(p *kept) error {
		i, err := p.find(box)
		if err == nil {
			p.boxes = slices.Delete(p.boxes, i, i+1)
			r = m.receipt(r)
		}
		return err
	})
	return r, err
}

// WipeUser forgets a user.
func (m *Memory) WipeUser(ctx context.Context, user id.User) (Receipt, error) {
	r := Receipt{Of: OfAccount, KeyDestroyed: true, Rows: map[string]int64{"users": 1}}
	err := m.in(ctx, user, func(p *kept) error {
		r.Rows["mailboxes"] = int64(len(p.boxes))
		r = m.receipt(r)
		m.errand(r.ID, p)
		delete(m.users, user)
		delete(m.subjects, p.subject)
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return m.Receipt(ctx, r.ID)
}
