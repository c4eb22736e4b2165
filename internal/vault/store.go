package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Names of the records, which are part of what a wrapped key is bound to.
const (
	systemPage  = "system/page"
	systemIndex = "system/index"
	usersDir    = "users"
	keyName     = "key"
)

func userDir(user id.User) string  { return path.Join(usersDir, user.String()) }
func userName(user id.User) string { return path.Join(userDir(user), keyName) }
func saltName(user id.User, box id.Mailbox) string {
	return path.Join(userDir(user), "salts", box.String())
}

// Store makes, finds and destroys the keys on a Shelf. It keeps none in memory.
// It may be used by many goroutines at once.
type Store struct {
	shelf   Shelf
	masters atomic.Pointer[MasterKeys]
	load    func() (*MasterKeys, error) // see Follow; nil: they stay as they are
	loading sync.Mutex
}

// NewStore opens the keys on shelf with these master keys. It reads nothing
// yet: System shows at start-up whether the master key is the right one.
func NewStore(shelf Shelf, masters *MasterKeys) *Store {
	s := &Store{shelf: shelf}
	s.masters.Store(masters)
	return s
}

// MasterIDs names the master keys that are loaded now, newest first.
func (s *Store) MasterIDs() []string { return s.masters.Load().IDs() }

// SystemKeys are the keys of what belongs to no user.
type SystemKeys struct{ page, index Secret }

// PageKey gives the 64 octets that encrypt the pages of the system database.
func (k *SystemKeys) PageKey() Secret { return k.page }

// Index gives the hash under which something that is not to be stored is
// looked up: what names the kind of thing, so that equal values of two kinds
// do not show. It does not change with the master key.
func (k *SystemKeys) Index(what, value string) [32]byte {
	h := hmac.New(sha256.New, k.index.Reveal())
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(what)))
	h.Write(n[:])
	h.Write([]byte(what))
	h.Write([]byte(value))
	return [32]byte(h.Sum(nil))
}

// System gives the system keys, or a Fault that wraps fs.ErrNotExist.
func (s *Store) System(ctx context.Context) (*SystemKeys, error) {
	page, err := s.unwrap(ctx, systemPage)
	if err != nil {
		return nil, err
	}
	index, err := s.unwrap(ctx, systemIndex)
	if err != nil {
		return nil, err
	}
	return &SystemKeys{derive(page, pageLabel, 64), derive(index, fingerprintLabel, keySize)}, nil
}

// EnsureSystem gives the system keys and makes those that are missing: for
// whoever is about to make the system database. Where that exists already,
// System must be used: fresh keys would not open it.
func (s *Store) EnsureSystem(ctx context.Context) (*SystemKeys, error) {
	for _, name := range []string{systemPage, systemIndex} {
		_, err := s.shelf.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			err = s.create(ctx, name, random())
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return s.System(ctx)
}

// CreateUser makes the key of a new user. It fails with fs.ErrExist if there is one.
func (s *Store) CreateUser(ctx context.Context, user id.User) (*UserKey, error) {
	k := &userRecord{root: random(), page: random()}
	if err := s.create(ctx, userName(user), k.octets()); err != nil {
		return nil, err
	}
	return k.key(user), nil
}

// User gives a user's key; fs.ErrNotExist if there never was one or it is destroyed.
func (s *Store) User(ctx context.Context, user id.User) (*UserKey, error) {
	_, k, err := s.userRecord(ctx, user)
	if err != nil {
		return nil, err
	}
	return k.key(user), nil
}

// DestroyUser ends a user's key and with it everything sealed under it, then
// the salts. When it returns nil that is durable; it may be repeated.
func (s *Store) DestroyUser(ctx context.Context, user id.User) error {
	if err := s.shelf.Destroy(ctx, userName(user)); err != nil { // the point of no return first
		return err
	}
	return s.shelf.Destroy(ctx, userDir(user))
}

func saltPlace(user id.User, box id.Mailbox) Place {
	return Place{Table: "keystore", Column: "salt", Row: box.String(), User: user}
}

// CreateSalt makes the salt of a new mailbox, sealed under its user's key.
func (s *Store) CreateSalt(ctx context.Context, k *UserKey, box id.Mailbox) (Secret, error) {
	salt := random()
	sealed := k.Seal(saltPlace(k.user, box), salt)
	if err := s.shelf.Create(ctx, saltName(k.user, box), sealed); err != nil {
		return Secret{}, err
	}
	return salt, nil
}

// Salt gives the salt of a mailbox, for UserKey.MailboxKeys.
func (s *Store) Salt(ctx context.Context, k *UserKey, box id.Mailbox) (Secret, error) {
	sealed, err := s.shelf.Get(ctx, saltName(k.user, box))
	if err != nil {
		return Secret{}, err
	}
	return k.Open(saltPlace(k.user, box), sealed)
}

// DestroySalt ends the salt of a mailbox and with it the meaning of its
// ledger's keys. It may be repeated.
func (s *Store) DestroySalt(ctx context.Context, user id.User, box id.Mailbox) error {
	return s.shelf.Destroy(ctx, saltName(user, box))
}

func (s *Store) create(ctx context.Context, name string, key Secret) error {
	return s.shelf.Create(ctx, name, s.masters.Load().wrap(name, key.Reveal()))
}

func (s *Store) unwrap(ctx context.Context, name string) (Secret, error) {
	record, err := s.shelf.Get(ctx, name)
	if err != nil {
		return Secret{}, err
	}
	key, err := s.openRecord(name, record)
	if err != nil {
		return Secret{}, err
	}
	defer clear(key)
	if len(key) != keySize {
		return Secret{}, damaged(name)
	}
	return NewSecret(key), nil
}
