package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// boxes keeps the keys of mailboxes while their database is open, since a poll
// needs them each time.
type boxes struct {
	mu   sync.Mutex
	keys map[id.Mailbox]*vault.BoxKeys
}

func (b *boxes) forget(box id.Mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.keys, box)
}

// keysOf gives the keys of a mailbox; fs.ErrNotExist if its salt is destroyed,
// or never was. Salts are destroyed before forget is called, so that nothing is
// kept that should not be.
func (u *userDB) keysOf(ctx context.Context, box id.Mailbox) (*vault.BoxKeys, error) {
	u.boxes.mu.Lock()
	defer u.boxes.mu.Unlock()
	if k := u.boxes.keys[box]; k != nil {
		return k, nil
	}
	salt, err := u.keys.Salt(ctx, u.key, box)
	if err != nil {
		return nil, err
	}
	if u.boxes.keys == nil {
		u.boxes.keys = map[id.Mailbox]*vault.BoxKeys{}
	}
	k := u.key.BoxKeys(salt)
	u.boxes.keys[box] = k
	return k, nil
}

// password opens a mailbox's. Where the salt is destroyed, as of a mailbox that
// came back with a backup of the store, there is none any more.
func (u *userDB) password(ctx context.Context, box id.Mailbox, sealed []byte) (vault.Secret, error) {
	if len(sealed) == 0 {
		return vault.Secret{}, nil
	}
	k, err := u.keysOf(ctx, box)
	if errors.Is(err, fs.ErrNotExist) {
		return vault.Secret{}, nil
	}
	if err != nil {
		return vault.Secret{}, err
	}
	return k.Sealer.Open(u.place("mailboxes", "password", box[:]), sealed)
}
