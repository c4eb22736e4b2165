package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// userDB is one user's database.
type userDB struct {
	*database
	key   *vault.UserKey
	keys  *vault.Store
	boxes boxes
	q     *userdb.Queries
	page  vault.Secret // under which the file is
	epoch int64        // the fence, as read by the transaction under way

	newest id.Audit // the audit line that this transaction wrote last
}

// openUser opens a user's database; errGone if there is none (any more).
func (s *Store) openUser(ctx context.Context, user id.User, create bool) (*userDB, error) {
	path := s.userFile(user)
	if !create {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, errGone
		}
	}
	key, err := s.keys.User(ctx, user)
	if err != nil {
		return nil, err
	}
	page := key.PageKey()
	d, err := openDatabase(ctx, path, page, userSchema, create)
	if former := key.FormerPageKey(); err != nil && !former.Empty() {
		page = former // it was not written anew yet
		d, err = openDatabase(ctx, path, page, userSchema, false)
	}
	if err != nil {
		return nil, err
	}
	u := &userDB{database: d, key: key, keys: s.keys, q: userdb.New(d.cold), page: page}
	d.began, d.observe = u.readEpoch, s.observe
	return u, nil
}

// readEpoch reads the fence; it begins every transaction.
func (u *userDB) readEpoch() error {
	found := false
	err := u.bind(sqlEpoch).each(func(r *sqlite3.Stmt) { u.epoch, found = r.ColumnInt64(0), true })
	if err == nil && !found {
		err = sqlite3.CORRUPT
	}
	return err
}
