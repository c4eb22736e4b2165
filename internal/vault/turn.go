package vault

import (
	"context"
	"errors"
	"io/fs"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// A user's record holds 32 octets of root, from which everything is derived that
// lasts as long as the user, and the salt of the page key, which does not: when
// one of several mailboxes is wiped, its user's database is written anew under
// another page key, and with the former salt every copy of before is noise.
//
//	root ‖ page            (64 octets)
//	root ‖ page ‖ former   (96 octets), while the database is written anew
type userRecord struct{ root, page, former Secret }

func (r *userRecord) octets() Secret {
	b := make([]byte, 0, 3*keySize)
	defer clear(b[:cap(b)])
	b = append(append(append(b, r.root.Reveal()...), r.page.Reveal()...), r.former.Reveal()...)
	return NewSecret(b)
}

func (r *userRecord) key(user id.User) *UserKey {
	k := NewUserKey(user, r.root)
	k.page = deriveSalted(r.root, r.page, pageLabel, 64)
	if !r.former.Empty() {
		k.formerPage = deriveSalted(r.root, r.former, pageLabel, 64)
	}
	return k
}

// userRecord reads a user's record: as it is wrapped, and opened.
func (s *Store) userRecord(ctx context.Context, user id.User) (wrapped []byte, r *userRecord, err error) {
	name := userName(user)
	if wrapped, err = s.shelf.Get(ctx, name); err != nil {
		return nil, nil, err
	}
	b, err := s.openRecord(name, wrapped)
	if err != nil {
		return nil, nil, err
	}
	defer clear(b)
	switch len(b) {
	case 2 * keySize, 3 * keySize:
	default:
		return nil, nil, damaged(name)
	}
	r = &userRecord{root: NewSecret(b[:keySize]), page: NewSecret(b[keySize : 2*keySize])}
	if len(b) > 2*keySize {
		r.former = NewSecret(b[2*keySize:])
	}
	return wrapped, r, nil
}

// TurnPage gives a user a new page key beside the former one, until DropPage.
// If that was begun before, it is gone on with.
func (s *Store) TurnPage(ctx context.Context, user id.User) (*UserKey, error) {
	return s.changeUser(ctx, user, func(r *userRecord) bool {
		if !r.former.Empty() {
			return false
		}
		r.page, r.former = random(), r.page
		return true
	})
}

// DropPage destroys the former page key, durably. It may be repeated.
func (s *Store) DropPage(ctx context.Context, user id.User) error {
	_, err := s.changeUser(ctx, user, func(r *userRecord) bool {
		had := !r.former.Empty()
		r.former = Secret{}
		return had
	})
	return err
}

// changeUser replaces a user's record, if change says so.
func (s *Store) changeUser(ctx context.Context, user id.User, change func(*userRecord) bool) (*UserKey, error) {
	for {
		old, r, err := s.userRecord(ctx, user)
		if err != nil {
			return nil, err
		}
		if change(r) {
			next := r.octets()
			err = s.shelf.Swap(ctx, userName(user), old, s.masters.Load().wrap(userName(user), next.Reveal()))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // wrapped anew meanwhile, or destroyed, which the next look tells
		}
		if err != nil {
			return nil, err
		}
		return r.key(user), nil
	}
}
