package vault

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// A rotation of the master key is ordered by a record beside the keys, so that
// whoever opens them finds it, on one machine or several: it says to which
// master key, by its id and nothing more. The one who works (serve) does it. The
// order goes when every key lies under that master key, and no sooner: a
// rotation that was killed is gone on with.
//
// The new master key itself is never in the key store. Wrapped under the older
// one it would spare operators of several nodes a restart, and whoever has the
// older one and a copy from those days could read everything for ever after.
const rotationName = "system/rotation"

// OrderRotation leaves the order to wrap every key under the newest master key.
// It may be repeated; it takes the place of an order for another key.
func (s *Store) OrderRotation(ctx context.Context) error {
	order := []byte(s.masters.Load().keys[0].id.String())
	for {
		err := s.shelf.Create(ctx, rotationName, order)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		was, err := s.shelf.Get(ctx, rotationName)
		if err == nil && bytes.Equal(was, order) {
			return nil
		}
		if err == nil {
			err = s.shelf.Swap(ctx, rotationName, was, order)
		}
		if !errors.Is(err, fs.ErrNotExist) { // else done meanwhile
			return err
		}
	}
}

// RotationOrdered gives the id of the master key under which every key is to
// be wrapped; "": there is no such order.
func (s *Store) RotationOrdered(ctx context.Context) (to string, err error) {
	b, err := s.shelf.Get(ctx, rotationName)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var key keyID
	if n, err := hex.Decode(key[:], b[:min(len(b), 2*len(key))]); err != nil || n != len(key) || len(b) != 2*len(key) {
		return "", damaged(rotationName)
	}
	return key.String(), nil
}

// Rotate does what was ordered: nothing, if nothing was. When it returns nil
// every key lay under the ordered master key, those too that were made or
// changed meanwhile, and the order is gone. It may be cut off and called again.
func (s *Store) Rotate(ctx context.Context) (moved int, err error) {
	for {
		to, err := s.RotationOrdered(ctx)
		if err != nil || to == "" {
			return moved, err
		}
		if err := s.ready(to); err != nil {
			return moved, err
		}
		for {
			n, err := s.Rewrap(ctx)
			moved += n
			if err != nil {
				return moved, err
			}
			if n == 0 { // a whole pass found nothing under another key
				break
			}
		}
		if again, err := s.RotationOrdered(ctx); err != nil || again == to {
			if err == nil {
				err = s.shelf.Destroy(ctx, rotationName)
			}
			return moved, err
		}
	}
}

// ready makes sure that the ordered master key is the newest of those that this
// process itself was given: what it wraps it must open after its next start.
func (s *Store) ready(to string) error {
	if s.masters.Load().IDs()[0] != to {
		if err := s.Reload(); err != nil {
			return err
		}
	}
	ids := s.masters.Load().IDs()
	switch {
	case ids[0] == to:
		return nil
	case slices.Contains(ids, to):
		return masterFault(fmt.Sprintf("the keys are to be wrapped under master key %s, but %s comes before it", to, ids[0]),
			"put "+to+" first in "+masterSetting+" and start again")
	}
	return masterFault(fmt.Sprintf("the keys are to be wrapped under master key %s, but the ones given are %s", to, strings.Join(ids, ", ")),
		"put it in front of "+masterSetting+" and start again")
}

// Follow lets the store ask for the master keys again: when it meets a record
// under one that it does not know, which another process may have wrapped under
// a key that is newer than this process, and before a rotation. load is called
// by one goroutine at a time. Keys that were loaded once go on opening what
// lies under them, until the process ends.
func (s *Store) Follow(load func() (*MasterKeys, error)) { s.load = load }

// Reload asks for the master keys again (Follow).
func (s *Store) Reload() error {
	if s.load == nil {
		return nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	fresh, err := s.load()
	if err == nil {
		s.masters.Store(fresh.and(s.masters.Load()))
	}
	return err
}

// openRecord opens a key record. One that lies under a master key unknown here
// is given a second look, at the master keys of now.
func (s *Store) openRecord(name string, record []byte) ([]byte, error) {
	under, ok := headOf(record)
	if ok && !s.masters.Load().has(under) {
		if err := s.Reload(); err != nil {
			return nil, err
		}
	}
	return s.masters.Load().unwrap(name, record)
}

func (m *MasterKeys) has(id keyID) bool {
	return slices.ContainsFunc(m.keys, func(k master) bool { return k.id == id })
}

// and gives these keys, then those of older that are not among them.
func (m *MasterKeys) and(older *MasterKeys) *MasterKeys {
	all := slices.Clone(m.keys)
	for _, k := range older.keys {
		if !m.has(k.id) {
			all = append(all, k)
		}
	}
	return &MasterKeys{all}
}
