package vault

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
)

// Rewrap wraps every key that lies under an older master key with the newest
// one, record by record, while others go on reading. It may be cut off and
// called again. moved counts the keys it wrapped; a key that it cannot open is
// left alone and told of when the rest is done.
func (s *Store) Rewrap(ctx context.Context) (moved int, err error) {
	var faults error
	for name, err := range s.wrapped(ctx) {
		if err != nil {
			return moved, err
		}
		again, err := s.rewrap(ctx, name)
		if again {
			moved++
		}
		if err != nil && faults == nil {
			faults = err
		}
	}
	return moved, faults
}

func (s *Store) rewrap(ctx context.Context, name string) (moved bool, err error) {
	old, err := s.shelf.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // destroyed meanwhile
	}
	if err != nil {
		return false, err
	}
	if under, ok := headOf(old); ok && under == s.masters.keys[0].id {
		return false, nil
	}
	key, err := s.masters.unwrap(name, old)
	if err != nil {
		return false, err
	}
	defer clear(key)
	err = s.shelf.Swap(ctx, name, old, s.masters.wrap(name, key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Census counts the keys under each master key, by its id: an older master key
// may be thrown away when nothing lies under it any more.
func (s *Store) Census(ctx context.Context) (map[string]int, error) {
	count := map[string]int{}
	for name, err := range s.wrapped(ctx) {
		if err != nil {
			return nil, err
		}
		record, err := s.shelf.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		under, ok := headOf(record)
		if !ok {
			return nil, damaged(name)
		}
		count[under.String()]++
	}
	return count, nil
}

// wrapped gives the names of the records that lie under a master key: all but
// the salts, which lie under their user's key.
func (s *Store) wrapped(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range s.shelf.List(ctx) {
			key := name == systemPage || name == systemIndex || path.Base(name) == keyName
			if (err != nil || key) && !yield(name, err) {
				return
			}
		}
	}
}
