package vault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Dir is a Shelf in a directory of one machine, a file a record. Processes may
// share it: who changes or destroys a record holds the lock of the directory, so
// that a rotation in one never brings back what another destroys.
type Dir struct {
	path string
	mu   sync.RWMutex // the same among the goroutines of this process
}

// change runs f alone, among all processes that have the directory open.
func (d *Dir) change(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	unlock, err := lockFile(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f(), unlock())
}

// OpenDir opens the directory at path, which is made if there is none.
func OpenDir(path string) (*Dir, error) {
	if err := makeDir(path); err != nil {
		return nil, storageFault("making", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, storageFault("reading", path, err)
	}
	if !info.IsDir() {
		return nil, &mail.Fault{Class: mail.Setup, Code: "storage", Text: path + " is not a directory",
			Help: "move it away, or set SMTPSYNC_KEYSTORE_URL"}
	}
	return &Dir{path: path}, nil
}

// DirURL gives the directory named by SMTPSYNC_KEYSTORE_URL: file:///absolute
// or file://./relative.
func DirURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err == nil && u.Scheme == "file" && u.RawQuery == "" && u.Fragment == "" && u.User == nil {
		switch {
		case (u.Host == "" || u.Host == "localhost") && strings.Trim(u.Path, "/") != "":
			return filepath.Clean(u.Path), nil
		case u.Host == "." && strings.Trim(u.Path, "/") != "":
			return filepath.Clean("." + u.Path), nil
		}
	}
	// The text is not repeated: the URL of a database has a password in it.
	return "", &mail.Fault{Class: mail.Setup, Code: "config",
		Text: "SMTPSYNC_KEYSTORE_URL does not name a directory",
		Help: "write it as file:///path, or leave it out for keys inside the data directory"}
}

func (d *Dir) file(name string) string {
	CheckName(name)
	return filepath.Join(d.path, filepath.FromSlash(name))
}

// Get implements Shelf.
func (d *Dir) Get(_ context.Context, name string) ([]byte, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	b, err := readSettled(d.file(name))
	return b, storageFault("reading", d.file(name), err)
}

// readSettled reads a file that another process may be replacing: what was
// replaced is overwritten, so it is read again when it no longer is the file.
func readSettled(path string) ([]byte, error) {
	for {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(f, 4<<10))
		was, statErr := f.Stat()
		if err = errors.Join(err, statErr, f.Close()); err != nil {
			return nil, err
		}
		if is, err := os.Stat(path); err != nil {
			return nil, err
		} else if os.SameFile(was, is) {
			if destroyed(b) {
				return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
			}
			return b, nil
		}
	}
}

// destroyed reports what another process has overwritten and is about to remove,
// or has died before it could.
func destroyed(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, "\x00")) == 0 }

// Create implements Shelf.
func (d *Dir) Create(_ context.Context, name string, record []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	file := d.file(name)
	err := makeDir(filepath.Dir(file))
	if err == nil {
		err = createFile(file, record)
	}
	if errors.Is(err, fs.ErrExist) {
		if _, gone := readSettled(file); errors.Is(gone, fs.ErrNotExist) {
			err = d.createAnew(file, record)
		}
	}
	return storageFault("writing", file, err)
}

// createAnew creates a record in the place of a destroyed one, whose destroyer is
// waited for.
func (d *Dir) createAnew(file string, record []byte) error {
	unlock, err := lockFile(d.path)
	if err != nil {
		return err
	}
	if b, readErr := os.ReadFile(file); readErr == nil && destroyed(b) {
		err = removeFile(file)
	}
	if err == nil {
		err = createFile(file, record)
	}
	return errors.Join(err, unlock())
}

// Swap implements Shelf.
func (d *Dir) Swap(_ context.Context, name string, old, next []byte) error {
	file := d.file(name)
	return storageFault("writing", file, d.change(func() error {
		is, err := os.ReadFile(file)
		if err == nil && !bytes.Equal(is, old) {
			err = &fs.PathError{Op: "replace", Path: file, Err: fs.ErrNotExist}
		}
		if err != nil {
			return err
		}
		return replaceFile(file, next)
	}))
}

// Destroy implements Shelf. Half-written copies beside the record go with it.
func (d *Dir) Destroy(_ context.Context, name string) error {
	file := d.file(name)
	return storageFault("destroying", file, d.change(func() error { return destroyTree(file) }))
}

func destroyTree(file string) error {
	if info, err := os.Lstat(file); err == nil && info.IsDir() {
		if err := destroyAll(file); err != nil {
			return err
		}
		return syncDir(filepath.Dir(file))
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		half := strings.HasPrefix(e.Name(), filepath.Base(file)+".") && strings.HasSuffix(e.Name(), tempSuffix)
		if half || e.Name() == filepath.Base(file) {
			if err := removeFile(filepath.Join(filepath.Dir(file), e.Name())); err != nil {
				return err
			}
		}
	}
	return syncDir(filepath.Dir(file))
}

// destroyAll destroys everything in a directory, then the directory.
func destroyAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = destroyAll(path)
		} else {
			err = removeFile(path)
		}
		if err != nil {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return os.Remove(dir)
}

// List implements Shelf.
func (d *Dir) List(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && path != d.path {
				return nil // destroyed meanwhile
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil || e.IsDir() {
				return err
			}
			name, err := filepath.Rel(d.path, path)
			if err != nil {
				return err
			}
			if name = filepath.ToSlash(name); !validName.MatchString(name) {
				return nil // a half-written copy, or nothing of ours
			}
			octets, err := readSettled(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // destroyed meanwhile
			case err == nil && !yield(Record{name, octets}, nil):
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(Record{}, storageFault("listing", d.path, err))
		}
	}
}
