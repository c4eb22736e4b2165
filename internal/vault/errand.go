package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

const errandsDir = "errands"

// errandName is a hash: who may read a receipt knows its id, and nobody is to
// learn one here.
func errandName(receipt, what string) string {
	h := sha256.Sum256([]byte(receipt + "\x00" + what))
	return path.Join(errandsDir, hex.EncodeToString(h[:16]), keyName)
}

// EnsureErrand gives the key of something that is still to be told to others
// after a wipe, and makes it if there is none. It belongs to no user, since it
// outlives him, and seals one secret.
func (s *Store) EnsureErrand(ctx context.Context, receipt, what string) (*UserKey, error) {
	err := s.create(ctx, errandName(receipt, what), random())
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return s.Errand(ctx, receipt, what)
}

// Errand gives the key of an errand; fs.ErrNotExist if it is destroyed.
func (s *Store) Errand(ctx context.Context, receipt, what string) (*UserKey, error) {
	root, err := s.unwrap(ctx, errandName(receipt, what))
	if err != nil {
		return nil, err
	}
	return NewUserKey(id.User{}, root), nil
}

// DestroyErrand ends the key of an errand, and with it the secret in every copy
// of the store. It may be repeated.
func (s *Store) DestroyErrand(ctx context.Context, receipt, what string) error {
	name := errandName(receipt, what)
	if err := s.shelf.Destroy(ctx, name); err != nil {
		return err
	}
	return s.shelf.Destroy(ctx, path.Dir(name))
}
