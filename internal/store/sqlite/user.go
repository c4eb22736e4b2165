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
	q     *userdb.Queries
	epoch int64 // the fence, as read by the transaction under way
	hot   hot
}

// hot are the statements of every import, prepared.
type hot struct {
	epoch, tries, claim, dropFailed, dropClaim, settle, record, audit *sqlite3.Stmt
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
	d, err := openDatabase(ctx, path, key.PageKey(), userSchema, create)
	if err != nil {
		return nil, err
	}
	u := &userDB{database: d, key: key, q: userdb.New(d.cold)}
	u.hot = hot{
		epoch:      d.prepare(&err, userdb.Epoch),
		tries:      d.prepare(&err, userdb.FailedTries),
		claim:      d.prepare(&err, userdb.InsertClaim),
		dropFailed: d.prepare(&err, userdb.DropFailed),
		dropClaim:  d.prepare(&err, userdb.DropClaim),
		settle:     d.prepare(&err, userdb.Settle),
		record:     d.prepare(&err, userdb.Record),
		audit:      d.prepare(&err, userdb.InsertAudit),
	}
	if err != nil {
		return nil, errors.Join(fault(path, err), d.close())
	}
	d.began = u.readEpoch
	return u, nil
}

// readEpoch reads the fence; it begins every transaction.
func (u *userDB) readEpoch() error {
	found := u.hot.epoch.Step()
	if found {
		u.epoch = u.hot.epoch.ColumnInt64(0)
	}
	if err := u.hot.epoch.Reset(); err != nil {
		return err
	}
	if !found {
		return sqlite3.CORRUPT
	}
	return nil
}

// binder binds the values of a statement one after the other, from ?1 on.
type binder struct {
	s   *sqlite3.Stmt
	n   int
	err error
}

func bind(s *sqlite3.Stmt) binder { return binder{s: s} }

func (b binder) int(v int64) binder {
	b.n++
	if b.err == nil {
		b.err = b.s.BindInt64(b.n, v)
	}
	return b
}

func (b binder) blob(v []byte) binder {
	b.n++
	if b.err == nil {
		b.err = b.s.BindBlob(b.n, v)
	}
	return b
}

func (b binder) text(v string) binder {
	b.n++
	if b.err == nil {
		b.err = b.s.BindText(b.n, v)
	}
	return b
}

// exec runs the statement.
func (b binder) exec() error {
	if b.err != nil {
		return b.err
	}
	return b.s.Exec()
}
