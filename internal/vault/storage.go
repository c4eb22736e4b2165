package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// storageFault says in one line what went wrong with a file, and what to do.
func storageFault(verb, path string, err error) error {
	if err == nil {
		return nil
	}
	f := &mail.Fault{Class: mail.Setup, Code: "storage", Err: err, Text: fmt.Sprintf("%s %s failed", verb, path)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Code, f.Text = "key_missing", path+" is missing"
		f.Help = "restore it from a copy of the key store"
	case errors.Is(err, fs.ErrExist):
		f.Text = path + " is already there"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		f.Code, f.Text = "disk_full", fmt.Sprintf("%s %s failed: the disk is full", verb, path)
		f.Help = "free some space and start again"
	case errors.Is(err, syscall.EROFS):
		f.Code, f.Text = "read_only", fmt.Sprintf("%s %s failed: the file system is read-only", verb, path)
		f.Help = "mount it writable or choose another data directory"
	case errors.Is(err, fs.ErrPermission):
		f.Code, f.Text = "read_only", fmt.Sprintf("%s %s failed: permission denied", verb, path)
		f.Help = fmt.Sprintf("give %s to the user that runs this (uid %d)", filepath.Dir(path), os.Getuid())
	}
	return f
}

// writeBeside writes a new file next to path, durable but not yet in place,
// and gives its name.
func writeBeside(path string, b []byte) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+tempSuffix) // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), bequeath(f), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

const tempSuffix = ".tmp"

// bequeath gives a file that root writes to whom its directory belongs to: the
// service that runs as that user is to read it.
func bequeath(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	owner, ok := dir.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// createFile puts b at path, whole and durable, or fails with fs.ErrExist.
func createFile(path string, b []byte) error {
	temp, err := writeBeside(path, b)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// A link never replaces what is there, unlike a rename.
	err = os.Link(temp, path)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
		if _, statErr := os.Lstat(path); statErr == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		err = os.Rename(temp, path) // a file system without hard links
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile puts b at path, whole and durable, then overwrites what was there.
func replaceFile(path string, b []byte) error {
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	temp, err := writeBeside(path, b)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return overwrite(old)
}

// overwrite writes zeros over a file in place. Flash and journals may keep the
// old blocks for a while; what they keep is still wrapped by the master key.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, info.Size()), 0); err != nil {
		return err
	}
	return f.Sync()
}

// removeFile overwrites a file and removes its name. It does not mind if there is none.
func removeFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := overwrite(f); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDir makes a directory and its parents, durable, for nobody else to enter.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(filepath.Dir(dir)); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}
