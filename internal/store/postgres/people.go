package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// person is one user's keys, opened. Whoever wants to read or write what is
// sealed takes it first, outside of a transaction: the key store may be far away.
type person struct {
	user  id.User
	key   *vault.UserKey
	until time.Time // when it is to be asked for again

	mu    sync.Mutex
	boxes map[id.Mailbox]*boxKeys
}

// boxKeys are those of one mailbox.
type boxKeys struct {
	*vault.BoxKeys
	words words
}

// people keeps the keys of those at work, for a short while: another node may
// have wiped them.
type people struct {
	mu   sync.Mutex
	open map[id.User]*person
}

const (
	keepPerson = time.Minute
	mostPeople = 10_000
)

func (p *people) init() { p.open = map[id.User]*person{} }

func (p *people) find(user id.User) *person {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.open[user]; k != nil && time.Now().Before(k.until) {
		return k
	}
	return nil
}

func (p *people) keep(k *person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) >= mostPeople {
		for user, old := range p.open { // those that are over, else any
			if delete(p.open, user); time.Now().Before(old.until) {
				break
			}
		}
	}
	p.open[k.user] = k
}

// forget drops the keys of a user who is wiped, or of whom a mailbox is.
func (p *people) forget(user id.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, user)
}

// person opens a user's keys; account.ErrNone if there is no such user (any
// more).
func (s *Store) person(ctx context.Context, user id.User) (*person, error) {
	if p := s.people.find(user); p != nil {
		return p, nil
	}
	key, err := s.keys.User(ctx, user)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, account.ErrNone
	}
	if err != nil {
		return nil, err
	}
	p := &person{user: user, key: key, until: time.Now().Add(keepPerson), boxes: map[id.Mailbox]*boxKeys{}}
	s.people.keep(p)
	return p, nil
}

// keysOf gives the keys of a mailbox; fs.ErrNotExist if its salt is destroyed,
// or never was. Salts are destroyed before people.forget is called, so that
// nothing is kept that should not be.
func (s *Store) keysOf(ctx context.Context, p *person, box id.Mailbox) (*boxKeys, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.boxes[box]; k != nil {
		return k, nil
	}
	salt, err := s.keys.Salt(ctx, p.key, box)
	if err != nil {
		return nil, err
	}
	k := &boxKeys{BoxKeys: p.key.BoxKeys(salt)}
	k.init()
	p.boxes[box] = k
	return k, nil
}

// Keys gives the hashes of one mailbox (bridge.Keys).
func (s *Store) Keys(ctx context.Context, user id.User, box id.Mailbox) (*vault.MailboxKeys, error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, err
	}
	k, err := s.keysOf(ctx, p, box)
	if err != nil {
		return nil, err
	}
	return k.Hashes, nil
}

// Rest drops what memory keeps of a mailbox for the next pass over it, which may
// be far away.
func (s *Store) Rest(_ context.Context, user id.User, box id.Mailbox) error {
	if p := s.people.find(user); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.boxes, box)
	}
	return nil
}

// place is where a sealed value of this user belongs: row names the row by its
// id, or by whatever else is stable.
func (p *person) place(table, column string, row []byte) vault.Place {
	return vault.Place{Table: table, Column: column, Row: string(row), User: p.user}
}

// sealed seals a value as JSON under a key, for one place.
func sealed(k *vault.UserKey, at vault.Place, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", at.Table, at.Column, err)
	}
	return k.Seal(at, vault.NewSecret(b)), nil
}

// opened reads what sealed has written.
func opened(k *vault.UserKey, at vault.Place, b []byte, v any) error {
	text, err := k.Open(at, b)
	if err == nil {
		err = json.Unmarshal(text.Reveal(), v)
	}
	if err != nil {
		return fmt.Errorf("%s.%s: %w", at.Table, at.Column, err)
	}
	return nil
}
