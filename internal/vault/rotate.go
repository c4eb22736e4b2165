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
	for r, err := range s.wrapped(ctx) {
		if err != nil {
			return moved, err
		}
		again, err := s.rewrap(ctx, r)
		if again {
			moved++
		}
		if cut := ctx.Err(); cut != nil {
			return moved, errors.Join(err, cut)
		}
		if err != nil && faults == nil {
			faults = err
		}
	}
	return moved, faults
}

func (s *Store) rewrap(ctx context.Context, r Record) (moved bool, err error) {
	for {
		masters := s.masters.Load()
		if under, ok := headOf(r.Octets); ok && under == masters.keys[0].id {
			return false, nil
		}
		key, err := s.openRecord(r.Name, r.Octets)
		if err != nil {
			return false, err
		}
		err = s.shelf.Swap(ctx, r.Name, r.Octets, masters.wrap(r.Name, key))
		clear(key)
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
		// Changed meanwhile, as by the wipe of a mailbox, or destroyed.
		r.Octets, err = s.shelf.Get(ctx, r.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// Census counts the keys under each master key, by its id: an older master key
// may be thrown away when nothing lies under it any more.
func (s *Store) Census(ctx context.Context) (map[string]int, error) {
	count := map[string]int{}
	for r, err := range s.wrapped(ctx) {
		if err != nil {
			return nil, err
		}
		under, ok := headOf(r.Octets)
		if !ok {
			return nil, damaged(r.Name)
		}
		count[under.String()]++
	}
	return count, nil
}

// wrapped gives the records that lie under a master key: all but the salts,
// which lie under their user's key, and the order of a rotation.
func (s *Store) wrapped(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r, err := range s.shelf.List(ctx) {
			key := r.Name == systemPage || r.Name == systemIndex || path.Base(r.Name) == keyName
			if (err != nil || key) && !yield(r, err) {
				return
			}
		}
	}
}
