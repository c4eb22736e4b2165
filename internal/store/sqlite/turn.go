package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/pages"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// turn writes a user's database anew under another page key and destroys the
// former one: what was ever deleted from it is in no copy of before that the
// keys of now open. A crash leaves both keys, and the file under one of them;
// turn may then be repeated.
func (s *Store) turn(ctx context.Context, user id.User, u *userDB) error {
	key, err := s.keys.TurnPage(ctx, user)
	if err != nil {
		return err
	}
	if err := s.at(stepTurn); err != nil {
		return err
	}
	if err := u.rewrite(ctx, key.PageKey()); err != nil {
		return err
	}
	if err := s.at(stepRewritten); err != nil {
		return err
	}
	return s.keys.DropPage(ctx, user)
}

// rewrite writes the database anew under a page key, unless it is so already.
// Whoever has work meanwhile waits.
func (u *userDB) rewrite(ctx context.Context, page vault.Secret) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == nil {
		return errGone
	}
	if u.page.Equal(page) {
		return nil
	}
	fresh := u.path + ".new"
	if err := u.copyTo(fresh, page); err != nil {
		return fault(u.path, err)
	}
	cold := u.cold
	err := u.release() // the last connection empties the WAL and unlinks it
	for _, suffix := range []string{"-wal", "-shm"} {
		if gone := os.Remove(u.path + suffix); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	if err == nil {
		err = os.Rename(fresh, u.path)
	}
	if err == nil {
		u.page = page
		err = syncDir(filepath.Dir(u.path))
	}
	// The generated methods stay bound to the same value.
	err = errors.Join(err, makeFiles(u.path, false), u.connect(ctx, u.page, userSchema))
	if u.cold != nil {
		*cold = *u.cold
		u.cold = cold
	}
	return fault(u.path, err)
}

// copyTo writes what is in the database, and nothing that was, into another file.
func (u *userDB) copyTo(path string, page vault.Secret) error {
	if err := remove(path); err != nil {
		return err
	}
	params, forget, err := pages.Key(page.Reveal())
	if err != nil {
		return err
	}
	defer forget()
	uri := "file:" + (&url.URL{Path: path}).EscapedPath() + "?modeof=" + url.QueryEscape(u.path) + "&" + params
	st, _, err := u.conn.Prepare("VACUUM INTO ?")
	if err != nil {
		return err
	}
	err = errors.Join(st.BindText(1, uri), st.Exec(), st.Close())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
